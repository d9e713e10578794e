"""Writes what `hieramp test` finds of class tokens: ``class_tokens.json``, a CSV, a figure and a table."""

from __future__ import annotations

import csv
import io
import math
import platform
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from rich.console import Console
from rich.table import Table

from hieramp_lit.checkpoints import resolve, weights_sha256
from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.files import write_json, write_text

if TYPE_CHECKING:
    from hieramp_lit.tasks.class_token_tuning import ClassTokenTuning

FILE = "class_tokens.json"
SCHEMA = 1
MEASURES = {
    "class_accuracy_unconditional": "class, no label",
    "class_accuracy": "class, true label",
    "class_loss": "class loss",
    "token_accuracy": "token accuracy",
    "token_loss": "token loss",
}
"""Measured of each scale, and their names in the table. Accuracies are shares in [0, 1], losses nats; all but the first
are under the true label."""
_PACKAGES = ("hieramp_lit", "torch", "lightning")


class ClassTokenResults(Callback):
    """Attached by `ClassTokenTuning` itself; silent but for ``test``.

    Beside the run, in the logger's folder, it writes ``class_tokens.json``, and the numbers of each scale as
    ``class_tokens.csv`` and as a figure, ``class_tokens.png``, ``.pdf`` and ``.svg``.

    Args:
        checkpoint: ``model.checkpoint`` of the task.
        fresh: What that checkpoint does not give, see `load_into`; a word for all where there is none.
    """

    def __init__(self, checkpoint: str | None, fresh: Sequence[str]) -> None:
        self._checkpoint = checkpoint
        self._fresh = list(fresh)
        self._trained = False
        self._started = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse to test a network that has nothing to be measured.

        Raises:
            ValueError: Without class tokens.
        """
        if stage == "test" and not _as_task(pl_module).var.class_token_scales:
            raise ValueError(
                "model.var.class_tokens=False: `hieramp test` measures what the class token of each scale knows, and "
                "plain VAR has none. Test tuned weights, e.g. with configs/token_tuning/digits.yaml and "
                "--model.checkpoint FILE; `hieramp validate` measures the token loss of a plain VAR."
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that the weights have been trained since they were loaded."""
        self._trained = True

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse class tokens that nobody has tuned, and start the clock.

        Raises:
            ValueError: Naming what starts anew, and which keys give tuned weights.
        """
        self._started = time.monotonic()
        if trainer.ckpt_path is not None or self._trained or not self._fresh:
            return
        rows = [name for name in self._fresh if "[" in name]
        kept = " Add --model.label_rows keep, since tuned weights have their own rows." if rows else ""
        raise ValueError(
            f"model.checkpoint={self._checkpoint!r} leaves untrained what `hieramp test` measures: "
            f"{', '.join(self._fresh[:4])}{', …' if len(self._fresh) > 4 else ''}. Give tuned weights, "
            "--model.checkpoint FILE (what the fit wrote to model.export) or --ckpt_path FILE (a checkpoint of the "
            f"fit).{kept}"
        )

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files and print the table, on rank 0.

        Raises:
            ValueError: If a measure is not finite, naming which and at which scales; nothing is written then.
        """
        _refuse_what_is_not_finite(trainer, _as_task(pl_module))
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # asks all ranks
        if not trainer.is_global_zero:
            return
        result = self._result(trainer, _as_task(pl_module))
        write_json(folder / FILE, result)
        stem = (folder / FILE).with_suffix("")
        write_text(stem.with_suffix(".csv"), _csv(result["scales"]))
        _draw(result, stem)
        Console().print(_table(result))
        rank_zero_info(f"Class tokens: {folder / FILE}, beside it the same as CSV and as a figure.")

    def _result(self, trainer: Trainer, task: ClassTokenTuning) -> dict[str, Any]:
        found = trainer.callback_metrics
        scales = task.var.scales
        data = getattr(trainer, "datamodule", None)
        return {
            "schema": SCHEMA,
            "scales": [
                {"scale": k, "side": side, "stage": scales.stage_of(k)}
                | {name: round(found[f"test/{name}/{k:02d}"].item(), 7) for name in MEASURES}
                for k, side in enumerate(scales.patch_nums)
            ],
            "overall": {name: round(found[f"test/{name}"].item(), 7) for name in MEASURES},
            "chance": 1 / task.var.num_classes,
            "n": task.tested_images,
            "data": {
                "module": type(data).__name__ if data is not None else None,
                "measured": data.tested if isinstance(data, SampledDataModule) else "the test loader's images",
                "limit_test_batches": None if _is_whole(trainer.limit_test_batches) else trainer.limit_test_batches,
            },
            "weights": self._weights(trainer),
            "tokenizer": {"sha256": task.tokenizer.sha256},
            "device": _device_name(task.device),
            "precision": str(trainer.precision),
            "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES},
            "seconds": round(time.monotonic() - self._started, 3),
        }

    def _weights(self, trainer: Trainer) -> dict[str, str | None]:
        if trainer.ckpt_path is not None:
            return {"given_by": "--ckpt_path", "sha256": weights_sha256(Path(trainer.ckpt_path))}
        if self._trained or self._checkpoint is None:
            return {"given_by": "the fit of this process", "sha256": None}
        return {
            "given_by": "model.checkpoint",
            "sha256": weights_sha256(resolve(self._checkpoint, key="model.checkpoint")),
        }


