"""What a set-up takes of memory and disk, derived from its configuration alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor, nn

from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.data.plan import GenerationPlan
from hieramp_lit.doctor.disk import Writes, checkpoint_bytes, shard_set_bytes
from hieramp_lit.doctor.findings import Finding
from hieramp_lit.doctor.memory import Part, encoding_parts, generation_parts, training_parts, tuning_parts
from hieramp_lit.doctor.setup import Setup, arguments_of
from hieramp_lit.doctor.weights import Networks, has_hard_labels, image_size_of, made_of, teacher_of
from hieramp_lit.students import create_student
from hieramp_lit.var import VAR, Scales, VARArchitecture, VQVAEArchitecture

USUAL_CLASSES, USUAL_BATCH, USUAL_SIDE = 1000, 100, 256
"""Classes and batch of a student, where the set that decides them is not there yet; side of real images."""
CHECKPOINT = "ModelCheckpoint"


def memory_parts(setup: Setup, networks: Networks) -> list[Part]:
    """What lives in a device's memory at the same time; nothing where sizes are unknown, see `not_estimated`.

    Args:
        setup: The configuration.
        networks: Those that it names.
    """
    model, vqvae = setup.model, networks.vqvae
    batch = setup.data.get("batch_size")
    cached = "Token" in setup.data_class
    if setup.task == "ClassTokenTuning" and (cached or vqvae is not None):
        return tuning_parts(
            tuned_var(setup),
            None if cached else vqvae,
            batch or 1,
            half=setup.half,
            checkpointing=model["checkpointing"],
            class_tokens_only=model["trainable"] == "class_tokens",
            sharded=setup.sharded(torch.cuda.device_count()),
        )
    if setup.task == "AmplifiedGeneration" and vqvae is not None and networks.var is not None:
        at_once = batch if isinstance(batch, int) else 1
        return generation_parts(networks.var, vqvae, at_once, model["decode_batch_size"], half=setup.half)
    if setup.task == "Tokenization" and vqvae is not None:
        images = arguments_of(setup.data.get("images"))
        return encoding_parts(vqvae, images.get("batch_size") or 1)
    if setup.task == "TokenizerTraining":
        return _tokenizer_training(model, batch or 1, half=setup.half)
    if setup.task == "RelabelTraining":
        return _student_training(setup, batch or USUAL_BATCH)
    return []


def not_estimated(setup: Setup, networks: Networks) -> Finding:
    """Why there is no estimate."""
    if setup.task == "Generation":
        text = "not estimated, because the generator brings networks of its own, or none"
        return Finding("memory", "ok", text)
    needed: dict[str, nn.Module | None] = {"model.tokenizer.checkpoint": networks.vqvae}
    if setup.task == "AmplifiedGeneration":
        needed["model.checkpoint"] = networks.var
    missing = " and ".join(key for key, network in needed.items() if network is None)
    text = f"not estimated, because sizes stand in a file that could not be used: {missing}"
    return Finding("memory", "warning", text, "mend what is said of these weights, and look again")


def tuned_var(setup: Setup) -> VAR:
    """The VAR of a tuning, without memory."""
    with torch.device("meta"):
        var: VAR = made_of(VARArchitecture, setup.model["var"]).build()
    return var


def remedy(setup: Setup) -> str:
    """What takes less memory."""
    if setup.task == "ClassTokenTuning":
        return (
            "lower data.batch_size (model.global_batch keeps the steps), set model.checkpointing: true, "
            "trainer.precision: bf16-mixed or model.trainable: class_tokens, or --config configs/overlays/fsdp.yaml"
        )
    if setup.task == "AmplifiedGeneration":
        return "set data.batch_size: auto, lower model.decode_batch_size, or set trainer.precision: bf16-mixed"
    if setup.task == "Tokenization":
        return "lower data.images.batch_size"
    return "lower data.batch_size, or set trainer.precision: bf16-mixed"


def writes(setup: Setup, networks: Networks, data: LightningDataModule | None) -> list[Writes]:
    """Everything of size that the run stores.

    Args:
        setup: The configuration.
        networks: Those that it names.
        data: Its data; of a tokenization its images. None where it could not be built.
    """
    model = setup.model
    if setup.command == "predict" and isinstance(data, GenerationPlan):
        return [_shard_set(setup, networks, len(data.plan))]
    if setup.task == "Tokenization" and isinstance(data, SampledDataModule):
        total = Scales(tuple(model["patch_nums"])).total
        samples = len(data.train_samples()) * setup.data["views"] + len(data.val_samples())
        return [Writes("tokens", Path(model["output"]), 2 * total * samples)]
    if setup.command != "fit":
        return []
    network = _trained(setup)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    learning = parameters
    if isinstance(network, VAR) and model["trainable"] == "class_tokens":
        learning = sum(parameter.numel() for _, parameter in network.class_token_parameters())
    found = [
        Writes("checkpoints", _log_folder(setup.trainer), checkpoint_bytes(parameters, learning, _kept(setup.trainer)))
    ]
    if model.get("export"):
        found.append(Writes("weights", Path(model["export"]), 4 * parameters))
    return found


def _trained(setup: Setup) -> nn.Module:
    """The network that learns, without memory."""
    model = setup.model
    if setup.task == "ClassTokenTuning":
        return tuned_var(setup)
    with torch.device("meta"):
        if setup.task == "TokenizerTraining":
            vqvae: nn.Module = made_of(VQVAEArchitecture, model["architecture"]).build(_scales(model))
            return vqvae
        classes = model.get("num_classes") or USUAL_CLASSES
        return create_student(model["student"], classes, image_size_of(setup), model.get("norm"))


def _scales(model: Mapping[str, Any]) -> Scales:
    return Scales(tuple(model["patch_nums"]))


def _tokenizer_training(model: Mapping[str, Any], batch: int, *, half: bool) -> list[Part]:
    with torch.device("meta"):
        vqvae = made_of(VQVAEArchitecture, model["architecture"]).build(_scales(model))
        image = torch.empty(batch, 3, vqvae.image_size, vqvae.image_size)

    def forward() -> Tensor:
        answer: Tensor = vqvae.decoder(vqvae.post_quant_conv(vqvae.feature(image)))
        return answer

    return training_parts(vqvae, forward, half=half)


def _student_training(setup: Setup, batch: int) -> list[Part]:
    side, teacher = image_size_of(setup), teacher_of(setup.model)
    with torch.device("meta"):
        student = _trained(setup).train()
        image = torch.empty(batch, 3, side, side)
    parts = training_parts(student, lambda: student(image), half=setup.half)
    if teacher is not None and not has_hard_labels(setup.model):
        with torch.device("meta"):
            network = create_student(teacher.architecture, USUAL_CLASSES, side, teacher.norm)
        parts.append(Part("teacher", 4 * sum(parameter.numel() for parameter in network.parameters())))
    return parts


def _shard_set(setup: Setup, networks: Networks, images: int) -> Writes:
    model = setup.model
    made = networks.vqvae.image_size if networks.vqvae is not None else USUAL_SIDE
    tokens = networks.vqvae.scales.total if networks.vqvae is not None else 0
    maps = 0
    if networks.vqvae is not None and model["save_saliency"]:
        maps = len(networks.vqvae.scales) * networks.vqvae.scales.side**2
    return Writes("shards", Path(model["output"]), shard_set_bytes(images, model["save_size"] or made, tokens, maps))


def _kept(trainer: Mapping[str, Any]) -> int:
    """Checkpoints that lie on the disk at the end; Lightning itself keeps one where none are configured."""
    callbacks = trainer.get("callbacks") or []
    keepers = [callback for callback in callbacks if str(callback.get("class_path")).endswith(CHECKPOINT)]
    arguments = [arguments_of(keeper) for keeper in keepers]
    return sum(max(own.get("save_top_k") or 0, 0) + bool(own.get("save_last")) for own in arguments) if keepers else 1


def _log_folder(trainer: Mapping[str, Any]) -> Path:
    loggers = trainer.get("logger")
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        folder = arguments_of(logger).get("save_dir")
        if folder:
            return Path(folder)
    return Path(trainer.get("default_root_dir") or ".")
