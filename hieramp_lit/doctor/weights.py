"""Weight files of a set-up: there, whole, of the right kind and size, and made for each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hieramp_lit.checkpoints import CODES, is_sharded, read_record, read_tensors, resolve, weights_sha256
from hieramp_lit.data import DigitsDataModule
from hieramp_lit.data.images.digits import IMAGE_SIZE
from hieramp_lit.doctor.findings import REFUSALS, Finding, Status, refused, size
from hieramp_lit.doctor.setup import Setup, arguments_of
from hieramp_lit.students.teacher import PREFIXES, Teacher
from hieramp_lit.var import (
    VAR,
    VQVAE,
    Scales,
    Tokenizer,
    VARArchitecture,
    VQVAEArchitecture,
    check_pair,
    load_into,
    load_var,
)

MOST_NAMED = 6


@dataclass
class Networks:
    """Networks of a set-up that could be loaded.

    Attributes:
        vqvae: Tokenizer; None if there is none, or it does not load.
        var: Trained VAR, likewise; None too where it is to be trained from scratch.
        findings: What loading them showed.
    """

    vqvae: VQVAE | None = None
    var: VAR | None = None
    findings: list[Finding] = field(default_factory=list)


def load_networks(setup: Setup) -> Networks:
    """Load every weight file that the set-up names, as the run would, and tell size, SHA-256 and kind of each."""
    networks = Networks()
    model = setup.model
    if setup.task == "RelabelTraining":
        _check_student(setup, networks.findings)
        return networks
    if setup.task == "TokenizerTraining":
        architecture = made_of(VQVAEArchitecture, model["architecture"])
        networks.vqvae = _tokenizer(model.get("checkpoint"), Scales(model["patch_nums"]), networks.findings, "model")
        if networks.vqvae is not None and VQVAEArchitecture.of(networks.vqvae.state_dict()) != architecture:
            theirs = VQVAEArchitecture.of(networks.vqvae.state_dict())
            text = f"model.checkpoint is {theirs}, model.architecture {architecture}"
            networks.findings.append(Finding("tokenizer", "error", text, "set model.architecture to the file's sizes"))
        return networks
    if "tokenizer" not in model:
        return networks  # random real images
    networks.var = _var(setup, networks.findings)
    sides = networks.var.scales if networks.var is not None else _scales(model)
    vqvae = _tokenizer(model["tokenizer"]["checkpoint"], sides, networks.findings, "model.tokenizer")
    networks.vqvae = vqvae if sides is not None else None
    if networks.var is not None and networks.vqvae is not None:
        try:
            check_pair(networks.vqvae, networks.var)
        except ValueError as error:
            networks.findings.append(refused("tokenizer and VAR", error))
            networks.var = None
        else:
            networks.findings += _recorded_pair(model.get("checkpoint"), networks.vqvae, setup.task)
    return networks


def _named(fresh: Sequence[str]) -> str:
    """What a file does not give: all class tokens as one, and rows of label embedding and class head."""
    rows = [name for name in fresh if name.endswith("]")]
    return ", ".join((["class tokens and their classifier"] if len(rows) < len(fresh) else []) + rows)


def _recorded_pair(checkpoint: str | None, tokenizer: VQVAE, task: str) -> list[Finding]:
    """Compare the tokenizer's codes with those that the VAR's file names; published files name none."""
    recorded = None if checkpoint is None else read_record(resolve(checkpoint, key="model.checkpoint")).get(CODES)
    if recorded is None:
        return []
    if recorded == tokenizer.quantize.fingerprint():
        return [Finding("trained with", "ok", "the VAR was trained with this very tokenizer")]
    text = "the VAR was trained with another tokenizer, whose tokens mean something else"
    status: Status = "warning" if task == "ClassTokenTuning" else "error"  # a tuning may learn the new ones
    return [Finding("trained with", status, text, "give that tokenizer", {"recorded": recorded})]


def made_of(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """A `VARArchitecture`, `VQVAEArchitecture` or `Teacher` of parsed values, where lists stand for tuples."""
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _var(setup: Setup, findings: list[Finding]) -> VAR | None:
    checkpoint, model, key = setup.model.get("checkpoint"), setup.model, "model.checkpoint"
    if setup.task == "Tokenization":
        return None
    if checkpoint is None:
        findings.append(Finding("VAR", "ok", "model.checkpoint is null: trained from scratch"))
        return None
    try:
        if setup.task == "ClassTokenTuning":
            var: VAR = made_of(VARArchitecture, model["var"]).build()
            fresh = load_into(var, checkpoint, key=key, label_rows=model["label_rows"])
            more = f"; not in the file, and new: {_named(fresh)}" if fresh else ""
        else:
            var, more = load_var(checkpoint, num_heads=model["num_heads"], key=key), ""
    except REFUSALS as error:
        findings.append(refused("VAR", error))
        return None
    about = VARArchitecture.of(var.state_dict()).describe() + more
    findings.append(_described("VAR", checkpoint, key, var, about))
    var.eval()
    return var


def _tokenizer(checkpoint: str | None, scales: Scales | None, findings: list[Finding], part: str) -> VQVAE | None:
    """Any scales do to load it; without them the size of its images is unknown."""
    if checkpoint is None:
        findings.append(Finding("tokenizer", "ok", f"{part}.checkpoint is null: trained from scratch"))
        return None
    try:
        vqvae = Tokenizer(checkpoint).load(scales or Scales((1, 2)))
    except REFUSALS as error:
        findings.append(refused("tokenizer", error))
        return None
    about = f"tokenizer of factor {vqvae.factor}, codebook {vqvae.vocab_size}×{vqvae.z_channels}"
    about += "" if scales is None else f", images of {vqvae.image_size} pixels"
    findings.append(_described("tokenizer", checkpoint, f"{part}.checkpoint", vqvae, about))
    return vqvae


def _scales(model: Mapping[str, Any]) -> Scales | None:
    """Token maps that the configuration names, where the VAR's file does not say them."""
    named = model.get("patch_nums") or model.get("var", {}).get("patch_nums")
    return None if named is None else Scales(tuple(named))


