"""Writes ``result.json`` and the student's weights at the end of a fit."""

from __future__ import annotations

import hashlib
import logging
import platform
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.checkpoints import save
from hieramp_lit.files import write_json
from hieramp_lit.metrics.accuracy import best
from hieramp_lit.report import results
from hieramp_lit.students import protocols

if TYPE_CHECKING:
    from hieramp_lit.tasks.relabel_training import RelabelTraining

_log = logging.getLogger(__name__)
_PACKAGES = ("hieramp_lit", "torch", "torchvision", "timm", "lightning")
_NO_SET = "the student was trained on a full data set, not on a distilled one"


class StudentResults(Callback):
    """Attached by `RelabelTraining` itself, so that no configuration can forget it.

    Args:
        output: Path of the result; None for ``result.json`` in the logger's folder.
        export: Path of the student's weights, ``.safetensors`` or ``.pth``; None for none.

    Attributes:
        result: What was written; None before the end of a fit.
        path: Where.

    Raises:
        ValueError: If `export` has another suffix.
    """

    def __init__(self, output: str | None, export: str | None) -> None:
        if export is not None and Path(export).suffix not in {".safetensors", ".pth", ".pt"}:
            raise ValueError(f"model.export={export!r} must end in .safetensors, .pth or .pt.")
        self.output = output
        self.export = export
        self._started = 0.0
        self._earlier_seconds = 0.0
        self.result: results.Result | None = None
        self.path: Path | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; warn of evaluations that will be missing."""
        self._started = time.monotonic()
        task = _as_task(pl_module)
        every, epochs = trainer.check_val_every_n_epoch, task.epochs
        if every and every > 0 and epochs % every:
            _log.warning(
                "trainer.max_epochs=%d is no multiple of trainer.check_val_every_n_epoch=%d: the last evaluation, "
                "which is what `last` means in the result, is after epoch %d.",
                epochs,
                every,
                epochs // every * every,
            )
        if task.protocol.best_rule == "d3hr" and task.protocol.first_best_epoch(epochs, task.setting) > epochs:
            _log.warning(
                "D³HR looks for the best after epoch %d, and this training has %d epochs: `best` is `last` here.",
                task.protocol.first_best_epoch(epochs, task.setting) - 1,
                epochs,
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say which protocol it is, and what was changed of it."""
        task = _as_task(pl_module)
        changed = protocols.changes(task.protocol, task.constants(), task.setting)
        name = f"Protocol {task.protocol.name}, version {task.protocol.version}"
        if changed is None:
            rank_zero_info(f"{name}: not one of the published ones, {', '.join(protocols.PUBLISHED)}.")
        else:
            rank_zero_info(f"{name}; changed: {', '.join(changed) or 'nothing'}.")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the student's weights and, if it was ever evaluated, the result."""
        task = _as_task(pl_module)
        if self.export is not None and trainer.is_global_zero:
            path = Path(self.export)
            facts = {"architecture": task.student_name, "norm": str(task.norm), "num_classes": str(task.num_classes),
                     "image_size": str(task.image_size), "mean": str(task.mean), "std": str(task.std)}  # fmt: skip
            save(path, task.student.state_dict(), facts)
            rank_zero_info(f"Student's weights: {path}")
        if not task.evaluations:
            _log.warning("The student was never evaluated, so there is no %s.", results.FILE)
            return
        validation = _validation(task.data, task.evaluations[-1].accuracies.n, trainer.world_size)
        if not trainer.is_global_zero:
            return
        path = Path(self.output) if self.output else Path(trainer.log_dir or trainer.default_root_dir) / results.FILE
        self.result, self.path = self._result(trainer, task, validation), path
        write_json(path, self.result)
        last = task.evaluations[-1].accuracies.top1
        rank_zero_info(f"Top-1 {100 * last:.2f} % after the last epoch; all results: {path}")

    def state_dict(self) -> dict[str, Any]:
        """Seconds spent so far, so that a resumed fit counts them."""
        return {"seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self._earlier_seconds = float(state_dict["seconds"])

    def _seconds(self) -> float:
        return self._earlier_seconds + (time.monotonic() - self._started if self._started else 0.0)

    def _result(self, trainer: Trainer, task: RelabelTraining, validation: dict[str, Any]) -> results.Result:
        data = task.data
        described = data.describe_set() if hasattr(data, "describe_set") else _real_data(data, task.setting.images)
        seed = described.pop("generate_seed")
        manifest = described.pop("manifest_sha256")
        last = task.evaluations[-1]
        constants = task.constants()
        leading = best(task.evaluations, first_epoch=constants["first_best_epoch"])
        run = {
            "student_seed": task.seed,
            "generate_seed": seed,
            "manifest_sha256": manifest,
            "last": last.to_json(),
            "best": leading.to_json(),
        }
        return {
            "schema": results.SCHEMA,
            "protocol": {
                "name": task.protocol.name,
                "version": task.protocol.version,
                "constants": constants,
                "changed": protocols.changes(task.protocol, constants, task.setting),
            },
            "set": {
                **described,
                "class_list": data.classes.to_json() if hasattr(data, "classes") else None,
                "manifest_sha256": [] if manifest is None else [manifest],
                "generate_seeds": [] if seed is None else [seed],
            },
            "teacher": _teacher(task),
            "student": {
                "architecture": task.student_name,
                "norm": task.norm,
                "image_size": task.image_size,
                "parameters": sum(parameter.numel() for parameter in task.student.parameters()),
                "started_from": task.started_from,
            },
            "student_seeds": [task.seed],
            "per_seed": [run],
            "summary": results.summarize([run]),
            "random_real_reference": {"absent": results.NO_REFERENCE},
            "validation": validation,
            "device": _device_name(task.device),
            "precision": str(trainer.precision),
            "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES},
            "seconds": round(self._seconds(), 3),
        }  # fmt: skip


def _as_task(module: LightningModule) -> RelabelTraining:
    from hieramp_lit.tasks.relabel_training import RelabelTraining  # the task attaches this callback: a circle else

    if not isinstance(module, RelabelTraining):
        raise TypeError(f"StudentResults belongs to RelabelTraining, got {type(module).__name__}.")
    return module


def _real_data(data: LightningDataModule, images: int | None) -> dict[str, Any]:
    return {
        "name": type(data).__name__,
        "manifest_sha256": None,
        "generator": None,
        "configuration": None,
        "configuration_sha256": None,
        "absent": _NO_SET,
        "images_per_class": None,
        "classes": len(data.classes) if hasattr(data, "classes") else None,
        "images": images,
        "generate_seed": None,
    }


def _teacher(task: RelabelTraining) -> dict[str, Any] | None:
    teaching = task.teaching
    if teaching is None or teaching.accuracies is None:
        return None
    return {
        "architecture": teaching.teacher.architecture,
        "pretrained": teaching.teacher.pretrained,
        "sha256": teaching.sha256,
        "validation_top1": teaching.accuracies.top1,
        "validation_top5": teaching.accuracies.top5,
    }


def _validation(data: LightningDataModule, n: int, world_size: int) -> dict[str, Any]:
    """Name, number and hash of the images that judged; to be called on every rank, since each holds a part of them."""
    judges = getattr(data, "validation", None)
    named = judges if isinstance(judges, LightningDataModule) else data
    ours = []
    for batch in data.val_dataloader():
        for image, label in zip(batch.image.cpu(), batch.label.tolist(), strict=True):
            digest = hashlib.sha256(int(label).to_bytes(4, "little"))
            digest.update(image.contiguous().numpy().tobytes())
            ours.append(digest.digest())
    everywhere = [ours]
    if world_size > 1:
        everywhere = [[] for _ in range(world_size)]
        torch.distributed.all_gather_object(everywhere, ours)
    return {"name": type(named).__name__, "n": n, "sha256": sha256_of_images(everywhere)}


def sha256_of_images(parts: Sequence[Sequence[bytes]]) -> str:
    """Hex SHA-256 of labelled images, whatever their order and however they are dealt out.

    Args:
        parts: SHA-256 of each image with its label, in parts.
    """
    return hashlib.sha256(b"".join(sorted(digest for part in parts for digest in part))).hexdigest()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"
