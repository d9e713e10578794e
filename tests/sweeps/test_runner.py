"""How long a sweep still takes, as its runner tells it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hieramp_lit.sweeps import Event, Slot, SweepFile, SweepFolder, SweepRunner, expand

SLOT = Slot("one", {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})


def test_time_left_is_that_of_trials_that_wait_and_of_the_rest_of_those_that_run(
    sweep: Callable[..., SweepFile], tmp_path: Path
) -> None:
    file = sweep({"rho": {"values": [0.1, 0.2, 0.3]}, "seconds": {"value": 0.6}})
    trials = expand(file)
    events = list[Event]()
    runner = SweepRunner(SweepFolder(file, tmp_path / "out", trials, lambda _: None), [SLOT], events.append)
    runner.run(trials)
    told = [(event.outcome.status, event.left, event.seconds_left) for event in events]
    assert [status for status, _, _ in told] == ["running", "done"] * 3
    assert told[0][2] is None  # none has ended
    each = events[1].outcome.seconds
    assert each is not None
    assert told[1] == ("done", 2, pytest.approx(2 * each))
    status, left, seconds = told[2]  # the second has just begun, the third waits
    assert (status, left) == ("running", 2)
    assert seconds is not None
    assert each < seconds <= 2 * each
    assert told[-1] == ("done", 0, 0.0)
