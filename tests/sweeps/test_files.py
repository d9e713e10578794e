"""Every sweep file that ships: what it reproduces, that its digits twin asks the same, that every parameter arrives."""

import csv
from collections.abc import Mapping
from functools import reduce
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from hieramp_lit.amplify import Amplification, Schedule
from hieramp_lit.distill.configuration import arguments_of, resolve
from hieramp_lit.distill.trial import Trial as DistillTrial
from hieramp_lit.sweeps import SweepFile, expand, read_sweep_file
from hieramp_lit.var import Scales
from tests.sweeps.shipped import DIGITS, FILES, ROOT, TABLES, distill_trial, name_of, read

AMPLIFICATION = "generate.model.amplification"
OF_THE_DATA = {
    "generate.data.images_per_class",
    "generate.model.checkpoint",
    "students.model.student",
    "students.model.teacher.architecture",
}
"""Parameters whose values are data, weights and sizes."""
FLAGS_OF_THE_DATA = ("--inspect.", "--students.data.")
STRANGE: dict[str, Any] = {
    AMPLIFICATION: {"beta": 2.75, "rho": 0.35, "stages": ["mid"]},
    f"{AMPLIFICATION}.beta": {"coarse": 1.25, "mid": 2.5, "fine": -3.75},
    f"{AMPLIFICATION}.beta.coarse": 6.125,
    f"{AMPLIFICATION}.beta.mid": 6.25,
    f"{AMPLIFICATION}.beta.fine": 6.375,
    f"{AMPLIFICATION}.rho": 0.15,
    f"{AMPLIFICATION}.rho.coarse": 0.43,
    f"{AMPLIFICATION}.rho.mid": 0.44,
    f"{AMPLIFICATION}.rho.fine": 0.45,
    f"{AMPLIFICATION}.blocks": [0, -3],
    f"{AMPLIFICATION}.saliency": "unconditional",
    "generate.data.images_per_class": 7,
    "generate.model.checkpoint": "weights/strange.pth",
    "students.model.student": "resnet_ap18",
    "students.model.teacher.architecture": "resnet34",
}
"""A value that no file has, for every parameter of any."""

PARAMETERS = [(path, name) for path in FILES for name in yaml.safe_load(path.read_text())["parameters"]]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def trials(name: str) -> list[dict[str, Any]]:
    """Of a file; of a search its first draw."""
    sweep = read(name)
    return [dict(trial.parameters) for trial in expand(sweep, *((1, 0, "random") if sweep.method == "bayes" else ()))]


def configuration(trial: DistillTrial, section: str) -> dict[str, Any]:
    """Values of a stage, as its command would run it."""
    part = {"generate": trial.generate, "students": trial.students}[section]
    assert part is not None
    return resolve(part)


