"""What a finished fit, validation, test, generation or encoding closes with."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from hieramp_lit.callbacks.student_results import StudentResults
from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.data import ShardDataModule
from hieramp_lit.data.tokens.cache import TokenCache
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.tasks import ClassTokenTuning, Generation, RelabelTraining, Tokenization, TokenizerTraining

_MOST_VALUES = 3
_WHAT = {ClassTokenTuning: "class tokens tuned", TokenizerTraining: "a tokenizer trained"}


class Ending(NamedTuple):
    """What is told.

    Attributes:
        what: What was made or measured.
        where: What was written.
        next_command: What to type next; None where nobody knows.
    """

    what: str
    where: list[Path]
    next_command: str | None


_UNFINISHED = Ending("a part of the shards; the same command, without trainer.limit_predict_batches, goes on", [], None)


def close_run(
    command: str,
    model: LightningModule,
    data: LightningDataModule | None,
    trainer: Trainer,
    given: Mapping[str, Any],
    seconds: float,
) -> None:
    """Close a command that Lightning ran; once for all ranks.

    Args:
        command: One of `LIGHTNING_COMMANDS`.
        model: What ran.
        data: On what.
        trainer: Who ran it.
        given: The model's arguments, as the configuration has them.
        seconds: How long the command took.
    """
    if trainer.is_global_zero:
        what, where, next_command = _ending(command, model, data, trainer, given)
        close(what, where, seconds, next_command)


def _ending(
    command: str, model: LightningModule, data: LightningDataModule | None, trainer: Trainer, given: Mapping[str, Any]
) -> Ending:
    if isinstance(model, Tokenization):
        return _of_cache(Path(model.output).expanduser())
    if isinstance(model, Generation):
        return _of_set(Path(model.output).expanduser())
    if command != "fit":
        weights = given.get("checkpoint") or following.CHECKPOINT
        return Ending(_measured(trainer), list(_folder(trainer)), _after(model, data, weights))
    if isinstance(model, RelabelTraining):
        return _of_student(model, data, trainer)
    steps = f"{trainer.global_step:,} steps"
    made = next((f"{text}, {steps}" for task, text in _WHAT.items() if isinstance(model, task)), steps)
    exported = model.export if isinstance(model, ClassTokenTuning | TokenizerTraining) else None
    files = [] if exported is None else [exported.path]
    return Ending(made, [*files, *_folder(trainer)], _after(model, data, _weights(files, trainer)))


def _of_cache(folder: Path) -> Ending:
    if not (folder / MANIFEST).is_file():
        return _UNFINISHED._replace(where=[folder])
    layout = TokenCache.open(folder, key="model.output").layout
    images = f"{layout.train:,} training images in {layout.views} view(s) and {layout.val:,} validation images"
    return Ending(f"tokens of {images}", [folder], following.tune_from(folder))


def _of_set(folder: Path) -> Ending:
    if not (folder / MANIFEST).is_file():
        return _UNFINISHED._replace(where=[folder])
    shards = ShardSet.open(folder)
    return Ending(f"{len(shards):,} images of {len(shards.classes):,} classes", [folder], following.verify_set(folder))


def _of_student(model: RelabelTraining, data: LightningDataModule | None, trainer: Trainer) -> Ending:
    results = [callback for callback in trainer.callbacks if isinstance(callback, StudentResults)]  # type: ignore[attr-defined]
    written = [callback.path for callback in results if callback.path is not None]
    weights = [] if model.export is None else [Path(model.export)]
    top1 = [f", top-1 {100 * evaluation.accuracies.top1:.2f} %" for evaluation in model.evaluations[-1:]]
    what = f"{model.student_name} trained for {trainer.current_epoch:,} epochs{''.join(top1)}"
    if isinstance(data, ShardDataModule) and written:
        after: str | None = following.report_on(written[:1], written[0].with_name("report.html"))
    else:
        after = _after(model, data, _weights(weights, trainer))
    return Ending(what, [*written, *weights, *_folder(trainer)], after)


def _after(model: LightningModule, data: LightningDataModule | None, weights: str | Path) -> str | None:
    """What weights of a task are for."""
    if isinstance(model, ClassTokenTuning):
        return following.generate_with(weights)
    if isinstance(model, TokenizerTraining):
        return following.tune_with(weights)
    if isinstance(model, RelabelTraining):
        return following.judge_set(data.path) if isinstance(data, ShardDataModule) else following.taught_by(weights)
    return None


def _measured(trainer: Trainer) -> str:
    logged = sorted(trainer.callback_metrics.items(), key=lambda one: one[0].count("/"))  # those of scales come last
    values = {name: float(value) for name, value in logged}
    few = [f"{name} {value:.4g}" for name, value in list(values.items())[:_MOST_VALUES]]
    more = len(values) - len(few)
    return ", ".join(few or ["nothing that was logged"]) + (f" and {more} more" if more > 0 else "")


def _folder(trainer: Trainer) -> Iterator[Path]:
    """Where the run logs, if it does; asked of the loggers, since the Trainer would ask all ranks."""
    folders = (getattr(logger, "log_dir", None) for logger in trainer.loggers)
    yield from [Path(folder) for folder in folders if isinstance(folder, str | Path)][:1]  # fast_dev_run's has none


def _weights(exported: Sequence[Path], trainer: Trainer) -> str | Path:
    """What was exported, else the run's last checkpoint, else its best."""
    callback = trainer.checkpoint_callback
    saved = [getattr(callback, name, "") for name in ("last_model_path", "best_model_path")]
    return next((path for path in [*exported, *saved] if path), following.CHECKPOINT)
