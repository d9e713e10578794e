"""A trial: its stages' configurations, its seeds, and where its results go."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hieramp_lit.distill.reading import SECTIONS, STAGES, Setting, TrialRefusedError, nested
from hieramp_lit.tracking import Tracking

_OWN_KEYS = {"students": ("config", "seeds")}
_ROOTS = ("model", "data", "trainer", "seed_everything")
_LOGGER = "results of a stage go to the store, and the trial owns the only W&B run: see the section wandb"
_RESUMING = "an interrupted stage goes on by itself"
_PLAN = "random real images are of the same plan as the generated ones: set generate.{key}"
_SET_BY_US = {
    "tune": {"model.export": "the weights go to the store", "trainer.logger": _LOGGER, "ckpt_path": _RESUMING},
    "generate": {"model.output": "the set goes to the store", "trainer.logger": _LOGGER, "ckpt_path": _RESUMING},
    "real": {
        "model.output": "the set goes to the store",
        "trainer.logger": _LOGGER,
        **{f"data.{key}": _PLAN.format(key=f"data.{key}") for key in
           ("classes", "class_rows", "class_subset", "images_per_class", "seed", "shard_size")},
        "model.save_size": _PLAN.format(key="model.save_size"),
    },
    "students": {
        "data.path": "students are trained on the trial's own sets",
        "model.seed": "give students.seeds: [0, 1, 2]",
        "model.output": "results go to the store",
        "trainer.logger": _LOGGER,
        "ckpt_path": _RESUMING,
    },
}  # fmt: skip
"""Keys that a trial cannot set, and why."""


@dataclass(frozen=True)
class Part:
    """The configuration of one stage as the trial names it.

    Attributes:
        section: Its name in the trial.
        config: Configuration files, later ones over earlier ones.
        settings: Single values on top, in order.
    """

    section: str
    config: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """As arguments of the stage's command."""
        return (*(word for file in self.config for word in ("--config", file)), *map(flag, self.settings))


@dataclass(frozen=True)
class Trial:
    """What ``hieramp distill`` is asked for.

    Attributes:
        name: Of the trial's folder and run.
        store: Folder of finished stages, shared by all trials.
        tune: Of ``hieramp fit``; None takes the weights that `generate` names.
        generate: Of ``hieramp predict``.
        off: The same with nothing amplified, to compare with, on these further settings; None makes none.
        real: Likewise, for random real images of the same plan; None makes none.
        students: Of ``hieramp students``; None trains none.
        seeds: Of the students.
        inspect: Flags of ``hieramp inspect``; None does not inspect the set.
        report: Whether a page tells at the end what came of it.
        tracking: The trial's W&B run; None owns none.
        values: All values by their dotted keys, as they were typed.
    """

    name: str
    store: Path
    tune: Part | None
    generate: Part
    off: tuple[Setting, ...] | None
    real: Part | None
    students: Part | None
    seeds: tuple[int, ...]
    inspect: tuple[Setting, ...] | None
    report: bool
    tracking: Tracking | None
    values: Mapping[str, Any]


def read_trial(settings: Sequence[Setting]) -> Trial:
    """Make a trial of its settings.

    Raises:
        TrialRefusedError: If a key is unknown or missing, or a value of the trial's own has the wrong type.
    """
    by_section = {name: [setting for setting in settings if setting.path[0] == name] for name in SECTIONS}
    parts = {name: _part(name, by_section[name]) for name in STAGES}
    generate = parts["generate"]
    if generate is None:
        raise TrialRefusedError("generate: a trial needs what makes its set: give generate.config, e.g. "
                                "[configs/generate/digits.yaml].")  # fmt: skip
    if parts["tune"] is not None:
        typed = [setting for setting in generate.settings if bare_key(setting) == "model.checkpoint"]
        if typed:
            raise TrialRefusedError(
                f"{typed[0].key}={typed[0].value!r} (in {typed[0].source}): the section tune makes the weights. Say "
                "tune: null to generate with others."
            )
    inspect, off = (_inner(name, by_section[name]) for name in ("inspect", "off"))
    return Trial(
        name=_text("name", by_section["name"]),
        store=Path(_text("store", by_section["store"])).expanduser(),
        tune=parts["tune"],
        generate=generate,
        off=None if off is None else tuple(off),
        real=parts["real"],
        students=parts["students"],
        seeds=_seeds(by_section["students"]) if parts["students"] is not None else (),
        inspect=None if inspect is None else tuple(inspect),
        report=_switch("report", by_section["report"]),
        tracking=_tracking(_mapping("wandb", by_section["wandb"])),
        values={setting.key: setting.value for setting in settings if not _is_overtaken(setting, by_section)},
    )


