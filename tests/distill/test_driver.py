"""A trial runs once, goes on where it stopped, shares what is done with others, and says where everything is."""

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit import __version__
from hieramp_lit.cli import main
from hieramp_lit.files import read_json
from hieramp_lit.jobs import RunStoppedError
from hieramp_lit.report import read
from tests.distill.trials import BARE, BETA, Amplified, put_stand_in, ran, trial_of
from tests.shards.making import make_set


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_stand_in(tmp_path_factory.mktemp("stand_in") / "here").parent


@pytest.fixture
def here(templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in's folder, and the stand-in in Python's place."""
    folder = tmp_path / "stand_in"
    folder.mkdir()
    for path in templates.iterdir():
        (folder / path.name).symlink_to(path)
    program = folder / "python"
    text = program.read_text().replace(f'"{templates}" "$@"', f'"{folder}" "$@"')
    program.unlink()
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    trial_of()  # puts configs/ here
    return folder


def distill(*arguments: str, out: str = "out") -> Path:
    main(["distill", "--config", "configs/distill/digits.yaml", "--store=store", f"--out={out}", *BARE, *arguments])
    return Path(out)


def commands(here: Path) -> list[str]:
    return [command for command, _, _ in ran(here)]


def test_runs_every_stage_once_and_tells_what_came_of_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = distill("--inspect.config=configs/student/digits.yaml")
    assert commands(here) == ["predict", "fit", "predict", "students", "students", "inspect"]
    assert any("digits_real" in word for word in ran(here)[0][1])  # where there are too few images, this tells at once
    numbers = json.loads((out / "summary.json").read_text())
    assert numbers["student/top1_last"] == pytest.approx(0.7)
    assert numbers["student/ior_last"] == pytest.approx(0.2)
    assert [numbers[f"beta/{scale:02d}"] for scale in range(7)] == BETA
    assert numbers["beta/coarse"] == 3.0
    assert numbers["set/kid@resnet18"] == 0.25
    assert numbers["seconds/students"] == numbers["seconds/real_students"] == 6  # three seeds' own
    assert {f"seconds/{name}" for name in ("tune", "generate", "real", "students", "real_students", "inspect")} <= set(
        numbers
    )
    result = read(out)  # a cell like any other
    assert result["student_seeds"] == [0, 1, 2]
    assert result["random_real_reference"]["mean"]["top1_last"] == pytest.approx(0.5)
    assert result["trial"]["summary"] == numbers
    assert {stage["version"] for stage in result["trial"]["stages"].values()} == {__version__}
    assert result["trial"]["values"]["students.seeds"] == [0, 1, 2]
    assert result["trial"]["command"].startswith("hieramp distill --config configs/distill/digits.yaml --store=store")
    shown, closing = capsys.readouterr()
    for words in ("$ hieramp fit", "distilled", "random real", "Time of the stages"):
        assert words in shown
    for words in ("top-1 70.0 % over 3 students, 50.0 % on random", "where: store/generate/", "where: out/summary.json",
                  "where: out/result.json", "next:  hieramp report out -o out/report.html"):  # fmt: skip
        assert words in closing
    distill("--inspect.config=configs/student/digits.yaml")
    assert len(commands(here)) == 6
    assert capsys.readouterr().out.count("done before: ") == 6


def test_other_trials_reuse_what_they_share(here: Path) -> None:
    distill()
    distill("--generate.model.amplification.rho=0.3", out="other")
    assert commands(here)[5:] == ["predict", "students"]
    distill("--students.seeds=[0, 1, 2, 3]", out="more")
    assert commands(here)[7:] == ["students", "students"]
    assert read(Path("more"))["student_seeds"] == [0, 1, 2, 3]
    distill("--students.seeds=[1]", out="fewer")  # the same folder, whose joined result is of others
    assert read(Path("fewer"))["student_seeds"] == [1]
    assert json.loads(Path("more/summary.json").read_text())["student/n"] == 4
    assert len(list(Path("store/students").iterdir())) == 3


def test_stages_get_neither_the_agents_run_nor_the_trials(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    distill("--real=null", "--students=null")
    assert [of_wandb for _, _, of_wandb in ran(here)] == [[], []]
    assert all("--trainer.logger" in " ".join(arguments) for _, arguments, _ in ran(here))


def test_goes_on_after_a_failure_which_it_explains(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "fail-students").write_text("7")
    with pytest.raises(SystemExit) as stop:
        distill()
    assert stop.value.code == 1
    told = capsys.readouterr().err
    assert "boom: out of luck" in told
    assert "failed with exit code 7" in told
    (log,) = Path("store/logs").glob("students-*.log")
    assert f"Whole output: {log}" in told
    assert not Path("out/summary.json").exists()
    (here / "fail-students").unlink()
    distill()
    assert commands(here) == ["predict", "fit", "predict", "students", "students", "students"]
    assert log.read_text().count("$ hieramp students") == 2


def test_a_folder_never_shows_the_numbers_of_another_trial(here: Path) -> None:
    out = distill("--students=null", "--real=null")
    (here / "fail-predict").write_text("1")
    with pytest.raises(SystemExit):
        distill("--students=null", "--real=null", "--generate.data.seed=1")
    assert [path.name for path in out.iterdir()] == []


def test_an_output_that_was_deleted_is_made_again(here: Path) -> None:
    distill("--students=null", "--real=null")
    (weights,) = Path("store/tune").glob("*/class_tokens.safetensors")
    weights.unlink()
    distill("--students=null", "--real=null")
    assert commands(here) == ["fit", "predict", "fit"]


def test_a_tuning_goes_on_from_its_last_checkpoint_of_any_job(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "fail-fit").write_text("1")
    with pytest.raises(SystemExit):
        distill("--students=null", "--real=null")
    (folder,) = {Path(word.partition("=")[2]).parent for word in ran(here)[0][1] if word.startswith("--model.export")}
    last = folder / "version_0" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    (here / "fail-fit").unlink()
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    distill("--students=null", "--real=null")
    assert not [word for word in ran(here)[0][1] if word.startswith("--ckpt_path")]
    assert [word for word in ran(here)[1][1] if word.startswith("--ckpt_path")] == [f"--ckpt_path={last}"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_stage_and_ends_the_trial(here: Path, signum: signal.Signals) -> None:
    (here / "signal-predict").write_text(str(signum.value))
    before = signal.getsignal(signum)
    with pytest.raises(RunStoppedError, match="goes on from here") as stop:
        distill()
    assert stop.value.exit_code == 128 + signum
    assert signal.getsignal(signum) is before
    assert commands(here) == ["predict"]
    (here / "signal-predict").unlink()
    distill()
    assert commands(here)[1:] == ["predict", "fit", "predict", "students", "students"]


def test_a_dry_run_runs_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distill("--students=null", "--real=null")
    capsys.readouterr()
    distill("--real=null", "--dry-run", "--generate.data.seed=1")
    lines = capsys.readouterr().out.splitlines()
    assert commands(here) == ["fit", "predict"]
    assert [line.partition(": ")[2][:6] for line in lines if not line.startswith("$") and ": " in line][:3] == [
        "done, ", "to run", "to run",
    ]  # fmt: skip
    assert sum(line.startswith("$ hieramp ") for line in lines) == 3


def test_off_is_made_once_for_all_that_share_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = ("--students=null", "--real=null", "--off={}")
    out = distill(*bare)
    assert commands(here) == ["fit", "predict", "predict"]
    assert "--model.amplification=null" in ran(here)[2][1]
    stage = read_json(out / "result.json")["trial"]["stages"]["off"]
    assert Path(stage["folder"]).is_dir()
    assert read_json(out / "summary.json")["cost/off/peak_memory_bytes"] == 1000 * len("predict")
    assert f"next:  hieramp report {out}" in capsys.readouterr().err
    distill(*bare, "--dry-run")
    assert "off " in capsys.readouterr().out
    distill(*bare, "--generate.model.amplification=null", out="plain")
    distill(*bare, "--generate.model.amplification.rho=0.3", out="other")
    assert commands(here)[3:] == ["predict"]
    assert "off" not in read_json(Path("plain/result.json"))["trial"]["stages"]
    shutil.rmtree(stage["folder"])
    make_set(Path(stage["folder"]), OtherWeights(), images_per_class=1)
    with pytest.raises(ValueError, match=f"{stage['folder']} was generated with other weights"):
        distill(*bare)


@pytest.mark.usefixtures("here")
def test_off_is_compared_next_where_it_is_as_large_as_the_trials_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hieramp_lit.report.content.write_report", lambda *_, **__: None)
    options = ("--students=null", "--real=null", "--off={}", "--report=true")
    stages = read_json(distill(*options) / "result.json")["trial"]["stages"]
    ours, off = stages["generate"]["folder"], stages["off"]["folder"]
    assert capsys.readouterr().err.endswith(f"next:  hieramp analyze {ours} --against {off}\n")
    shutil.rmtree(ours)
    make_set(Path(ours), Amplified(), images_per_class=2)
    distill(*options)
    assert capsys.readouterr().err.endswith(f"next:  hieramp analyze {ours}\n")


class OtherWeights(Amplified):
    """Of a VAR that the trial did not tune."""

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "weights": {"var": "0" * 64}}


def test_results_tell_the_cost_of_each_stage_and_old_records_are_read(here: Path) -> None:
    out = distill("--students=null")
    stages = read_json(out / "result.json")["trial"]["stages"]
    assert stages["generate"]["cost"] == {
        "seconds": stages["generate"]["seconds"], "seconds_per_image": stages["generate"]["seconds"] / 10,
        "peak_memory_bytes": 7000, "device": "cpu (stand-in)", "devices": 1, "peak_device_memory_bytes": None,
    }  # fmt: skip
    assert stages["tune"]["cost"]["seconds_per_image"] is None
    numbers = read_json(out / "summary.json")
    assert numbers["cost/generate/seconds_per_image"] == stages["generate"]["seconds"] / 10
    assert "cost/gpu_hours" not in numbers
    for record in Path("store/stages").iterdir():
        content = json.loads(record.read_text())
        del content["cost"]
        record.write_text(json.dumps(content))
    distill("--students=null")
    assert len(commands(here)) == 3
    cost = read_json(out / "result.json")["trial"]["stages"]["tune"]["cost"]
    assert (cost["seconds"], cost["peak_memory_bytes"]) == (stages["tune"]["seconds"], None)
    assert "cost/tune/peak_memory_bytes" not in read_json(out / "summary.json")


@pytest.mark.usefixtures("here")
def test_a_report_is_written_last_and_one_that_fails_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[list[Path], Path]] = []

    def write(sources: list[Path], output: Path, figures: Path) -> None:
        assert figures == output.parent / "report_figures"
        assert (sources[0] / "summary.json").is_file()
        asked.append((sources, output))
        if len(asked) > 1:
            raise ValueError("no paper left")

    monkeypatch.setattr("hieramp_lit.report.content.write_report", write)
    bare = ("--students=null", "--real=null")
    distill(*bare)
    assert asked == []
    out = distill(*bare, "--report=true")
    assert asked == [([out], out / "report.html")]
    assert "where: out/report.html" in capsys.readouterr().err
    distill(*bare, "--report=true")
    shown, closing = capsys.readouterr()
    assert "warning: the report could not be written (ValueError: no paper left)" in shown
    assert "hieramp report out -o out/report.html" in shown
    assert "report.html" not in closing.partition("next:")[0]


def test_the_trials_own_folder_is_named_by_what_it_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in ("0", "1"):
        main(["distill", "--config", "configs/distill/digits.yaml", "--store=store", "--students=null", "--real=null",
              *BARE, f"--generate.data.seed={seed}"])  # fmt: skip
    folders = sorted(Path("store/trials").iterdir())
    assert len(folders) == 2
    assert all(folder.name.startswith("digits-") for folder in folders)
    assert all((folder / "summary.json").is_file() for folder in folders)


def test_other_weights_in_the_store_than_those_of_the_set_are_told(here: Path) -> None:
    distill("--students=null", "--real=null")
    (weights,) = Path("store/tune").glob("*/class_tokens.safetensors")
    (shard_set,) = Path("store/generate").iterdir()
    weights.write_bytes(b"others")
    with pytest.raises(ValueError, match=f"{shard_set} was generated with other weights .* Delete {shard_set}"):
        distill("--students=null", "--real=null")
    weights.write_bytes(b"weights")
    distill("--students=null", "--real=null")
    assert commands(here) == ["fit", "predict"]


@pytest.mark.parametrize(("section", "real"), [("generate", False), ("real", True)])
def test_students_of_another_set_than_the_one_in_the_store_are_told(here: Path, section: str, real: bool) -> None:
    distill()
    (shard_set,) = Path("store", section).iterdir()
    shutil.rmtree(shard_set)
    make_set(shard_set, None if real else Amplified(), images_per_class=1, seed=1)
    with pytest.raises(
        ValueError, match=rf"another set .* than the one in {shard_set} now.*Delete (store/students/\w+) "
    ) as told:
        distill()
    shutil.rmtree(str(told.value).partition("Delete ")[2].partition(" ")[0])
    assert len(list(Path("store/students").iterdir())) == 1
    assert commands(here) == ["predict", "fit", "predict", "students", "students"]


def test_a_stage_of_another_version_is_used_and_told(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = distill("--students=null", "--real=null")
    assert "version" not in caplog.text
    (record,) = Path("store/stages").glob("generate-*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "version": "0.0.1"}))
    distill("--students=null", "--real=null")
    assert f"generate was made by 0.0.1 of hieramp_lit, and this is {__version__}" in caplog.text
    assert "tune was made" not in caplog.text
    assert read(out)["trial"]["stages"]["generate"]["version"] == "0.0.1"
    assert commands(here) == ["fit", "predict"]
