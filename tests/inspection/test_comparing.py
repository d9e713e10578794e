"""What the metrics of one network share, and that they are there only where there is something to compare with."""

import pytest
import torch
from torchmetrics import Metric

from hieramp_lit.inspection import Settings
from hieramp_lit.inspection.beside_real import count_distances
from hieramp_lit.inspection.comparing import Comparison
from hieramp_lit.inspection.findings import Findings
from hieramp_lit.inspection.networks import FeatureNetwork


class Mean(torch.nn.Module):
    def forward(self, image):
        return image.float().mean(dim=(2, 3))


def compared(real, batches=1, **counted):
    """A comparison that saw images of two classes, eight of the set and, if asked, as many real ones."""
    network = FeatureNetwork("mean", Mean(), 3, None, "0" * 64, no_answers="none")
    comparison = Comparison(network, 2, 8, real, Settings(), torch.device("cpu"), **counted)
    images = torch.randint(1, 256, (8, 3, 4, 4), dtype=torch.uint8)
    for kind in (False, True) if real else (False,):
        for place in torch.arange(8).chunk(batches):
            comparison.update(images[place], place % 2, place, kind)
    return comparison


def states(holder):
    """All tensors that the metrics below an object hold."""
    metrics = [value for value in vars(holder).values() if isinstance(value, Metric)]
    inner = [states(value) for name, value in vars(holder).items() if name == "_beside" and value is not None]
    held = [state for metric in metrics for state in metric.metric_state.values()]
    own = [rows for state in held for rows in (state if isinstance(state, list) else [state])]
    return own + [rows for some in inner for rows in some]


def features(comparison):
    return [rows for rows in states(comparison) if rows.dtype == torch.float32 and rows.shape[1:] == (3,)]


def test_features_are_kept_once_whichever_metrics_share_them():
    kept = features(compared(real=8))
    assert len(kept) == 2 * 4 + 1  # PRDC twice, nearest, KID: of both kinds; Vendi: of the set alone
    assert len({rows.data_ptr() for rows in kept}) == 2


def test_metrics_that_compare_measure_one_piece_of_all_features():
    comparison = compared(real=8, batches=3)
    comparison.measure(Findings(), str, str)
    pieces = {rows.data_ptr() for rows in features(comparison) if len(rows) == 8}
    assert len(pieces) == 2
    metrics = vars(comparison)["_beside"]
    for metric, name in ((metrics._prdc, "real"), (metrics._near, "real_features"), (metrics._kid, "real_features")):
        assert metric.rows(name).data_ptr() in pieces  # no copy when they are measured


def test_without_a_reference_nothing_that_compares_takes_memory():
    assert any(state.shape == (3, 3) for state in states(compared(real=8)))  # FID's sums of products, D x D
    alone = compared(real=0)
    assert not any(state.shape == (3, 3) for state in states(alone))
    assert len(features(alone)) == 1
    found = Findings()
    assert alone.measure(found, str, str) == []
    assert "give --reference" in found.not_measured["fid@mean"]


def test_distances_are_counted_by_hand():
    # overlap 9 + 4 + 6; of class 0: 4 + 1 + 2, of class 1: 1 + 1 + 1; nearest: 2 and 3 times 3
    assert count_distances(torch.tensor([0, 1]), torch.tensor([0, 0, 1])) == 19 + 10 + 15
    many = torch.zeros(20_000, dtype=torch.int64)
    one = torch.zeros(1, dtype=torch.int64)
    assert count_distances(one, many) == 2 * (20_000**2 + 1 + 20_000) + 10_001 * 20_000


def test_all_distances_and_subsets_are_told_of():
    distances, subsets = [], []
    comparison = compared(real=16, distances=distances.append, subsets=subsets.append)
    comparison.update(torch.zeros(8, 3, 4, 4, dtype=torch.uint8), torch.arange(8) % 2, torch.arange(8, 16), True)
    comparison.measure(Findings(), str, str)
    # in classes of 4 and 8 images there are enough for 3 and 5 neighbours, so none is left out
    assert sum(distances) == count_distances(torch.arange(8) % 2, torch.arange(16) % 2)
    assert subsets == [0] + 100 * [1]


def test_one_piece_must_be_the_same_rows():
    metric = vars(compared(real=8))["_beside"]._prdc
    with pytest.raises(ValueError, match="3 rows for real, which has 8"):
        metric.replace_rows("real", torch.zeros(3, 3))