def _refuse_what_is_not_finite(trainer: Trainer, task: ClassTokenTuning) -> None:
    wrong = []
    for name in MEASURES:
        values = {k: trainer.callback_metrics[f"test/{name}/{k:02d}"].item() for k in range(len(task.var.scales))}
        if scales := [str(k) for k, value in values.items() if not math.isfinite(value)]:
            wrong.append(f"{name} at scale {', '.join(scales)}")
    if wrong:
        wider = "" if trainer.precision == "32-true" else f", or --trainer.precision 32-true, not {trainer.precision}"
        raise ValueError(
            f"`hieramp test` measured numbers that are not finite, and wrote nothing: {'; '.join(wrong)}. Test weights "
            f"that are finite (--model.checkpoint FILE or --ckpt_path FILE){wider}."
        )


def _as_task(module: LightningModule) -> ClassTokenTuning:
    from hieramp_lit.tasks.class_token_tuning import ClassTokenTuning  # the task attaches this callback: a circle else

    if not isinstance(module, ClassTokenTuning):
        raise TypeError(f"ClassTokenResults belongs to ClassTokenTuning, got {type(module).__name__}.")
    return module


def _is_whole(limit: int | float | None) -> bool:
    """Lightning takes 1.0 as all batches and 1 as one."""
    return limit is None or (isinstance(limit, float) and limit == 1.0)


def _csv(scales: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(scales[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(scales)
    return text.getvalue()


def _draw(result: Mapping[str, Any], stem: Path) -> None:
    # matplotlib takes a third of a second to import, which every fit would pay
    from hieramp_lit.figures import save_figure
    from hieramp_lit.figures.class_token_accuracy import ScaleAccuracy, draw_class_token_accuracy

    scales = [
        ScaleAccuracy(one["side"], one["class_accuracy_unconditional"], one["class_accuracy"])
        for one in result["scales"]
    ]
    save_figure(draw_class_token_accuracy(scales, result["chance"]), stem, ("png", "pdf", "svg"))


def _table(result: Mapping[str, Any]) -> Table:
    data = result["data"]
    limited = data["limit_test_batches"]
    limit = "" if limited is None else f", trainer.limit_test_batches {limited}"
    table = Table(
        title="What each scale's class token knows",
        caption=f"{result['n']} {data['measured']} of {data['module']}{limit}; losses in nats; chance "
        f"{100 * result['chance']:.1f} %. Under the true label, the label is read off the condition.",
    )
    for column in ("scale", "stage", *MEASURES.values()):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for one in result["scales"]:
        table.add_row(f"{one['side']}×{one['side']}", one["stage"], *_cells(one))
    table.add_section()
    table.add_row("all", "", *_cells(result["overall"]))
    return table


def _cells(values: Mapping[str, float]) -> list[str]:
    return [f"{100 * values[name]:.1f} %" if "accuracy" in name else f"{values[name]:.3f}" for name in MEASURES]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"
