"""The trials that ship: one shape, differing in data, weights and sizes; the digits' runs whole."""

import json
from pathlib import Path

import pytest
import yaml

from hieramp_lit.cli import main
from hieramp_lit.distill import read_command_line, read_trial
from hieramp_lit.distill.configuration import arguments_of, class_of, resolve
from hieramp_lit.distill.reading import STAGES, TrialRefusedError
from hieramp_lit.report import read
from hieramp_lit.shards import ShardSet
from tests.configs.shipped import ROOT, TRIALS, name_of
from tests.tracking.run_file import only_run

DIGITS = ROOT / "configs/distill/digits.yaml"
MAY_DIFFER = {"name", "store", *(f"{stage}.config" for stage in (*STAGES, "inspect"))}


@pytest.fixture(autouse=True)
def _in_the_repository() -> None:
    Path("configs").symlink_to(ROOT / "configs")


def test_there_is_one_for_each_data_set() -> None:
    expected = {"digits", "imagenet", "imagenet100", "imagewoof", "imagenette", "cifar10", "cifar100", "folder"}
    assert {path.stem for path in TRIALS} == expected


@pytest.mark.parametrize("path", TRIALS, ids=name_of)
class TestEveryTrial:
    def test_differs_from_the_digits_in_data_weights_and_sizes_alone(self, path: Path) -> None:
        (mine, _), (digits, _) = (read_command_line(["--config", str(file)]) for file in (path, DIGITS))
        # How many images are made once more with nothing amplified is a size: all of the digits, few of others.
        assert [one.value for one in mine if one.path[0] == "off"] == ([{}] if path == DIGITS else [1])
        mine, digits = ([one for one in settings if one.path[0] != "off"] for settings in (mine, digits))
        assert [setting.path for setting in mine] == [setting.path for setting in digits]
        assert {a.key for a, b in zip(mine, digits, strict=True) if a.value != b.value} <= MAY_DIFFER
        assert path.read_text().startswith("# ")

    def test_its_stages_parse_and_belong_together(self, path: Path) -> None:
        trial = read_trial(read_command_line(["--config", str(path)])[0])
        tune, generate, real, students = (
            resolve(part) for part in (trial.tune, trial.generate, trial.real, trial.students) if part is not None
        )
        assert [class_of(values, "model") for values in (tune, generate, real, students)] == [
            "ClassTokenTuning", "AmplifiedGeneration", "Generation", "RelabelTraining",
        ]  # fmt: skip
        made, read_by = arguments_of(tune, "model"), arguments_of(generate, "model")
        assert made["export"] == read_by["checkpoint"]
        assert made["tokenizer"] == read_by["tokenizer"]
        plans = [arguments_of(values, "data") for values in (generate, real)]
        assert plans[0]["images_per_class"] == plans[1]["images_per_class"]
        assert trial.name == path.stem


@pytest.mark.parametrize("stage", STAGES)
def test_an_unknown_key_is_refused_by_each_stages_parser(stage: str) -> None:
    part = getattr(read_trial(read_command_line(["--config", str(DIGITS), f"--{stage}.model.unknown=3"])[0]), stage)
    with pytest.raises(TrialRefusedError, match=rf"{stage}\.model\.unknown=3"):
        resolve(part)


TINY_STUDENTS = ["--students.model.protocol.epochs=2", "--students.model.protocol.evaluate_every=1"]
TINY = {
    "tune": {"trainer": {"max_steps": 2, "val_check_interval": 2, "limit_val_batches": 1}, "data": {"batch_size": 4}},
    "generate": {"model.amplification.beta.mid": 2, "data": {"batch_size": 5}},
    "students": {"seeds": [0, 1], "data.validation.batch_size": 100, "trainer.limit_val_batches": 1},
    "wandb": {"project": "tiny", "mode": "offline"},
}


@pytest.mark.slow
def test_the_digits_run_whole_in_real_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage is a process that imports everything anew: half a minute of one core."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    arguments = ["distill", "--config", "configs/distill/digits.yaml", "--config", "tiny.yaml", "--store=store"]
    for stage in ("tune", "generate", "students"):
        arguments += [f"--{stage}.trainer.accelerator=cpu", f"--{stage}.trainer.enable_progress_bar=false"]
    main([*arguments, *TINY_STUDENTS, "--out=out"])
    numbers = json.loads(Path("out/summary.json").read_text())
    assert numbers["student/n"] == numbers["real/n"] == 2
    assert numbers["student/ior_last"] == pytest.approx(numbers["student/top1_last"] - numbers["real/top1_last"])
    assert (numbers["beta/coarse"], numbers["beta/mid"], numbers["beta/fine"], numbers["rho/mid"]) == (5, 2, 0, 0.5)
    result = read(Path("out"))
    assert result["set"]["images"] == result["random_real_reference"]["set"]["images"] == 10
    stages = result["trial"]["stages"]
    assert set(stages) == {"real", "tune", "generate", "off", "students", "real_students", "inspect"}
    for stage in stages.values():
        assert stage["cost"]["peak_memory_bytes"] > 2**27  # torch alone takes more
        assert stage["cost"]["device"].startswith("cpu")
    ours, off = (ShardSet.open(Path(stages[name]["folder"])) for name in ("generate", "off"))
    for one, other in zip(ours, off, strict=True):  # the same images but for amplification, with their maps
        assert (one.key, one.info["seed"]) == (other.key, other.info["seed"])
        assert one.saliency is not None
        assert other.saliency is not None
    assert off.manifest.configuration["schedule"] is None
    assert {"report.html", "report.json"} <= {path.name for path in Path("out").iterdir()}
    run = only_run(Path("out"))
    assert run.summary["student/top1_last"] == numbers["student/top1_last"]
    assert run.value("curves/mean/val/top1") == pytest.approx(numbers["student/top1_last"])
