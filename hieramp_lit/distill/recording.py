"""What a trial's W&B run is told: curves, numbers, the contact sheet, tables, and what was made from what."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from hieramp_lit.checkpoints import resolve
from hieramp_lit.checkpoints.hub import HUB_SCHEME
from hieramp_lit.distill.configuration import arguments_of
from hieramp_lit.distill.planning import Stages
from hieramp_lit.distill.summary import student_cells
from hieramp_lit.distill.trial import Trial
from hieramp_lit.files import write_text
from hieramp_lit.report.results import FILE, MEASURES
from hieramp_lit.shards.format import CONTACT_SHEET
from hieramp_lit.tracking import TrialRun

_OF_THE_AGENT = ("WANDB_RUN_ID", "WANDB_SWEEP_ID")


def is_agents_run() -> bool:
    """Whether a sweep's agent started this process, and waits for its numbers."""
    return any(os.environ.get(name) for name in _OF_THE_AGENT)


def record(tracked: TrialRun, trial: Trial, stages: Stages, out: Path, summary: Mapping[str, float]) -> None:
    """Tell the run what came of a trial whose ``result.json`` is written.

    Args:
        tracked: The run.
        trial: The trial.
        stages: Its stages, all of them done.
        out: The trial's folder.
        summary: Its numbers.
    """
    if stages.students is not None:
        tracked.log_curves(curves(stages.students.folder, trial.seeds, out))
    for name, cell in student_cells(trial, stages).items():
        rows = [
            [run["student_seed"], *(run[measure.split("_")[1]][measure.split("_")[0]] for measure in MEASURES)]
            for run in cell["per_seed"]
        ]
        tracked.log_table(f"{name}/seeds", ["student_seed", *MEASURES], rows)
    scales = sorted(name.removeprefix("beta/") for name in summary if name.removeprefix("beta/").isdigit())
    if scales:
        rows = [[scale, summary[f"beta/{scale}"], summary[f"rho/{scale}"]] for scale in scales]
        tracked.log_table("schedule", ["scale", "beta", "rho"], rows)
    tracked.log_image("contact_sheet", stages.generate.folder / CONTACT_SHEET)
    tracked.log_summary(summary)
    if trial.tracking is not None and trial.tracking.log_artifacts:
        tracked.record_artifacts(_weights(stages), stages.generate.folder, out / FILE)


def curves(students: Path, seeds: Sequence[int], out: Path) -> dict[int, Path]:
    """Each seed's ``metrics.csv``; one that was interrupted and went on has several, joined into one in `out`.

    Args:
        students: Folder of the students' stage.
        seeds: Whose curves.
        out: Folder for joined files.
    """
    found: dict[int, list[Path]] = {}
    runs = [path.parent for path in (students / "runs").glob("version_*/config.yaml")]
    for run in sorted(runs, key=lambda path: int(path.name.removeprefix("version_"))):
        seed = yaml.safe_load((run / "config.yaml").read_text())["model"]["init_args"]["seed"]
        if (run / "metrics.csv").is_file():
            found.setdefault(seed, []).append(run / "metrics.csv")
    joined = {}
    for seed in seeds:
        files = found.get(seed, [])
        if len(files) > 1:
            joined[seed] = _join(files, out / "curves" / f"seed-{seed}.csv")
        elif files:
            joined[seed] = files[0]
    return joined


def _join(files: Sequence[Path], target: Path) -> Path:
    """Rows of all files, in order, under the columns of all."""
    rows = [row for file in files for row in csv.DictReader(file.read_text().splitlines())]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(target, text.getvalue())
    return target


def _weights(stages: Stages) -> Path | None:
    """File of the generator's weights, where there is one on this machine."""
    if stages.tune is not None:
        return stages.tune.outputs[0]
    location = arguments_of(stages.values["generate"], "model").get("checkpoint")
    return None if location is None or location.startswith(HUB_SCHEME) else resolve(location)
