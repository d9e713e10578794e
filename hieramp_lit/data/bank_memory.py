"""Where a bank lies: on the training device if there is room, else in host memory, else nowhere."""

from dataclasses import dataclass

import torch
from lightning.pytorch.utilities import rank_zero_info

GIB = 2**30
MIB = 2**20
CPU = torch.device("cpu")


@dataclass(frozen=True)
class BankMemory:
    """How much memory images may take on one device and beside it.

    Args:
        device_gib: Most device memory of one bank, in GiB. None: half of what is free when the bank is made.
        host_gib: Most host memory of one bank, in GiB.

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

    @property
    def host_bytes(self) -> int:
        """`host_gib` in bytes."""
        return int(self.host_gib * GIB)

    def place(self, what: str, size: int, device: torch.device) -> torch.device | None:
        """Choose where a bank lies, and say so.

        Args:
            what: Name of the images, for the message.
            size: Bytes of the bank.
            device: The training device.

        Returns:
            `device`, the CPU, or None if there is room on neither.
        """
        takes = f"{what} take {size / MIB:,.1f} MiB of memory"
        beyond = ""
        if device.type != "cpu":
            room = self._room_on(device)
            if size <= room:
                rank_zero_info(f"{takes} on {device}.")
                return device
            beyond = f", more than the {room / MIB:,.1f} MiB for them on {device} (data.max_device_gib)"
        if size <= self.host_bytes:
            rank_zero_info(f"{takes}{beyond}" + (": they lie in host memory." if beyond else "."))
            return CPU
        return None

    @staticmethod
    def pinned(where: torch.device, device: torch.device) -> bool:
        """Whether a bank that lies at `where` must be pinned, for the training device to read it by itself."""
        return where.type == "cpu" and device.type == "cuda"

    def _room_on(self, device: torch.device) -> int:
        if self.device_gib is not None:
            return int(self.device_gib * GIB)
        return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else self.host_bytes
