"""The learning rate by epoch, as a factor on its initial value."""

import math
from collections.abc import Sequence
from typing import Literal

from hieramp_lit.students.protocols.rules import whole_epochs

Schedule = Literal["half_cosine", "cosine", "step", "constant"]


def schedule_factor(
    schedule: Schedule, epoch: int, epochs: int, milestones: Sequence[float] = (), gamma: float = 1.0
) -> float:
    """Factor on the learning rate during an epoch.

    Args:
        schedule: ``half_cosine`` is RDED's ``½(1 + cos(π·e / E / 2))``, which ends at ½; ``cosine`` is
            ``½(1 + cos(π·e / E))``, which ends near 0; ``step`` is `gamma` to the number of milestones passed;
            ``constant`` is 1.
        epoch: Epoch e, ``0 <= epoch``.
        epochs: Epochs of the whole training E, positive.
        milestones: Shares of training; a milestone is passed from epoch ``⌊share · E⌋`` on. Read by ``step`` only.
        gamma: Factor of each milestone. Read by ``step`` only.

    Raises:
        ValueError: For an unknown schedule.
    """
    if schedule == "half_cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / epochs / 2))
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    if schedule == "step":
        return math.prod(gamma for share in milestones if epoch >= whole_epochs(share, epochs))
    if schedule == "constant":
        return 1.0
    raise ValueError(f"model.protocol.schedule={schedule!r}: choose half_cosine, cosine, step or constant.")
