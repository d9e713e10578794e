"""Images that cannot be read and are met in training or evaluation: who they are, and saying so."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from hieramp_lit.data.images.reading import UnreadableImageError

Batch = TypeVar("Batch")
Key = TypeVar("Key", contravariant=True)
MOST_NAMED = 20
REMEDY = "Remove or repair the files, or set `data.unreadable: skip` to do without them."


class Fault(NamedTuple):
    """An image that could not be read.

    Attributes:
        name: File, or shard and key.
        reason: Why not; it names the image too.
    """

    name: str
    reason: str


class Loaded(NamedTuple, Generic[Batch]):
    """A batch and what went wrong while it was loaded, maybe in another process.

    Attributes:
        batch: The batch; None if nothing of it is left.
        faults: Images that could not be read.
    """

    batch: Batch | None
    faults: Sequence[Fault]

    def filled(self) -> Batch:
        """The batch, where samples replace what cannot be read.

        Raises:
            RuntimeError: If nothing of it is left.
        """
        if self.batch is None:
            raise RuntimeError("Samples for training left out a whole batch; they must replace what cannot be read.")
        return self.batch

    def whole(self) -> Batch:
        """The batch, for those who cannot tell of faults.

        Raises:
            UnreadableImageError: If anything of it could not be read.
        """
        if self.batch is None or self.faults:
            raise UnreadableImageError(f"Cannot read an image: {self.faults[0].reason}. {REMEDY}")
        return self.batch


@runtime_checkable
class Reporting(Protocol[Key, Batch]):
    """Samples that can tell which of them could not be read."""

    def load(self, keys: Sequence[Key]) -> Loaded[Batch]:
        """The batch of these samples, and what is not in it."""


class FaultLog:
    """The unreadable images that one loader has met, until it says so.

    Every process warns about its own: a loader must not wait for those of other processes, which may have one batch
    less. Worker processes hand their faults over with their batches, see `Loaded`.

    Args:
        remedy: What became of them, for the message.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, remedy: str, rank: int = 0, world_size: int = 1) -> None:
        self._remedy = remedy
        self._where = f" on rank {rank} of {world_size}" if world_size > 1 else ""
        self._reasons: dict[str, str] = {}

    def add(self, faults: Iterable[Fault]) -> None:
        """Remember these."""
        self._reasons.update((fault.name, fault.reason) for fault in faults)

    def report(self, when: str) -> None:
        """Warn with number and names, if there were any, and forget them.

        Args:
            when: The pass, e.g. ``epoch 3``.
        """
        if not self._reasons:
            return
        reasons, self._reasons = sorted(self._reasons.values()), {}
        warnings.warn(
            f"data.unreadable=skip: {len(reasons)} images met in {when}{self._where} cannot be read. {self._remedy}\n"
            f"{named(reasons)}",
            stacklevel=2,
        )


def named(lines: Sequence[object]) -> str:
    """One line each, the first ones only."""
    more = [f"… and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    return "\n".join(f"  {line}" for line in [*lines[:MOST_NAMED], *more])
