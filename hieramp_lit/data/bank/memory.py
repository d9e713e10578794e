"""Where a bank lies: on the training device if there is room, else in host memory, else nowhere."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from lightning.pytorch.utilities import rank_zero_info

from hieramp_lit.data.bank.host_memory import available_bytes

GIB = 2**30
MIB = 2**20
CPU = torch.device("cpu")


class HostLimit(NamedTuple):
    """Most host memory for a bank.

    Attributes:
        bytes: How much.
        text: The same for a message, with its reason.
    """

    bytes: int
    text: str


@dataclass(frozen=True)
class BankMemory:
    """How much memory images may take on one device and beside it.

    Args:
        device_gib: Most device memory of one bank, in GiB. None: half of what is free when the bank is made.
        host_gib: Most host memory of one bank, in GiB; half of what the host has left, where that is less.

    Raises:
        ValueError: If a limit is negative.
    """

    device_gib: float | None = None
    host_gib: float = 16.0

    def __post_init__(self) -> None:
        """Check the limits."""
        for key, value in (("max_device_gib", self.device_gib), ("max_host_gib", self.host_gib)):
            if value is not None and value < 0:
                raise ValueError(f"data.{key}={value}: give 0 (none) or more GiB.")

    def host_limit(self) -> "HostLimit":
        """Most host memory that a bank may take now."""
        available = available_bytes()
        if available is not None and available // 2 < self.host_gib * GIB:
            return HostLimit(
                available // 2,
                f"{available / 2 / GIB:.1f} GiB of memory, half of what the host has left "
                f"(data.max_host_gib={self.host_gib} is more)",
            )
        return HostLimit(int(self.host_gib * GIB), f"{self.host_gib} GiB of memory (data.max_host_gib)")

    def place(self, what: str, size: int, device: torch.device, host_bytes: int | None = None) -> torch.device | None:
        """Choose where a bank lies, and say so.

        Args:
            what: Name of the images, for the message.
            size: Bytes of the bank.
            device: The training device.
            host_bytes: Most host memory; None asks for what may be taken now.

        Returns:
            `device`, the CPU, or None if there is room on neither.
        """
        most = self.host_limit().bytes if host_bytes is None else host_bytes
        takes = f"{what} take {size / MIB:,.1f} MiB of memory"
        beyond = ""
        if device.type != "cpu":
            room = self._room_on(device, most)
            if size <= room:
                rank_zero_info(f"{takes} on {device}.")
                return device
            beyond = f", more than the {room / MIB:,.1f} MiB for them on {device} (data.max_device_gib)"
        if size <= most:
            rank_zero_info(f"{takes}{beyond}" + (": they lie in host memory." if beyond else "."))
            return CPU
        return None

    @staticmethod
    def pinned(where: torch.device, device: torch.device) -> bool:
        """Whether a bank that lies at `where` must be pinned, for the training device to read it by itself."""
        return where.type == "cpu" and device.type == "cuda"

    def _room_on(self, device: torch.device, host_bytes: int) -> int:
        if self.device_gib is not None:
            return int(self.device_gib * GIB)
        return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else host_bytes