def _is_overtaken(setting: Setting, by_section: Mapping[str, Sequence[Setting]]) -> bool:
    """A section that was null before it got keys."""
    return len(setting.path) == 1 and len(by_section[setting.path[0]]) > 1


def flag(setting: Setting) -> str:
    """A stage's setting as an argument of its command: text as it is, the rest as JSON."""
    value = setting.value if isinstance(setting.value, str) else json.dumps(setting.value, ensure_ascii=False)
    return f"--{'.'.join(setting.path[1:])}={value}"


def bare_key(setting: Setting) -> str:
    """A stage's key, with or without ``init_args``."""
    return ".".join(part for part in setting.path[1:] if part != "init_args")


def _part(section: str, settings: Sequence[Setting]) -> Part | None:
    inner = _inner(section, settings)
    if inner is None:
        return None
    own = _OWN_KEYS.get(section, ("config",))
    for setting in inner:
        key = bare_key(setting)
        where = f"{setting.key}={setting.value!r} (in {setting.source})"
        for forbidden, why in _SET_BY_US[section].items():
            if key == forbidden or key.startswith(f"{forbidden}."):
                raise TrialRefusedError(f"{where}: a trial cannot set this: {why}.")
        if setting.path[1] not in (*own, *_ROOTS):
            raise TrialRefusedError(
                f"{where}: unknown key. {section} takes {', '.join(own)}, and keys of its configuration, which begin "
                f"with {', '.join(_ROOTS)}."
            )
    config = [setting for setting in inner if setting.path[1:] == ("config",)]
    files = config[0].value if config else None
    files = [files] if isinstance(files, str) else files
    if not isinstance(files, list) or not files or not all(isinstance(file, str) for file in files):
        raise TrialRefusedError(f"{section}.config={files!r}: give a list of configuration files, or {section}: null.")
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        raise TrialRefusedError(
            f"{section}.config: there is no file {missing[0]} here, in {Path.cwd()}. Paths are read from the folder "
            "that the command is typed in; the shipped ones from that of the repository."
        )
    return Part(section, tuple(files), tuple(setting for setting in inner if setting.path[1] not in own))


def _inner(section: str, settings: Sequence[Setting]) -> list[Setting] | None:
    """A section's keys; None where it is switched off or absent."""
    for setting in settings:
        if len(setting.path) == 1 and setting.value not in (None, {}):
            raise TrialRefusedError(
                f"{section}={setting.value!r} (in {setting.source}): expected keys, or null to leave it out."
            )
    inner = [setting for setting in settings if len(setting.path) > 1]
    return inner or ([] if any(setting.value == {} for setting in settings) else None)


def _mapping(section: str, settings: Sequence[Setting]) -> dict[str, Any] | None:
    inner = _inner(section, settings)
    return None if inner is None else nested(inner, within=1)


def _text(section: str, settings: Sequence[Setting]) -> str:
    value = settings[-1].value if settings else None
    if not isinstance(value, str) or not value or len(settings) > 1 or len(settings[-1].path) > 1:
        keys = ", ".join(setting.key for setting in settings)
        raise TrialRefusedError(f"{section}={value!r}{f' ({keys})' if keys else ''}: give a text.")
    if section == "name" and Path(value).name != value:
        raise TrialRefusedError(f"name={value!r}: it names a folder; give a word without slashes.")
    return value


def _switch(section: str, settings: Sequence[Setting]) -> bool:
    for setting in settings:
        if len(setting.path) > 1 or not (setting.value is None or isinstance(setting.value, bool)):
            raise TrialRefusedError(
                f"{setting.key}={setting.value!r} (in {setting.source}): say {section}: true or {section}: false."
            )
    return bool(settings and settings[-1].value)


def _seeds(settings: Sequence[Setting]) -> tuple[int, ...]:
    given = [setting.value for setting in settings if setting.path[1:] == ("seeds",)]
    seeds = given[0] if given else None
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise TrialRefusedError(f"students.seeds={seeds!r}: give a list of whole numbers from 0, e.g. [0, 1, 2].")
    if len(set(seeds)) < len(seeds):
        raise TrialRefusedError(f"students.seeds={seeds!r}: a seed comes twice. Give each once.")
    return tuple(seeds)


def _tracking(values: Mapping[str, Any] | None) -> Tracking | None:
    if values is None:
        return None
    known = [field.name for field in fields(Tracking)]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise TrialRefusedError(f"wandb.{unknown[0]}: unknown key. wandb takes {', '.join(known)}.")
    try:
        tracking = Tracking(**values)
        tracking.resolve_mode()
        return tracking
    except (TypeError, ValueError) as error:
        raise TrialRefusedError(f"wandb: {error}") from error
