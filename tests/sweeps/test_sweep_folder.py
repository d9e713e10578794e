"""Numbers of another configuration do not count, and are told apart from those of the present one."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hieramp_lit.sweeps import (
    Event,
    Slot,
    SweepFile,
    SweepFileError,
    SweepFolder,
    SweepRunner,
    Trial,
    claim_sweep,
    collect,
    expand,
)

ROOT = Path("out")
VERSION = Path("version")
"""Stands for all that decides a trial."""
SLOT = Slot("here", {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})


def plan(words: Sequence[str]) -> str:
    return VERSION.read_text()


@pytest.fixture
def trials(sweep: Callable[..., SweepFile]) -> tuple[SweepFile, list[Trial]]:
    VERSION.write_text("1")
    read = sweep({"rho": {"values": [0.2, 0.4, 0.6]}, "names": {"value": str(VERSION.absolute())}})
    return read, expand(read)


def run(given: tuple[SweepFile, list[Trial]], edit_after: int | None = None) -> dict[float, tuple[str, int]]:
    """Status and number of starts of each trial; the configuration changes after so many have ended."""
    read, every = given
    folder = SweepFolder(read, ROOT, every, plan)
    claim_sweep(folder)
    ended: list[Event] = []

    def tell(event: Event) -> None:
        if event.outcome.status != "running":
            ended.append(event)
            if len(ended) == edit_after:
                VERSION.write_text("2")

    try:
        SweepRunner(folder, [SLOT], tell).run(every)
    finally:
        rows = collect(folder, every)
    starts = {row.trial.id: folder.trial(row.trial).out / "starts" for row in rows}
    return {
        row.trial.parameters["rho"]: (
            row.outcome.status,
            len(starts[row.trial.id].read_text().splitlines()) if starts[row.trial.id].is_file() else 0,
        )
        for row in rows
    }


def test_trials_of_the_same_configuration_are_done_once(trials: tuple[SweepFile, list[Trial]]) -> None:
    for _ in range(2):
        assert run(trials) == {0.2: ("done", 1), 0.4: ("done", 1), 0.6: ("done", 1)}


def test_trials_of_another_configuration_run_again(trials: tuple[SweepFile, list[Trial]]) -> None:
    run(trials)
    VERSION.write_text("2")
    read, every = trials
    others = collect(SweepFolder(read, ROOT, every[:1], plan), every)
    assert [row.outcome.status for row in others] == ["waiting"] * 3
    assert all("of another configuration" in row.outcome.reason for row in others)
    assert all(row.outcome.summary is None for row in others)
    assert run(trials) == {0.2: ("done", 2), 0.4: ("done", 2), 0.6: ("done", 2)}


def test_a_change_ends_the_sweep_and_the_same_command_goes_on(trials: tuple[SweepFile, list[Trial]]) -> None:
    with pytest.raises(SweepFileError, match="changed while the sweep ran"):
        run(trials, edit_after=1)
    written = json.loads((ROOT / "sweep.json").read_text())
    assert [trial["status"] for trial in written["trials"]] == ["done", "waiting", "waiting"]
    assert run(trials) == {0.2: ("done", 2), 0.4: ("done", 1), 0.6: ("done", 1)}


def test_what_became_impossible_is_no_longer_done(trials: tuple[SweepFile, list[Trial]]) -> None:
    run(trials)
    VERSION.write_text("")
    read, every = trials
    rows = collect(SweepFolder(read, ROOT, every, plan), every)
    assert [row.outcome.status for row in rows] == ["waiting"] * 3


def test_a_trial_that_ran_under_another_configuration_has_failed(
    trials: tuple[SweepFile, list[Trial]], tmp_path: Path
) -> None:
    read, every = trials
    (tmp_path / "late").write_text("3")
    late = [Trial({**trial.parameters, "names": str(tmp_path / "late")}) for trial in every[:1]]
    folder = SweepFolder(read, ROOT, late, plan)
    claim_sweep(folder)
    SweepRunner(folder, [SLOT], lambda event: None).run(late)
    (row,) = collect(folder, late)
    assert (row.outcome.status, row.outcome.summary) == ("failed", None)
    assert "of another configuration" in row.outcome.reason


def test_the_folder_itself_takes_new_configurations(trials: tuple[SweepFile, list[Trial]]) -> None:
    run(trials)
    before = json.loads((ROOT / "sweep.json").read_text())["common"]
    VERSION.write_text("2")
    run(trials)
    assert json.loads((ROOT / "sweep.json").read_text())["common"] == before
