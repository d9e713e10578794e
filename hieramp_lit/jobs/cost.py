"""What a command took of its machine: each of its processes says so at its end, when it is asked to."""

import os
import platform
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from hieramp_lit.files import read_json, write_json

COST_VARIABLE = "HIERAMP_COST"
"""Environment variable that names the folder for the processes' reports; without it none is written."""

_STATUS = Path("/proc/self/status")
_KIB = 1024


@dataclass(frozen=True)
class Cost:
    """What a command took; None where it is not known.

    Attributes:
        peak_memory_bytes: Most host memory that one of its processes held at a time.
        device: Name of its GPUs, else ``cpu`` and the kind of processor.
        devices: How many of them; 1 for the processor.
        peak_device_memory_bytes: Most memory that torch had allocated on one GPU at a time.
    """

    peak_memory_bytes: int | None = None
    device: str | None = None
    devices: int | None = None
    peak_device_memory_bytes: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Self:
        """From plain values; unknown where there are none, as in records of earlier releases."""
        return cls(**values) if values else cls()

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def joined(self, later: "Cost") -> "Cost":
        """Of two attempts at the same: the higher peaks, and the devices of the later one."""
        return Cost(
            _most(self.peak_memory_bytes, later.peak_memory_bytes),
            self.device if later.device is None else later.device,
            self.devices if later.devices is None else later.devices,
            _most(self.peak_device_memory_bytes, later.peak_device_memory_bytes),
        )


def report_cost(environment: Mapping[str, str] = os.environ) -> None:
    """Write what this process took so far, if `COST_VARIABLE` asks for it; several processes write beside each other.

    The system's own account for the parent, ``ru_maxrss``, is of no use there: it begins with the memory of the process
    that started the child, which for us is often the larger one.
    """
    folder = environment.get(COST_VARIABLE)
    if not folder:
        return
    gpus = _gpus()
    report = {
        "host": platform.node(),
        "peak_memory_bytes": max(_own_peak(), _peak_of(resource.RUSAGE_CHILDREN)),
        "gpus": gpus,
        "cpu": f"cpu ({platform.machine()})",
    }
    with suppress(OSError):  # a full disk: the command has done what it was asked for
        write_json(Path(folder) / f"{platform.node()}-{os.getpid()}.json", report)


def read_cost(folder: Path) -> Cost:
    """What the processes of a command have reported together.

    Args:
        folder: What `COST_VARIABLE` named.
    """
    reports = []
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError):
            reports.append(read_json(path))
    if not reports:
        return Cost()
    gpus = {(report["host"], gpu["index"]): gpu for report in reports for gpu in report["gpus"]}
    names = sorted({gpu["name"] for gpu in gpus.values()})
    return Cost(
        max(report["peak_memory_bytes"] for report in reports),
        ", ".join(names) if gpus else reports[0]["cpu"],
        len(gpus) or 1,
        max((gpu["peak_memory_bytes"] for report in reports for gpu in report["gpus"]), default=None),
    )


def _gpus() -> list[dict[str, Any]]:
    """The GPUs on which this process has allocated memory."""
    torch = sys.modules.get("torch")  # a process that has not imported it has used none
    if torch is None or not torch.cuda.is_initialized():
        return []
    peaks = {index: torch.cuda.max_memory_allocated(index) for index in range(torch.cuda.device_count())}
    return [
        {"index": index, "name": torch.cuda.get_device_name(index), "peak_memory_bytes": peak}
        for index, peak in peaks.items()
        if peak
    ]


def _own_peak() -> int:
    """Of this process since its program began."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIB
    return _peak_of(resource.RUSAGE_SELF)


def _peak_of(whose: int) -> int:
    """Of the system's account, which Linux keeps in KiB and macOS in bytes."""
    peak = resource.getrusage(whose).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


def _most(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
