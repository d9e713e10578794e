"""The demo compares what it says it compares, by commands that work, and stops where one fails."""

import io
import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from hieramp_lit.cli import main
from hieramp_lit.commands.demo import run_demo
from hieramp_lit.shards import ShardSet
from hieramp_lit.stages import Stage, StageError, StageRunner

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {
    "configs/token_tuning/digits.yaml": (
        "--trainer.max_steps=2 --trainer.val_check_interval=2 --trainer.limit_val_batches=1 --data.batch_size=4"
    ),
    "configs/student/digits.yaml": "--trainer.max_epochs=2 --trainer.check_val_every_n_epoch=1",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "configs").symlink_to(CONFIGS)
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Stages run in this process, made small; the command lines are remembered."""
    typed: list[tuple[str, ...]] = []

    def run(self: StageRunner, stage: Stage, threads: int) -> float:
        typed.append(stage.arguments)
        small = SMALL.get(stage.arguments[2], "").split()
        main([*stage.arguments, *small, "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"])
        assert stage.outcome()
        return 1.0

    monkeypatch.setattr(StageRunner, "run", run)
    return typed


@pytest.mark.usefixtures("checkout")
def test_whole_path(commands: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    run_demo(Path("demo"), seeds=2, workers=1, threads=1, console=Console(file=screen, width=120))

    draws = ["predict", "fit"] * 3
    assert [arguments[0] for arguments in commands] == ["fit", *draws, "inspect", *draws]
    sets = {
        kind: [ShardSet.open(Path(f"demo/sets/{kind}-{seed}")) for seed in (0, 1)] for kind in ("plain", "amplified")
    }
    for plain, amplified in zip(sets["plain"], sets["amplified"], strict=True):
        # The same weights and seeds; amplification is the only difference.
        own, other = plain.manifest.identity, amplified.manifest.identity
        assert plain.manifest.seed == amplified.manifest.seed
        assert own != other
    assert len({json.dumps(shards.manifest.identity, sort_keys=True) for shards in sets["plain"]}) == 2

    summary = json.loads(Path("demo/summary.json").read_text())
    assert set(summary) == {"real", "plain", "amplified"}
    for cell in summary.values():
        assert cell["set"]["generate_seeds"] == [0, 1]
        assert cell["student_seeds"] == [0, 1]
        assert cell["summary"]["n"] == 2
    assert summary["amplified"]["random_real_reference"]["mean"] == summary["real"]["summary"]["mean"]

    shown = screen.getvalue()
    for kind, title in (("real", "random real"), ("plain", "plain"), ("amplified", "amplified")):
        assert title in shown
        assert f"{100 * summary[kind]['summary']['mean']['top1_last']:.1f} ± " in shown
    closing = capsys.readouterr().err
    assert f"amplified {100 * summary['amplified']['summary']['mean']['top1_last']:.1f} %" in closing
    for words in ("where: demo/report.html", "where: demo/contact_sheet.png", "next:  hieramp distill --config"):
        assert words in closing
    with Image.open("demo/contact_sheet.png") as sheet:
        assert sheet.height > 10 * 32

    described = json.loads(Path("demo/demo.json").read_text())
    assert described["schema"] == 1
    assert set(described["sets"]) == {"random real", "plain", "amplified"}
    for title, made in described["sets"].items():
        assert [draw["seed"] for draw in made] == [0, 1]
        for draw in made:  # relative to the file
            shards = ShardSet.open(Path("demo") / draw["set"])
            assert shards.manifest.seed == draw["seed"]
            assert (next(iter(shards)).saliency is None) == (title == "random real")
            assert (Path("demo") / draw["student"] / "result.json").is_file()
    assert Path("demo", described["tuning"], "class_tokens.safetensors").is_file()
    inspected = json.loads(Path("demo", described["inspect"]["amplified"]).read_text())
    assert inspected["set"]["manifest_sha256"] == sets["amplified"][0].manifest.hash
    assert set(described["seconds"]) == set(described["cost"]) == {"tuning", "sets", "students", "inspect"}
    assert described["seconds"] == {"tuning": 1, "sets": 6, "students": 6, "inspect": 1}
    assert described["commands"][0] == "hieramp demo --out demo --seeds 2"
    assert described["commands"][1].startswith("hieramp fit --config configs/token_tuning/digits.yaml")

    assert "random real" in Path("demo/report.html").read_text()
    told = Path("demo/report.json").read_text()
    for words in ("random real", "amplified", "hieramp demo --out demo"):
        assert words in told


def test_outside_a_checkout_it_says_where_to_go() -> None:
    with pytest.raises(FileNotFoundError, match="folder of the repository"):
        main(["demo"])


@pytest.mark.usefixtures("checkout")
def test_a_failing_stage_ends_the_demo_with_its_output_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: StageRunner, stage: Stage, threads: int) -> float:
        log = Path("log")
        log.write_text("out of paper\n")
        raise StageError(stage, 7, log)

    monkeypatch.setattr(StageRunner, "run", fail)
    with pytest.raises(SystemExit) as stop:
        main(["demo"])
    assert stop.value.code == 7
    said = capsys.readouterr().err
    assert "out of paper" in said
    assert "hieramp fit --config configs/token_tuning/digits.yaml" in said


@pytest.mark.usefixtures("checkout")
def test_an_interruption_ends_what_still_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = []

    def interrupt(self: StageRunner, stage: Stage, threads: int) -> float:
        if stage.name == "tune class tokens":
            return 0.0
        raise KeyboardInterrupt

    monkeypatch.setattr(StageRunner, "run", interrupt)
    monkeypatch.setattr(StageRunner, "stop", lambda self: stopped.append(True))
    with pytest.raises(SystemExit) as stop:
        main(["demo"])
    assert stop.value.code == 130
    assert stopped
    assert "goes on from here" in capsys.readouterr().err


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1])
def test_batch_systems_end_what_still_runs_and_requeue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signum: signal.Signals, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setattr(StageRunner, "run", lambda self, stage, threads: os.kill(os.getpid(), signum))
    with pytest.raises(SystemExit) as stop:
        main(["demo"])
    assert stop.value.code == 128 + signum
    said = capsys.readouterr().err
    assert f"{signum.name}: stopped. The same command goes on from here." in said
    assert ("Job 9 is requeued." in said) == (tmp_path / "asked").is_file() == (signum == signal.SIGUSR1)


@pytest.mark.parametrize("flags", [["--seeds", "0"], ["--workers", "-1"], ["--sedes", "1"]])
def test_refuses_nonsense(flags: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["demo", *flags])
    assert stop.value.code == 2
