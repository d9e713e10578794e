"""How much memory the host has left."""

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """What processes may still take: what the system has, and a container's limit (cgroup v2) leaves.

    Pages of files that the kernel would give up count as available.

    Args:
        meminfo: The system's account of its memory.
        cgroup: Folder of the container's account.

    Returns:
        Bytes, or None where the system does not tell.
    """
    if not meminfo.is_file():
        return None
    available = _fields(meminfo)["MemAvailable:"] * 1024
    limit, used, parts = (cgroup / f"memory.{name}" for name in ("max", "current", "stat"))
    if limit.is_file() and used.is_file() and parts.is_file() and limit.read_text().strip() != "max":
        held = int(used.read_text()) - _fields(parts).get("inactive_file", 0)
        available = min(available, max(int(limit.read_text()) - held, 0))
    return available


def _fields(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1}
