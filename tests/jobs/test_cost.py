"""Each process reports what it took, and reports of several are joined."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hieramp_lit.jobs import COST_VARIABLE, Cost, read_cost, report_cost

MIB = 2**20


def report(folder: Path, name: str, memory: int, *gpus: tuple[int, str, int], host: str = "a") -> None:
    described = [{"index": index, "name": gpu, "peak_memory_bytes": peak} for index, gpu, peak in gpus]
    content = {"host": host, "peak_memory_bytes": memory, "gpus": described, "cpu": "cpu (x)"}
    folder.joinpath(f"{name}.json").write_text(json.dumps(content))


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    report_cost({})
    assert list(tmp_path.iterdir()) == []


def test_the_peak_is_that_of_the_command_and_not_of_who_started_it(tmp_path: Path) -> None:
    """The system's own account for a parent begins with the parent's memory."""
    large = bytearray(os.urandom(MIB)) * 300
    words = [sys.executable, "-m", "hieramp_lit", "--version"]
    subprocess.run(words, env=os.environ | {COST_VARIABLE: str(tmp_path)}, check=True, stdout=subprocess.DEVNULL)
    cost = read_cost(tmp_path)
    assert cost.peak_memory_bytes is not None
    assert 5 * MIB < cost.peak_memory_bytes < len(large)
    assert (cost.device, cost.devices) == (f"cpu ({platform.machine()})", 1)
    assert cost.peak_device_memory_bytes is None


def test_gpus_are_those_that_hold_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "is_initialized": lambda: True,
        "device_count": lambda: 3,
        "max_memory_allocated": lambda index: [0, 9 * MIB, 7 * MIB][index],
        "get_device_name": lambda index: "GPU",
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    report_cost({COST_VARIABLE: str(tmp_path)})
    cost = read_cost(tmp_path)
    assert (cost.device, cost.devices, cost.peak_device_memory_bytes) == ("GPU", 2, 9 * MIB)


def test_ranks_are_joined_by_the_highest_peaks_and_count_their_devices(tmp_path: Path) -> None:
    report(tmp_path, "rank0", 5, (0, "GPU", 70))
    report(tmp_path, "rank1", 7, (1, "GPU", 60))
    report(tmp_path, "watcher", 1)
    assert read_cost(tmp_path) == Cost(7, "GPU", 2, 70)
    report(tmp_path, "same_device", 2, (1, "GPU", 80))
    assert read_cost(tmp_path) == Cost(7, "GPU", 2, 80)
    report(tmp_path, "other_host", 2, (1, "Other GPU", 3), host="b")
    assert read_cost(tmp_path) == Cost(7, "GPU, Other GPU", 3, 80)


def test_what_nobody_reported_is_unknown(tmp_path: Path) -> None:
    assert read_cost(tmp_path) == Cost() == Cost.of(None) == Cost.of({})


@pytest.mark.parametrize(
    ("earlier", "later", "both"),
    [
        (Cost(), Cost(3, "cpu", 1), Cost(3, "cpu", 1)),
        (Cost(5, "GPU", 4, 9), Cost(), Cost(5, "GPU", 4, 9)),
        (Cost(5, "GPU", 4, 9), Cost(7, "GPU", 2, 8), Cost(7, "GPU", 2, 9)),
    ],
)
def test_attempts_are_joined(earlier: Cost, later: Cost, both: Cost) -> None:
    assert earlier.joined(later) == both
    assert Cost.of(both.plain()) == both
