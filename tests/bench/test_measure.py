from collections.abc import Callable

import pytest
import torch

from hieramp_lit.bench.measure import Candidate, Timing, time_candidates
from hieramp_lit.bench.process import OwnProcess

CPU = torch.device("cpu")


def timing(name: str, seconds: list[float], work: int = 1, flops: float | None = None) -> Timing:
    return Timing(Candidate(name, lambda: None, work, flops), first_s=9.0, seconds=seconds)


def test_candidates_take_turns_and_each_goes_first_once():
    order: list[str] = []
    candidates = [Candidate(name, lambda name=name: order.append(name)) for name in "abc"]
    timings = time_candidates(candidates, CPU, repeats=3, warmup=2)
    assert "".join(order) == "aabbcc" + "abc" + "bca" + "cab"
    assert [len(t.seconds) for t in timings] == [3, 3, 3]


def test_drift_cancels_in_ratios():
    # The machine slows down to a quarter; in every repeat the second takes twice as long for a unit of work.
    fast, slow = timing("fast", [1.0, 2.0, 4.0]), timing("slow", [4.0, 8.0, 16.0], work=2)
    assert slow.ratio_to(fast) == 2
    assert fast.ratio_to(slow) == 0.5


def test_rates_are_those_of_the_median():
    measured = timing("a", [2.0, 1.0, 10.0], work=6, flops=12e9)
    assert (measured.median_s, measured.spread_s, measured.rate, measured.flops_per_s) == (2.0, 9.0, 3.0, 6e9)


def test_the_first_run_is_told_apart():
    runs = iter([0.05, 0.0, 0.0, 0.0])

    def slow_at_first() -> None:
        torch.tensor(0.0)
        import time

        time.sleep(next(runs))

    measured = time_candidates([Candidate("a", slow_at_first)], CPU, repeats=3)[0]
    assert measured.first_s >= 0.05 > max(measured.seconds)


def measure_memory() -> None:
    def big() -> torch.Tensor:
        return torch.ones(2**26)  # 256 MiB

    small, large = time_candidates([Candidate("small", lambda: None), Candidate("large", big)], CPU, repeats=1)
    if large.peak_bytes - small.peak_bytes < 200 * 2**20:
        raise ValueError(f"{small.peak_bytes} and {large.peak_bytes}")


def test_memory_is_that_of_the_repeats_of_this_candidate():
    with OwnProcess(make_measurement, CPU) as process:  # other tests may have left holes to fill
        process()


def make_measurement() -> Callable[[], None]:
    return measure_memory


def test_memory_of_another_process_is_asked_for_there():
    candidate = Candidate("elsewhere", lambda: None, peak_bytes=lambda: 123)
    assert time_candidates([candidate], CPU, repeats=2)[0].peak_bytes == 123


@pytest.mark.parametrize("values", [{"repeats": 0}, {"warmup": 0}, {"candidates": []}])
def test_nothing_to_time_is_refused(values: dict):
    arguments = {"candidates": [Candidate("a", lambda: None)], "repeats": 1, "warmup": 1} | values
    with pytest.raises(ValueError, match="at least 1 of each"):
        time_candidates(device=CPU, **arguments)


def test_what_is_too_large_is_left_out_where_asked_for():
    def too_large() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    candidates = [Candidate("large", too_large), Candidate("small", lambda: None)]
    timings = time_candidates(candidates, torch.device("cpu"), repeats=2, leave_out_too_large=True)
    assert [(timing.candidate.name, len(timing.seconds)) for timing in timings] == [("small", 2)]
    with pytest.raises(torch.OutOfMemoryError):
        time_candidates(candidates, torch.device("cpu"))


def test_every_run_is_told_of_and_those_left_out_are_not_expected():
    def too_large():
        raise torch.OutOfMemoryError

    told = []
    candidates = [Candidate("a", lambda: None), Candidate("large", too_large), Candidate("b", lambda: None)]
    time_candidates(candidates, CPU, 2, 1, leave_out_too_large=True, progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 9), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
