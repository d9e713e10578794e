"""The stages of a trial: their command lines, folders in the store, and hashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hieramp_lit.callbacks.run_logger import RunLogger
from hieramp_lit.distill.checks import check_generate, check_students, check_tune
from hieramp_lit.distill.configuration import COMMANDS, arguments_of, resolve
from hieramp_lit.distill.content import decisive_values, stage_hash
from hieramp_lit.distill.inspecting import inspect_arguments, inspected_content
from hieramp_lit.distill.off import check_same_images, off_part
from hieramp_lit.distill.reading import Setting
from hieramp_lit.distill.trial import Part, Trial
from hieramp_lit.report.results import FILE
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import MANIFEST
from hieramp_lit.stages import Stage

WEIGHTS = "class_tokens.safetensors"
INSPECTED = "inspect.json"
SHOWN = 10
"""Hexadecimal digits of a hash in names."""


@dataclass(frozen=True)
class Stages:
    """What a trial runs, in this order; None where it asks for nothing.

    Attributes:
        real: Makes the set of random real images. First, as it soon tells where there are too few of them.
        tune: Makes the weights.
        generate: Makes the set.
        off: Makes it with nothing amplified.
        students: Trains students on the set.
        real_students: Trains the same students on the real images.
        inspect: Measures the set.
        hash: Of all of them, students' seeds included.
        values: Whole configuration of each section.
    """

    real: Stage | None
    tune: Stage | None
    generate: Stage
    off: Stage | None
    students: Stage | None
    real_students: Stage | None
    inspect: Stage | None
    hash: str
    values: Mapping[str, dict[str, Any]]

    def named(self) -> dict[str, Stage]:
        """Those that there are, by name."""
        stages = {
            "real": self.real,
            "tune": self.tune,
            "generate": self.generate,
            "off": self.off,
            "students": self.students,
            "real_students": self.real_students,
            "inspect": self.inspect,
        }
        return {name: stage for name, stage in stages.items() if stage is not None}


def plan_stages(trial: Trial) -> Stages:
    """Read every stage's configuration, and refuse what cannot be.

    Raises:
        TrialRefusedError: Naming the key.
    """
    generate_values = resolve(trial.generate)
    tune_values = None if trial.tune is None else resolve(trial.tune)
    if tune_values is not None:
        check_tune(tune_values, generate_values)
    check_generate(generate_values, "generate", tune_values)
    off_section = None if trial.off is None else off_part(trial.off, trial.generate, generate_values)
    off_values = None if off_section is None else resolve(off_section)
    if off_values is not None:
        check_generate(off_values, "off", tune_values)
        check_same_images(off_values, generate_values)
    real_part = None if trial.real is None else _same_plan(trial.real, generate_values)
    real_values = None if real_part is None else resolve(real_part)
    if real_values is not None:
        check_generate(real_values, "real", None)
    student_values = None if trial.students is None else resolve(trial.students)
    if student_values is not None:
        check_students(student_values)

    tune = None if trial.tune is None or tune_values is None else _tune(trial.tune, tune_values, trial.store)
    generate = _set("generate", trial.generate, generate_values, trial.store, tune)
    off = None
    if off_section is not None and off_values is not None:  # the set of a trial that amplifies nothing, and shared so
        off = _set("generate", off_section, off_values, trial.store, tune)
    real = None
    if real_part is not None and real_values is not None:
        real = _set("real", real_part, real_values, trial.store)
    students = real_students = None
    if trial.students is not None and student_values is not None:
        students = _students("students", trial, trial.students, student_values, generate)
        real_students = (
            None if real is None else _students("real students", trial, trial.students, student_values, real)
        )
    inspect = None if trial.inspect is None else _inspect(trial.inspect, trial.store, generate)
    every = [real, tune, generate, students, real_students, inspect, off]
    sections = {
        "tune": tune_values,
        "generate": generate_values,
        "off": off_values,
        "real": real_values,
        "students": student_values,
    }
    return Stages(
        real=real,
        tune=tune,
        generate=generate,
        off=off,
        students=students,
        real_students=real_students,
        inspect=inspect,
        hash=stage_hash("trial", [], [stage.digest() for stage in every if stage is not None]),
        values={name: values for name, values in sections.items() if values is not None},
    )


def seed_folder(stage: Stage, seed: int) -> Path:
    """Folder of one seed's result within that of the students."""
    return stage.folder / f"seed-{seed}"


