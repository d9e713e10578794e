"""Features to measure, the same in every process."""

import torch

from hieramp_lit.seeds import stream


def normal(name: str, n: int, d: int) -> torch.Tensor:
    return torch.randn(n, d, generator=stream("feature-sets", name))


def pairwise(one, other):
    """Distances in float64, one difference at a time."""
    return (one.double()[:, None] - other.double()[None]).square().sum(dim=-1).sqrt()
