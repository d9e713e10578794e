"""What decides a stage's output, and its hash: configuration, weights and earlier stages; no machine, no path."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hieramp_lit.checkpoints import resolve as resolve_weights
from hieramp_lit.checkpoints import weights_sha256
from hieramp_lit.checkpoints.hub import HUB_SCHEME
from hieramp_lit.classes import class_folders
from hieramp_lit.distill.configuration import arguments_of
from hieramp_lit.distill.reading import TrialRefusedError
from hieramp_lit.files import sha256

_ONE_DEVICE = re.compile(r"1|\[\d+\]|\d+,")
SCHEMA = 2
"""Part of every hash; counts up when what is hashed changes."""

OF_THE_TRAINER = {
    "accelerator": "a machine's; results differ by rounding, as between any two machines",
    "strategy": "how devices share the work; steps are the same",
    "devices": "the steps of a global batch and the shards of a set do not depend on them; what would is refused",
    "num_nodes": "likewise",
    "logger": "where numbers are written",
    "log_every_n_steps": "how often",
    "enable_progress_bar": "shown only",
    "enable_model_summary": "shown only",
    "enable_checkpointing": "how an interrupted stage goes on, not what it makes",
    "default_root_dir": "a path",
    "profiler": "measures only",
    "detect_anomaly": "checks only",
    "benchmark": "how a machine's kernels are chosen",
    "enable_autolog_hparams": "what is logged",
    "model_registry": "where checkpoints are copied to",
}
"""Arguments of the Trainer that do not count, and why. All others do: precision, steps, clipping, limits …"""

ANYWHERE = {
    "num_workers": "processes that read images; they are the same",
    "check": "looks at the data only",
    "index": "file that keeps a list of shards",
    "decode_batch_size": "bounds memory",
    "max_device_gib": "bounds memory",
    "max_host_gib": "bounds memory",
    "checkpointing": "bounds memory; the gradients are the same",
    "compile": "the same arithmetic but for rounding, and no part of a set's identity either",
}
"""Arguments of tasks and data that do not count, however deep they stand, and why."""

OF_THE_TASK = {
    "tune": {"model.export": "a path"},
    "generate": {"model.output": "a path", "data.batch_size": "an image does not depend on those made beside it"},
    "real": {"model.output": "a path", "data.batch_size": "as of generate"},
    "students": {
        "model.output": "a path",
        "model.seed": "students.seeds, which are hashed by themselves",
        "data.path": "the set, whose hash counts instead",
        "data.validation.batch_size": "how many images are judged at once",
    },
}
"""Arguments of single stages that do not count, and why."""

_NAMED_BY_FOLDERS = ("classes", "train", "val", "root")
"""Arguments whose classes are the sub-folders, where they name a folder."""

_WATCHING = {
    "DeviceStatsMonitor", "LearningRateMonitor", "ModelCheckpoint", "ModelSummary", "RichModelSummary",
    "RichProgressBar", "ThroughputMonitor", "TQDMProgressBar", "TuningSamples",
}  # fmt: skip
"""Callbacks that only watch or save."""


def stage_hash(section: str, decisive: Any, needs: Sequence[str] = ()) -> str:
    """Hex SHA-256 of what decides a stage.

    Args:
        section: What kind of stage.
        decisive: From `decisive_values`, or other plain values.
        needs: Hashes of the stages whose output it reads.
    """
    text = json.dumps([SCHEMA, section, decisive, list(needs)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def decisive_values(section: str, values: Mapping[str, Any], made_before: Sequence[str] = ()) -> dict[str, Any]:
    """A stage's configuration without what does not decide its output; weights and lists by content.

    Weights of the Hub stand under their name, as they may not have been fetched yet: name a revision to be sure of
    them. Images stand under the path that is typed and the names of its sub-folders, their classes, for reading all of
    them would take longer than some stages; a token cache under its manifest's content.

    Args:
        section: The stage.
        values: Its whole configuration, see `configuration.resolve`.
        made_before: Keys, such as ``model.checkpoint``, that earlier stages make.

    Raises:
        TrialRefusedError: If weights do not exist, or the stage would take other steps on other devices.
    """
    dropped = {*OF_THE_TASK[section], *made_before}
    if section == "tune":
        dropped |= _batch_keys(values)
    trainer = {key: value for key, value in values["trainer"].items() if key not in OF_THE_TRAINER}
    trainer["callbacks"] = _deciding_callbacks(trainer.get("callbacks"))
    if "trainer.accumulate_grad_batches" in dropped:
        del trainer["accumulate_grad_batches"]
    return {
        "seed_everything": values.get("seed_everything"),
        "trainer": trainer,
        **{part: _cleaned(values.get(part), part, dropped, section) for part in ("model", "data")},
    }


def _batch_keys(values: Mapping[str, Any]) -> set[str]:
    """Keys that a global batch makes a matter of the machine; without it, several devices would take other steps."""
    trainer = values["trainer"]
    if arguments_of(values, "model").get("global_batch") is not None:
        return {"data.batch_size", "trainer.accumulate_grad_batches"}
    devices = str(trainer["devices"])
    if not _ONE_DEVICE.fullmatch(devices) or trainer["num_nodes"] != 1:
        raise TrialRefusedError(
            f"tune.trainer.devices={devices} with tune.model.global_batch=None: the images of a step would "
            "depend on the number of devices, and one hash would stand for several results. Set "
            "tune.model.global_batch."
        )
    return set()


def _deciding_callbacks(callbacks: Any) -> list[Any]:
    listed = callbacks if isinstance(callbacks, list) else [callbacks] if callbacks else []
    return [one for one in listed if str(one.get("class_path", "")).rpartition(".")[2] not in _WATCHING]


def _cleaned(value: Any, key: str, dropped: set[str], section: str) -> Any:
    if isinstance(value, Mapping):
        inner = {}
        for name, item in value.items():
            # The keys that are typed leave init_args out.
            below = key if name == "init_args" else f"{key}.{name}"
            if below not in dropped and name not in ANYWHERE:
                inner[name] = _cleaned(item, below, dropped, section)
        return inner
    if isinstance(value, list):
        # Words of a class list are no files.
        return value if key.endswith(".classes") else [_cleaned(item, key, dropped, section) for item in value]
    return _content(value, key, section) if isinstance(value, str) else value


def _content(text: str, key: str, section: str) -> Any:
    """A text, or the content of the file that it names."""
    name = key.rpartition(".")[2]
    if name == "checkpoint" and not text.startswith(HUB_SCHEME):
        try:
            return {"sha256": weights_sha256(resolve_weights(text, key=f"{section}.{key}"))}
        except (OSError, ValueError) as error:
            raise TrialRefusedError(str(error)) from error
    if name == "export":  # where it goes does not matter, whether it is written does
        return True
    path = Path(text).expanduser()
    if name == "classes" and path.is_file():
        return {"sha256": sha256(path)}
    if name in _NAMED_BY_FOLDERS and path.is_dir():
        folders = folder_names(path)
        return folders if name == "classes" else {"path": text, **folders}
    if key == "data.path" and (path / "manifest.json").is_file():
        return {"manifest_sha256": sha256(path / "manifest.json")}
    return text


def folder_names(path: Path) -> dict[str, str]:
    """Hash of the names of a folder's sub-folders, which are the classes of its images."""
    names = class_folders(path) if any(inner.is_dir() for inner in path.iterdir()) else []
    return {"folders_sha256": hashlib.sha256(json.dumps(names).encode()).hexdigest()}