def _check_student(setup: Setup, findings: list[Finding]) -> None:
    model = setup.model
    teacher = teacher_of(model)
    if has_hard_labels(model):
        findings.append(Finding("teacher", "ok", "model.protocol.labels is hard: none is loaded"))
    elif teacher is None:
        remedy = "give model.teacher, or model.protocol.labels: hard"
        findings.append(Finding("teacher", "error", "soft labels, and model.teacher is null", remedy))
    elif teacher.checkpoint is None:
        findings.append(Finding("teacher", "ok", f"{teacher.architecture} with the weights that its library publishes"))
    else:
        key = "model.teacher.checkpoint"
        try:
            network = teacher.load_whole(image_size_of(setup))
            about = f"{teacher.architecture} with {teacher.answers()} answers; `hieramp doctor teacher` tries it"
            findings.append(_described("teacher", teacher.checkpoint, key, network, about))
        except REFUSALS as error:
            findings.append(refused("teacher", error))
    if model.get("checkpoint") is not None:
        try:
            path = resolve(model["checkpoint"], key="model.checkpoint")
            tensors = read_tensors(path, prefixes=PREFIXES, key="model.checkpoint")
            broken = not_finite(tensors, {})
            text = f"{path}: {len(tensors)} tensors, {size(_bytes(path))}"
            whole = Finding("student", "ok", text, facts={"sha256": weights_sha256(path)})
            findings.append(_damaged("student", f"model.checkpoint: {path}", broken) if broken else whole)
        except REFUSALS as error:
            findings.append(refused("student", error))


def has_hard_labels(model: Mapping[str, Any]) -> bool:
    """Whether a student's configuration has no use for a teacher."""
    return bool(model["protocol"]["labels"] == "hard")


def teacher_of(model: Mapping[str, Any]) -> Teacher | None:
    """The teacher that a student's configuration names.

    Raises:
        ValueError: As its constructor does.
    """
    values = model.get("teacher")
    if values is None:
        return None
    teacher: Teacher = made_of(Teacher, values)
    return teacher


def image_size_of(setup: Setup) -> int:
    """Side in pixels of a student's images.

    Raises:
        ValueError: If the configuration leaves it to the data.
    """
    validation = setup.data.get("validation")
    found = setup.model.get("image_size") or setup.data.get("image_size") or arguments_of(validation).get("image_size")
    if found is None:
        judges = str(validation.get("class_path")) if isinstance(validation, Mapping) else setup.data_class
        if judges.endswith(DigitsDataModule.__name__):
            return IMAGE_SIZE
        raise ValueError("model.image_size is null and the data does not say it: give it to have the teacher tried.")
    return int(found)


def _described(check: str, checkpoint: str, key: str, network: nn.Module, about: str) -> Finding:
    broken = not_finite(dict(network.named_parameters()), dict(network.named_buffers()))
    if broken:
        return _damaged(check, f"{key}: {checkpoint}", broken)
    path = resolve(checkpoint, key=key)
    digest, parameters = weights_sha256(path), sum(parameter.numel() for parameter in network.parameters())
    text = f"{checkpoint}: {about}; {parameters:,} parameters, {size(_bytes(path))}, SHA-256 {digest[:12]}…"
    facts = {"checkpoint": checkpoint, "sha256": digest, "parameters": parameters, "bytes": _bytes(path)}
    return Finding(check, "ok", text, facts=facts)


def not_finite(parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that hold NaN; infinity, which masks of attention are made of, is none for a buffer."""
    broken = [name for name, tensor in parameters.items() if not tensor.isfinite().all()]
    return broken + [name for name, tensor in buffers.items() if tensor.isnan().any()]


def _damaged(check: str, what: str, broken: Sequence[str]) -> Finding:
    more = f" and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
    text = f"{what} holds values that are not finite, in {', '.join(broken[:MOST_NAMED])}{more}"
    remedy = "download, train or export it again, or take an earlier checkpoint"
    return Finding(check, "error", text, remedy, {"not_finite": list(broken)})


def _bytes(path: Path) -> int:
    files = path.iterdir() if is_sharded(path) else [path]
    return sum(file.stat().st_size for file in files)
