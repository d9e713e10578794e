"""Fair timing: candidates take turns in one process, so that a machine that slows down slows all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Candidate:
    """One thing to time.

    Attributes:
        name: Row of the table.
        run: Does the work once; its result is dropped.
        work: Units of work in one run, e.g. images.
        flops: Floating-point operations of one run (a multiplication and an addition are two); None is unknown.
        peak_bytes: Tells the highest memory of the last run, where it was not in this process.
    """

    name: str
    run: Callable[[], object]
    work: int = 1
    flops: float | None = None
    peak_bytes: Callable[[], int | None] | None = None


@dataclass
class Timing:
    """What was measured of one candidate.

    Attributes:
        candidate: What was timed.
        first_s: Seconds of the first warm-up run: compilation, graph capture, first touch of memory.
        seconds: One number per repeat.
        peak_bytes: Highest memory during the repeats: allocator on CUDA, resident process on the CPU; None where the
            system does not tell.
    """

    candidate: Candidate
    first_s: float = 0.0
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None

    @property
    def median_s(self) -> float:
        """Median seconds of a run."""
        return statistics.median(self.seconds)

    @property
    def spread_s(self) -> float:
        """Slowest minus fastest run."""
        return max(self.seconds) - min(self.seconds)

    @property
    def rate(self) -> float:
        """Units of work per second, at the median."""
        return self.candidate.work / self.median_s

    @property
    def flops_per_s(self) -> float | None:
        """Floating-point operations per second, at the median."""
        return None if self.candidate.flops is None else self.candidate.flops / self.median_s

    def ratio_to(self, other: "Timing") -> float:
        """How many times as long as `other` one unit of work takes: the median over the repeats of each one's ratio.

        Both ran side by side in every repeat, so what slows the machine for a while cancels.
        """
        ours = [seconds / self.candidate.work for seconds in self.seconds]
        theirs = [seconds / other.candidate.work for seconds in other.seconds]
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.candidate.name,
            "work": self.candidate.work,
            "first_s": self.first_s,
            "seconds": self.seconds,
            "median_s": self.median_s,
            "spread_s": self.spread_s,
            "rate": self.rate,
            "peak_bytes": self.peak_bytes,
            "flops": self.candidate.flops,
            "flops_per_s": self.flops_per_s,
        }


def time_candidates(
    candidates: Sequence[Candidate],
    device: torch.device,
    repeats: int = 5,
    warmup: int = 1,
    leave_out_too_large: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Time candidates in turns: every repeat runs each of them once, each time starting with another one.

    Args:
        candidates: What to time, in the order of the table.
        device: Where the work runs; a CUDA device is waited for before the clock is read.
        repeats: Timed runs of each, at least 1.
        warmup: Runs of each before that, at least 1: the first one is reported as `Timing.first_s`.
        leave_out_too_large: Go on without a candidate that has too little memory in its first runs.
        progress: Called after each run, with the numbers of those that are done and of all.

    Returns:
        One a candidate, but for those left out.

    Raises:
        ValueError: If `repeats` or `warmup` is below 1, or there is nothing to time.
    """
    if repeats < 1 or warmup < 1 or not candidates:
        raise ValueError(f"repeats={repeats}, warmup={warmup}, {len(candidates)} candidates: give at least 1 of each.")
    timings: list[Timing] = []
    each, left_out = warmup + repeats, 0

    def count(done: int) -> None:
        if progress is not None:
            progress(done, each * (len(candidates) - left_out))

    for candidate in candidates:
        before = len(timings) * warmup
        try:
            timing = Timing(candidate)
            timing.first_s = _seconds(candidate, device)
            count(before + 1)
            for run in range(1, warmup):
                _seconds(candidate, device)
                count(before + run + 1)
        except torch.OutOfMemoryError:
            if not leave_out_too_large:
                raise
            left_out += 1
        else:
            timings.append(timing)
    for repeat in range(repeats):
        turn = repeat % len(timings)
        for place, timing in enumerate(timings[turn:] + timings[:turn]):
            reset_peak_memory(device)
            timing.seconds.append(_seconds(timing.candidate, device))
            elsewhere = timing.candidate.peak_bytes
            peak = peak_memory(device) if elsewhere is None else elsewhere()
            timing.peak_bytes = peak if timing.peak_bytes is None or peak is None else max(timing.peak_bytes, peak)
            count(len(timings) * (warmup + repeat) + place + 1)
    return timings


def _seconds(candidate: Candidate, device: torch.device) -> float:
    gc.collect()
    wait_for(device)
    start = time.perf_counter()
    result = candidate.run()
    wait_for(device)
    seconds = time.perf_counter() - start
    del result
    return seconds


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_memory(device: torch.device) -> None:
    """Start the high-water mark of memory anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        try:
            _CLEAR_REFS.write_text("5")  # Linux: start the high-water mark of resident memory anew
        except OSError:
            return  # not allowed in this container: the mark is then that of the whole process


def peak_memory(device: torch.device) -> int | None:
    """Highest memory since the mark was reset, in bytes: allocator on CUDA, resident process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not _STATUS.exists():
        return None
    marks = [line.split() for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(marks[0][1]) * 1024 if marks else None
