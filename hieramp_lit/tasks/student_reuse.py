"""Whether a student that was trained before is the one that the same configuration would train now."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from lightning.pytorch import LightningDataModule

from hieramp_lit.checkpoints import resolve, weights_sha256
from hieramp_lit.checkpoints.hub import HUB_SCHEME
from hieramp_lit.data import ShardDataModule
from hieramp_lit.report.results import Result
from hieramp_lit.tasks.relabel_training import RelabelTraining


def refuse_changed_files(results: Mapping[Path, Result], task: RelabelTraining, data: LightningDataModule) -> None:
    """Refuse students whose set, teacher or first weights are no longer what they were trained with.

    Files are told apart by what they hold, since another file may lie at the same path. Weights of the Hub and of the
    library are not asked for: nothing is downloaded for a student that is trained already.

    Args:
        results: By their files, all of one configuration, which is `task`'s and `data`'s.
        task: Not yet trained.
        data: Its data.

    Raises:
        FileNotFoundError: If weights that a student was trained with are gone.
        ValueError: If a file holds something else, with its key and what to do.
    """
    if not results:
        return
    now = dict(_held(task, data))
    for path, result in results.items():
        before = {
            "data.path": result["per_seed"][0]["manifest_sha256"],
            "model.teacher.checkpoint": (result["teacher"] or {}).get("sha256"),
            "model.checkpoint": result["student"].get("started_from"),
        }
        for key, (name, sha256) in now.items():
            if before[key] != sha256:
                raise ValueError(
                    f"{path}: when this student was trained, {key}={name} had the SHA-256 {before[key]}, and it has "
                    f"{sha256} now. Delete {path.parent} to train it again, or give another --out."
                )


def refuse_different_judges(results: Mapping[Path, Result]) -> None:
    """Refuse students that were judged by different validation images.

    Args:
        results: By their files.

    Raises:
        ValueError: If there are such, with the folders of those that do not fit the file that was written last.
    """
    if not results:
        return
    newest = max(results, key=lambda path: path.stat().st_mtime_ns)
    ours = results[newest]["validation"]
    others = {path: result["validation"] for path, result in results.items() if result["validation"] != ours}
    if others:
        path, theirs = next(iter(others.items()))
        folders = ", ".join(str(path.parent) for path in others)
        raise ValueError(
            f"{path}: this student was judged by other images ({_images(theirs)}) than that of {newest} "
            f"({_images(ours)}): data.validation changed in between. Delete {folders} and run the same command again."
        )


def _held(task: RelabelTraining, data: LightningDataModule) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """By key: the path that is given, and the SHA-256 of what is there now."""
    if isinstance(data, ShardDataModule):
        yield "data.path", (data.path, data.describe_set()["manifest_sha256"])
    teacher = task.teacher if task.protocol.labels == "soft" else None  # hard labels do not load it
    for key, checkpoint in (
        ("model.teacher.checkpoint", None if teacher is None else teacher.checkpoint),
        ("model.checkpoint", task.checkpoint),
    ):
        if checkpoint is not None and not checkpoint.startswith(HUB_SCHEME):
            yield key, (checkpoint, weights_sha256(resolve(checkpoint, key=key)))


def _images(validation: Mapping[str, object]) -> str:
    return f"{validation['n']} of {validation['name']}, SHA-256 {validation['sha256']}"
