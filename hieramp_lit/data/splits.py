"""Splitting a data set so that every class keeps its share."""

from collections.abc import Sequence

import torch

from hieramp_lit.seeds import stream


def stratified_split(labels: Sequence[int], held_out: int, *parts: int | str) -> tuple[list[int], list[int]]:
    """Hold out a fixed number of samples, from each class in proportion to its size.

    Fractions of samples go to the classes with the largest remainders, the lower label first on a tie.

    Args:
        labels: Label of every sample.
        held_out: Number of samples to hold out, from 0 to all of them.
        *parts: Names of the random stream that chooses within a class, see `stable_seed`.

    Returns:
        Indices of the samples that stay and of those held out, each ascending.

    Raises:
        ValueError: If `held_out` is out of range.
    """
    total = len(labels)
    if not 0 <= held_out <= total:
        raise ValueError(f"Cannot hold out {held_out} of {total} samples: expected 0 to {total}.")
    members: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    share = {label: divmod(len(own) * held_out, total) for label, own in sorted(members.items())}
    rest = held_out - sum(whole for whole, _ in share.values())
    favoured = sorted(share, key=lambda label: (-share[label][1], label))[:rest]
    out: set[int] = set()
    for label, own in members.items():
        count = share[label][0] + (label in favoured)
        order = torch.randperm(len(own), generator=stream(*parts, label)).tolist()
        out.update(own[i] for i in order[:count])
    return [i for i in range(total) if i not in out], sorted(out)
