"""How an inspection measures."""

from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Settings:
    """How metrics are taken.

    Attributes:
        precision_recall_k: Neighbours for precision and recall.
        density_coverage_k: Neighbours for density and coverage.
        vendi_q: Order of the Vendi score.
        kid_subsets: Subsets of KID.
        kid_subset_size: Images of each kind in a subset; as many as there are, where these are fewer.
        pairs: How many of the closest pairs to name.
        seed: Of KID's subsets and of what stands for a limited reference.
    """

    precision_recall_k: int = 3
    density_coverage_k: int = 5
    vendi_q: float = 1.0
    kid_subsets: int = 100
    kid_subset_size: int = 1000
    pairs: int = 20
    seed: int = 0

    def describe(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"vendi_q": str(self.vendi_q) if self.vendi_q == torch.inf else self.vendi_q}
