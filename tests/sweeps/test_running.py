"""Sweeps run to their end: bad trials stop no other, done ones are kept, nothing is run twice or left running."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.cli import main
from hieramp_lit.sweeps import SweepFile, Trial, TrialFolder, expand, read_sweep_file
from hieramp_lit.sweeps.runner import patience

ROOT = Path("out")
METRIC = {"name": "student/top1_last", "goal": "maximize"}


def run(path: Path, *flags: str) -> int:
    """Exit code of the command."""
    try:
        main(["sweep", "run", str(path), "--out", str(ROOT), "--workers", "2", "--no-report", *flags])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def rows() -> dict[str, dict[str, str]]:
    """Of the table, by ρ."""
    with (ROOT / "sweep.csv").open() as file:
        return {row["rho"]: row for row in csv.DictReader(file)}


def folder(path: Path, index: int) -> TrialFolder:
    return TrialFolder(ROOT, expand(read_sweep_file(path))[index])


def starts(path: Path, index: int) -> int:
    file = folder(path, index).out / "starts"
    return len(file.read_text().splitlines()) if file.is_file() else 0


class TestTrials:
    @pytest.fixture(autouse=True)
    def _run(self, sweep_path: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
        values = {"rho": {"values": [1.5, 0.4, 0, 0.8, -1]}, "beta": {"value": {"coarse": 3}}, "off": {"value": None}}
        self.path = sweep_path(values, metric=METRIC)
        self.code = run(self.path)
        self.screen = capsys.readouterr().out

    def test_bad_ones_stop_no_other_and_their_reasons_are_kept(self) -> None:
        assert {rho: row["status"] for rho, row in rows().items()} == {
            "1.5": "refused", "0.4": "done", "0": "failed", "0.8": "done", "-1": "failed",
        }  # fmt: skip
        assert self.code == 1
        reasons = {rho: row["reason"] for rho, row in rows().items()}
        assert reasons["1.5"] == "amplification.rho=1.5: expected shares in [0, 1]."
        assert reasons["0"] == "exit code 1: stage tune failed (StageError)"
        assert reasons["-1"] == "ended by SIGKILL"
        assert reasons["0.4"] == ""
        assert "expected shares" in self.screen

    def test_tables_have_every_parameter_and_number(self) -> None:
        row = rows()["0.8"]
        assert (row["beta.coarse"], row["off"]) == ("3", "null")
        assert (row["student/top1_last"], row["student/n"]) == ("0.4", "3.0")
        assert float(row["seconds"]) < 60
        assert rows()["1.5"]["student/n"] == ""

        written = json.loads((ROOT / "sweep.json").read_text())
        assert (written["metric"], written["file"]) == (METRIC, str(self.path))
        assert [trial["id"] for trial in written["trials"]] == [
            trial.id for trial in expand(read_sweep_file(self.path))
        ]
        assert written["trials"][1]["parameters"] == {"rho": 0.4, "beta": {"coarse": 3}, "off": None}
        assert written["trials"][1]["summary"] == {"student/top1_last": 0.2, "student/n": 3.0}

        table = self.screen[self.screen.index("status") :]
        places = [table.index(text) for text in ("rho=0.8", "rho=0.4", "rho=1.5")]
        assert places == sorted(places)  # best first

    def test_done_ones_are_not_run_again_but_bad_ones_are(self) -> None:
        run(self.path)
        assert [starts(self.path, index) for index in range(5)] == [2, 1, 2, 1, 2]

    def test_a_longer_list_goes_on(self, sweep_path: Callable[..., Path]) -> None:
        values = {"rho": {"values": [0.4, 0.6]}, "beta": {"value": {"coarse": 3}}, "off": {"value": None}}
        path = sweep_path(values, metric=METRIC)
        assert run(path) == 0
        assert (starts(path, 0), starts(path, 1)) == (1, 1)
        assert rows()["0.8"]["status"] == "done"  # of the earlier list, and still in the table

    def test_damaged_numbers_are_their_own_trials_failure(self) -> None:
        for content in ("", "[1]"):
            (folder(self.path, 1).out / "summary.json").write_text(content)
            assert run(self.path, "--index", "3") == 0
            assert rows()["0.8"]["status"] == "done"
            assert rows()["0.4"]["status"] == "failed"
            assert "summary.json is damaged" in rows()["0.4"]["reason"]
        assert run(self.path, "--index", "1") == 0
        assert rows()["0.4"]["status"] == "done"

    def test_another_command_is_refused(self, sweep_path: Callable[..., Path]) -> None:
        command = ["${env}", "${interpreter}", "${program}", "--config", "${args_json_file}", "--quick"]
        with pytest.raises(ValueError, match=r"another command(.|\n)*--quick"):
            run(sweep_path({"rho": {"values": [0.4]}}, metric=METRIC, command=command))


def test_a_changed_configuration_is_refused(sweep_path: Callable[..., Path], tmp_path: Path) -> None:
    config = tmp_path / "base.yaml"
    config.write_text("a: 1")
    command = ["${env}", "${interpreter}", "${program}", "--config", str(config), "--config", "${args_json_file}"]
    path = sweep_path({"rho": {"values": [0.4]}}, command=command)
    assert run(path) == 0
    config.write_text("a: 2")
    with pytest.raises(ValueError, match="configuration that has changed"):
        run(path)


@pytest.mark.parametrize("words", [["--config=FILE"], ["--config", "${envvar:BASE}"], ["--config=${envvar:BASE}"]])
def test_a_changed_configuration_is_seen_however_it_is_named(
    sweep_path: Callable[..., Path], tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "base.yaml").write_text("a: 1")
    os.environ["BASE"] = str(tmp_path / "base.yaml")
    named = [word.replace("FILE", os.environ["BASE"]) for word in words]
    command = ["${env}", "${interpreter}", "${program}", *named, "--config", "${args_json_file}"]
    path = sweep_path({"rho": {"values": [0.4]}}, command=command)
    assert run(path) == 0
    (tmp_path / "base.yaml").write_text("# a comment\na: 1")
    assert run(path) == 0
    (tmp_path / "base.yaml").write_text("a: 2")
    with pytest.raises(ValueError, match="configuration that has changed"):
        run(path)


def test_a_configuration_that_changes_meanwhile_ends_the_sweep(sweep_path: Callable[..., Path], tmp_path: Path) -> None:
    config = tmp_path / "base.yaml"
    config.write_text("a: 1")
    command = ["${env}", "${interpreter}", "${program}", "--config", str(config), "--config", "${args_json_file}"]
    edit = {"values": [{str(config): "a: 2"}, {}]}
    path = sweep_path({"rho": {"value": 0.4}, "edit": edit}, command=command)
    with pytest.raises(ValueError, match=r"base\.yaml changed while the sweep ran"):
        run(path, "--workers", "1")
    assert [starts(path, index) for index in range(2)] == [1, 0]
    before = json.loads((ROOT / "sweep.json").read_text())["common"]
    with pytest.raises(ValueError, match="configuration that has changed"):
        run(path)  # the folder is that of the configuration before
    config.write_text("a: 1")
    assert run(path, "--index", "1") == 0
    assert json.loads((ROOT / "sweep.json").read_text())["common"] == before


def test_a_table_that_cannot_be_written_now_stops_no_trial(
    sweep_path: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    table = str((ROOT / "sweep.csv").absolute())
    path = sweep_path({"rho": {"values": [0.4, 0.5, 0.6]}, "block": {"value": table}})
    with pytest.raises(OSError, match=r"sweep\.csv"):  # still so at the end
        run(path, "--workers", "1")
    assert [starts(path, index) for index in range(3)] == [1, 1, 1]
    assert capsys.readouterr().out.count("the sweep's table is not written now") == 3


def test_trials_have_longer_where_slurm_warns_early() -> None:
    script = (Path(__file__).parents[2] / "sweeps/slurm_array.sh").read_text()
    warned = int(script.partition("--signal=USR1@")[2].split()[0])
    assert patience(signal.SIGUSR1) == patience(None) == 20
    os.environ["SLURM_JOB_ID"] = "7"
    assert 200 <= patience(signal.SIGUSR1) == patience(signal.SIGTERM) <= warned - 30
    assert patience(signal.SIGINT) == patience(None) == 20


def test_a_trial_has_its_share_of_the_machine(sweep_path: Callable[..., Path]) -> None:
    path = sweep_path({"rho": {"values": [0.2, 0.4]}})
    cores = len(os.sched_getaffinity(0))
    assert run(path) == 0
    assert (folder(path, 0).out / "starts").read_text().split(" ")[1:] == ["", f"{max(1, cores // 2)}\n"]
    main(["sweep", "run", str(path), "--out", "gpus", "--no-report", "--gpus", "3", "GPU-7a"])
    found = {(TrialFolder(Path("gpus"), trial).out / "starts").read_text().split(" ")[1] for trial in trials(path)}
    assert found == {"3", "GPU-7a"}
    with pytest.raises(ValueError, match="--gpus 1 1"):
        main(["sweep", "run", str(path), "--out", "twice", "--gpus", "1", "1"])


def trials(path: Path) -> list[Trial]:
    return expand(read_sweep_file(path))


class TestReport:
    def test_is_written_although_trials_failed_and_names_the_best(
        self, sweep_path: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = sweep_path({"rho": {"values": [0.4, 0.8, 0]}}, metric=METRIC)
        flags = ["sweep", "run", str(path), "--out", str(ROOT), "--workers", "2"]
        with pytest.raises(SystemExit) as stop:
            main(flags)
        assert stop.value.code == 1
        assert str(ROOT / "report.html") in capsys.readouterr().out
        page = (ROOT / "report.html").read_text()
        best, worst = (folder(path, index).trial.id for index in (1, 0))
        assert "Best of 2 trials: rho=0.8, top-1 last 40.0 %" in page
        assert best in page
        assert worst in page
        main([*flags, "--index", "0", "1"])
        closing = capsys.readouterr().err
        assert f"2 of 3 trials; best {best}, student/top1_last 0.4: rho=0.8" in closing
        own = folder(path, 1).out
        for words in (f"where: {own}", f"where: {ROOT / 'sweep.csv'}", f"where: {ROOT / 'report.html'}",
                      f"next:  hieramp report {own} -o {own / 'report.html'}"):  # fmt: skip
            assert words in closing

    def test_is_left_to_the_one_that_ends_last(
        self, sweep_path: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(
            "hieramp_lit.report.content.write_report", lambda sources, output, figures: output.write_text(str(sources))
        )
        path = sweep_path({"rho": {"values": [0.4, 0.8]}}, metric=METRIC)
        flags = ["sweep", "run", str(path), "--out", str(ROOT), "--workers", "1"]
        other = folder(path, 1).claim()
        assert other is not None
        main(flags)
        assert "the report is written by the last one" in capsys.readouterr().out
        assert not (ROOT / "report.html").exists()
        other.release()
        main(flags)
        assert (ROOT / "report.html").read_text() == str([ROOT])
        (ROOT / "report.html").unlink()
        main([*flags, "--no-report"])
        assert not (ROOT / "report.html").exists()


def test_a_dry_run_runs_nothing(sweep_path: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = sweep_path({"rho": {"values": [0.2, 0.4]}})
    assert run(path, "--dry-run", "--max-trials", "1") == 0
    shown = capsys.readouterr().out
    assert shown.count("$ /usr/bin/env python") == 1
    assert f"--out {folder(path, 0).out}" in shown
    assert not ROOT.exists()
    run(path, "--index", "0")
    capsys.readouterr()
    assert run(path, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert (shown.count("done before: /usr/bin/env python"), shown.count("$ /usr/bin/env python")) == (1, 1)


def test_one_trial_of_an_array(sweep_path: Callable[..., Path]) -> None:
    path = sweep_path({"rho": {"values": [0.2, 0.4, 1.5]}})
    assert run(path, "--index", "1") == 0
    assert {rho: row["status"] for rho, row in rows().items()} == {"0.2": "waiting", "0.4": "done", "1.5": "waiting"}
    with pytest.raises(ValueError, match=r"--index \[3\].*0 to 2"):
        run(path, "--index", "3")


@pytest.mark.parametrize(
    ("others", "warning"),
    [
        ({"metric": {"name": "student/top1_best", "goal": "maximize"}}, "best of many evaluations"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "early_terminate"),
        ({"metric": {"name": "set/fid", "goal": "minimize"}}, "no trial has set/fid"),
    ],
)
def test_warns(
    sweep_path: Callable[..., Path], capsys: pytest.CaptureFixture[str], others: dict[str, Any], warning: str
) -> None:
    run(sweep_path({"rho": {"values": [0.4]}}, **others))
    assert warning in capsys.readouterr().out
    run(sweep_path({"rho": {"values": [0.4]}}, metric=METRIC))
    assert "warning" not in capsys.readouterr().out


def test_no_success_without_a_summary(sweep: Callable[..., SweepFile], sweep_path: Callable[..., Path]) -> None:
    path = sweep_path({"rho": {"values": [0.4]}}, command=["/usr/bin/env", "true"])
    assert run(path) == 1
    assert "ended without" in rows()["0.4"]["reason"]
    assert run(sweep_path({"rho": {"values": [0.5]}}, command=["/usr/bin/env", "nonsense"]), "--out", "b") == 1
    with (Path("b") / "sweep.csv").open() as file:
        assert "nonsense" in next(csv.DictReader(file))["reason"]


class TestExpand:
    def test_prints_and_writes_trials(
        self, sweep_path: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        path = sweep_path({"a.b": {"values": [None, [1, {"c": True}]]}, "rho": {"value": 0.5}})
        main(["sweep", "expand", str(path)])
        assert 'b=[1, {"c": true}]' in capsys.readouterr().out
        main(["sweep", "expand", str(path), "--json"])
        listed = json.loads(capsys.readouterr().out)
        assert [(one["index"], one["id"], one["parameters"]) for one in listed] == [
            (index, trial.id, trial.parameters) for index, trial in enumerate(trials(path))
        ]
        main(["sweep", "expand", str(path), "--index", "1", "--json"])
        assert json.loads(capsys.readouterr().out) == listed[1:]
        main(["sweep", "expand", str(path), "--index", "1", "--out", "one.json"])
        assert json.loads(Path("one.json").read_text()) == {"a.b": [1, {"c": True}], "rho": 0.5}

    def test_a_file_takes_one_trial(self, sweep_path: Callable[..., Path]) -> None:
        with pytest.raises(ValueError, match="--index"):
            main(["sweep", "expand", str(sweep_path({"rho": {"value": 0.5}})), "--out", "one.json"])


class TestInterruption:
    """The command in a process of its own, with trials that take long."""

    @pytest.fixture
    def start(self) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
        started: list[subprocess.Popen[str]] = []

        def start(path: Path, *flags: str) -> "subprocess.Popen[str]":
            words = [sys.executable, "-m", "hieramp_lit", "sweep", "run", str(path), "--out", str(ROOT), "--no-report"]
            words += flags
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            started.append(process)
            return process

        yield start
        for process in started:
            process.kill()
            process.communicate()

    @staticmethod
    def wait_for(path: Path) -> None:
        until = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < until, path
            time.sleep(0.02)

    @staticmethod
    def gone(process: int) -> bool:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return True
            except OSError:
                return True
            time.sleep(0.02)
        return False

    @pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
    def test_a_signal_leaves_nothing_running_and_the_same_command_goes_on(
        self, sweep_path: Callable[..., Path], start: Callable[..., "subprocess.Popen[str]"], signum: signal.Signals
    ) -> None:
        values = {"rho": {"values": [0.4, 0.5, 0.6]}}
        path = sweep_path({**values, "seconds": {"value": 0}})
        assert run(path, "--max-trials", "1") == 0
        path = sweep_path({**values, "seconds": {"values": [0, 60]}})
        process = start(path, "--workers", "1", "--index", "0", "1")
        self.wait_for(folder(path, 1).out / "ready")
        process.send_signal(signum)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 128 + signum
        assert "the same command goes on" in errors
        assert self.gone(int((folder(path, 1).out / "starts").read_text().split()[0]))
        assert (folder(path, 0).outcome().status, folder(path, 1).outcome().status) == ("done", "waiting")
        assert starts(path, 0) == 1
        assert run(path, "--index", "2") == 0

    def test_two_ctrl_c_end_a_stubborn_trial_and_its_children(
        self, sweep_path: Callable[..., Path], start: Callable[..., "subprocess.Popen[str]"]
    ) -> None:
        path = sweep_path(
            {"rho": {"value": 0.4}, "seconds": {"value": 60}, "stubborn": {"value": True}, "child": {"value": 1}}
        )
        process = start(path, "--workers", "1")
        self.wait_for(folder(path, 0).out / "ready")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert self.gone(int((folder(path, 0).out / "starts").read_text().split()[0]))
        assert self.gone(int((folder(path, 0).out / "child").read_text()))

    def test_no_trial_outlives_a_killed_command_and_the_next_one_takes_it_over(
        self, sweep_path: Callable[..., Path], start: Callable[..., "subprocess.Popen[str]"]
    ) -> None:
        path = sweep_path({"rho": {"value": 0.4}, "seconds": {"value": 1.5}})
        process = start(path, "--workers", "1")
        self.wait_for(folder(path, 0).out / "ready")
        assert folder(path, 0).outcome().status == "running"
        process.kill()
        process.communicate()
        assert self.gone(int((folder(path, 0).out / "starts").read_text().split()[0]))
        assert folder(path, 0).outcome().status == "waiting"
        assert run(path) == 0
        assert starts(path, 0) == 2

    def test_two_commands_on_one_folder_run_no_trial_twice(
        self, sweep_path: Callable[..., Path], start: Callable[..., "subprocess.Popen[str]"]
    ) -> None:
        path = sweep_path({"rho": {"values": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, "seconds": {"value": 0.3}})
        processes = [start(path, "--workers", "2") for _ in range(2)]
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        assert [starts(path, index) for index in range(6)] == [1] * 6
        assert {row["status"] for row in rows().values()} == {"done"}