def at(values: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key, whose first word is model or data."""
    first, *others = key.split(".")
    return reduce(lambda inner, name: inner[name], others, arguments_of(values, first))


def amplification_of(trial: DistillTrial) -> Amplification | None:
    values = at(configuration(trial, "generate"), "model.amplification")
    return None if values is None else Amplification(**values)


def schedule_of(trial: DistillTrial) -> Schedule | None:
    """Of ten scales and sixteen blocks, VAR-d16's."""
    amplification = amplification_of(trial)
    scales = Scales((1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
    return None if amplification is None else amplification.schedule(scales, 16, range(10))


class TestEveryFile:
    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_says_first_what_it_reproduces_and_how(self, path: Path) -> None:
        text = path.read_text()
        assert text.startswith("# ")
        assert path.relative_to(ROOT).as_posix() in text

    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_is_started_as_an_agent_starts_it(self, path: Path) -> None:
        sweep = read_sweep_file(path)
        assert sweep.command[:3] == ("${env}", "${program}", "distill")
        assert sweep.command[-2:] == ("--config", "${args_json_file}")  # last, so that it wins
        assert "--wandb.project=hieramp" in sweep.command
        assert yaml.safe_load(path.read_text())["project"] == "hieramp"

    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_is_judged_by_what_its_trials_report(self, path: Path, tmp_path: Path) -> None:
        sweep = read_sweep_file(path)
        trial = distill_trial(sweep, trials(name_of(path))[0], tmp_path)
        assert sweep.metric is not None
        if trial.students is None:
            assert trial.inspect is not None
            assert trial.real is None
            assert sweep.metric.name.startswith("set/")
        else:
            assert (sweep.metric.name, sweep.metric.goal) == ("student/top1_last", "maximize")

    @pytest.mark.parametrize(
        ("path", "name"), PARAMETERS, ids=[f"{name_of(path)}: {name}" for path, name in PARAMETERS]
    )
    def test_every_parameter_reaches_what_it_names(self, path: Path, name: str, tmp_path: Path) -> None:
        given = trials(name_of(path))[-1] | {name: STRANGE[name]}
        trial = distill_trial(read_sweep_file(path), given, tmp_path)
        section, _, key = name.partition(".")
        arrived = at(configuration(trial, section), key)
        assert arrived == (arrived | STRANGE[name] if isinstance(STRANGE[name], dict) else STRANGE[name])
        if name.startswith(AMPLIFICATION):
            self.in_the_schedule(schedule_of(trial), name.removeprefix(AMPLIFICATION).removeprefix("."))

    @staticmethod
    def in_the_schedule(schedule: Schedule | None, name: str) -> None:
        assert schedule is not None
        stages = {stage: schedule.betas[1 + 3 * place] for place, stage in enumerate(("coarse", "mid", "fine"))}
        shares = {stage: schedule.rhos[1 + 3 * place] for place, stage in enumerate(("coarse", "mid", "fine"))}
        strange = STRANGE[f"{AMPLIFICATION}.{name}"] if name else None
        if name == "":
            off = 0.0 if schedule.rule == "logit_bias" else 1.0
            assert schedule.betas == (off,) * 4 + (2.75,) * 3 + (off,) * 3
            assert schedule.rhos == (0.0,) * 4 + (0.35,) * 3 + (0.0,) * 3
        elif name == "beta":
            assert stages == strange
        elif name == "rho":
            assert set(shares.values()) == {strange}
        elif name == "blocks":
            assert schedule.blocks == (0, 13)
        elif name == "saliency":
            assert schedule.saliency == strange
        else:
            kind, _, stage = name.partition(".")
            assert {"beta": stages, "rho": shares}[kind][stage] == strange

    @pytest.mark.parametrize("name", ["table3_stage_rho_beta", "grid_rules"])
    def test_all_schedules_are_possible_and_differ(self, name: str, tmp_path: Path) -> None:
        """Also on the digits' own schedule, which begins with β of the coarse stage alone."""
        sweep = read(f"digits/{name}")
        schedules = [schedule_of(distill_trial(sweep, parameters, tmp_path)) for parameters in trials(f"digits/{name}")]
        assert len(set(schedules)) == len(schedules) == {"table3_stage_rho_beta": 21, "grid_rules": 24}[name]


class TestTwins:
    def test_every_file_has_one(self) -> None:
        assert [path.name for path in DIGITS] == [path.name for path in TABLES]
        assert len(TABLES) == 8

    @pytest.mark.parametrize("path", TABLES, ids=name_of)
    def test_ask_the_same_save_data_weights_and_sizes(self, path: Path) -> None:
        table, twin = (yaml.safe_load(file.read_text()) for file in (path, ROOT / "sweeps" / "digits" / path.name))
        for content in (table, twin):
            content.pop("run_cap", None)
            metric = content["metric"]
            metric["name"] = metric["name"].partition("@")[0]  # features are weights
            for name in OF_THE_DATA & set(content["parameters"]):
                content["parameters"][name] = None
            content["command"] = [word for word in content["command"] if not word.startswith(FLAGS_OF_THE_DATA)]
        assert table["command"].count("configs/distill/imagenet.yaml") == 1
        twin["command"] = [word.replace("digits", "imagenet") for word in twin["command"]]
        assert list(twin["parameters"].items()) == list(table["parameters"].items())
        assert twin == table


def published(table: int) -> list[dict[str, str]]:
    """HIERAMP's and VAR's rows of a table of the paper."""
    text = resources.files("hieramp_lit.report").joinpath("paper_results.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return [row for row in rows if row["table"] == str(table) and row["method"].startswith(("HIERAMP", "VAR"))]


class TestPaper:
    def test_table_3_has_exactly_the_papers_trials(self, tmp_path: Path) -> None:
        sweep = read("table3_stage_rho_beta")
        ours = []
        for parameters in trials("table3_stage_rho_beta"):
            amplification = amplification_of(distill_trial(sweep, parameters, tmp_path))
            if amplification is None:
                ours.append("no amplification")
                continue
            stage = "full" if len(amplification.stages) == 3 else amplification.stages[0]
            assert (amplification.rule, list(amplification.blocks)) == ("logit_bias", [-2])
            ours.append(f"{stage} {amplification.beta:g} {amplification.rho:.0%}")
        assert len(ours) == 21
        assert sorted(ours) == sorted(row["setting"] for row in published(3))

    def test_table_4_has_exactly_the_papers_trials(self, tmp_path: Path) -> None:
        sweep = read("table4_stage_strength")
        ours = []
        for parameters in trials("table4_stage_strength"):
            schedule = schedule_of(distill_trial(sweep, parameters, tmp_path))
            assert schedule is not None
            assert schedule.rhos == (0.0, *[0.5] * 9)
            ours.append("C-M-F " + "-".join(f"{schedule.betas[scale]:g}" for scale in (1, 4, 7)))
        assert ours == [row["setting"] for row in published(4)]

    def test_table_2_crosses_the_papers_networks(self) -> None:
        name = "students.model.{}".format
        ours = {(t[name("teacher.architecture")], t[name("student")]) for t in trials("table2_cross_architecture")}
        assert ours == {(row["teacher"], row["student"]) for row in published(2)}

    @pytest.mark.parametrize(("file", "table"), [("table6_fid", 6), ("table7_class_tokens", 7)])
    def test_tables_6_and_7_have_the_papers_cells(self, file: str, table: int) -> None:
        ours = [trial["generate.data.images_per_class"] for trial in trials(file)]
        assert sorted(map(str, ours)) == sorted(row["ipc"] for row in published(table))

    def test_table_7_amplifies_nothing(self, tmp_path: Path) -> None:
        trial = distill_trial(read("table7_class_tokens"), trials("table7_class_tokens")[0], tmp_path)
        assert trial.tune is None
        assert amplification_of(trial) is None

    def test_supplement_f_compares_stages_with_off(self, tmp_path: Path) -> None:
        sweep = read("supplement_f")
        schedules = [schedule_of(distill_trial(sweep, one, tmp_path)) for one in trials("supplement_f")]
        assert schedules[0] is None
        strengths = [tuple(s.betas[scale] for scale in (1, 4, 7)) for s in schedules if s is not None]
        single = [(5, 0, 0), (0, 5, 0), (0, 0, 5)]
        assert strengths == [*single, (5, 5, 5), (0.5, 5, 5), (5, 0.5, 5), (5, 5, 0.5)]


def test_a_search_on_digits_does_not_look_at_the_test_images(tmp_path: Path) -> None:
    sweep: SweepFile = read("digits/search_bayes")
    trial = distill_trial(sweep, trials("digits/search_bayes")[0], tmp_path)
    validation = at(configuration(trial, "students"), "data.validation")
    assert validation["init_args"]["validation"] == "train_split"