def _tune(part: Part, values: Mapping[str, Any], store: Path) -> Stage:
    digest = stage_hash("tune", decisive_values("tune", values))
    folder = store / "tune" / digest[:SHOWN]
    weights = folder / WEIGHTS
    return Stage(
        f"tune {digest[:SHOWN]}",
        (COMMANDS["tune"], *part.arguments, f"--model.export={weights}", *_runs_in(folder)),
        folder,
        outcome=lambda: f"weights in {weights}",
        identity=digest,
        outputs=(weights,),
        resume=partial(_from_last_checkpoint, folder),
    )


def _set(section: str, part: Part, values: Mapping[str, Any], store: Path, tune: Stage | None = None) -> Stage:
    made_before = () if tune is None else ("model.checkpoint",)
    needs = () if tune is None else (tune,)
    digest = stage_hash(section, decisive_values(section, values, made_before), [stage.digest() for stage in needs])
    folder = store / section / digest[:SHOWN]
    weights = () if tune is None else (f"--model.checkpoint={tune.folder / WEIGHTS}",)
    return Stage(
        f"{section} {digest[:SHOWN]}",
        (COMMANDS[section], *part.arguments, *weights, f"--model.output={folder}", "--trainer.logger=false"),
        folder,
        needs,
        partial(_describe_set, folder),
        identity=digest,
        outputs=(folder / MANIFEST,),
    )


def _students(name: str, trial: Trial, part: Part, values: Mapping[str, Any], on: Stage) -> Stage:
    shared = stage_hash("students", decisive_values("students", values), [on.digest()])
    digest = stage_hash("seeds", sorted(trial.seeds), [shared])
    folder = trial.store / "students" / shared[:SHOWN]  # other seeds lie beside these
    stage = Stage(
        f"{name} {digest[:SHOWN]}",
        (
            *(COMMANDS["students"], *part.arguments, f"--data.path={on.folder}", *_runs_in(folder / "runs")),
            *("--seeds", *map(str, trial.seeds), f"--out={folder}"),
        ),
        folder,
        (on,),
        identity=digest,
        resume=partial(_drop_configuration, folder),
    )
    return replace(stage, outputs=tuple(seed_folder(stage, seed) / FILE for seed in trial.seeds))


def _inspect(settings: Sequence[Setting], store: Path, on: Stage) -> Stage:
    arguments = inspect_arguments(settings)
    digest = stage_hash("inspect", inspected_content(settings), [on.digest()])
    folder = store / "inspect" / digest[:SHOWN]
    output = folder / INSPECTED
    command = ("inspect", str(on.folder), *arguments, f"--output={output}")
    return Stage(
        f"inspect {digest[:SHOWN]}", command, folder, (on,), identity=digest, outputs=(output,),
        resume=partial(_make_folder, folder),
    )  # fmt: skip


def _same_plan(part: Part, generate: Mapping[str, Any]) -> Part:
    """Random real images of the very classes, number, seed, shards and stored size."""
    plan, model = arguments_of(generate, "data"), arguments_of(generate, "model")
    wanted = {f"data.{key}": plan[key] for key in
              ("classes", "class_rows", "class_subset", "images_per_class", "seed", "shard_size")}  # fmt: skip
    wanted["model.save_size"] = model.get("save_size")
    settings = [Setting(("real", *key.split(".")), value, "the section generate") for key, value in wanted.items()]
    return replace(part, settings=(*part.settings, *settings))


def _runs_in(folder: Path) -> tuple[str, ...]:
    return ("--trainer.logger=RunLogger", f"--trainer.logger.save_dir={folder}")


def _from_last_checkpoint(folder: Path) -> Sequence[str]:
    """Where an earlier attempt left off, of this job or another: the folder holds this very tuning and nothing else."""
    last = RunLogger(str(folder)).last_checkpoint(of_any_job=True)
    return () if last is None else (f"--ckpt_path={last}",)


def _drop_configuration(folder: Path) -> Sequence[str]:
    """The students' folder holds the first call's whole configuration; ours may differ in what is a machine's."""
    from hieramp_lit.commands.students import CONFIG

    (folder / CONFIG).unlink(missing_ok=True)
    return ()


def _make_folder(folder: Path) -> Sequence[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return ()


def _describe_set(folder: Path) -> str:
    shards = ShardSet.open(folder)
    return f"{len(shards)} images of {len(shards.classes)} classes in {folder}"
