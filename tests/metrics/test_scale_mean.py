import pytest
import torch

from hieramp_lit.metrics.scale_mean import ScaleMean


def test_means_are_those_of_each_scales_positions():
    value_BP = torch.rand(5, 1 + 4 + 9)
    metric = ScaleMean([1, 4, 9])
    metric.update(value_BP)
    named = metric.summary("val/loss", last=True)
    assert list(named) == ["val/loss", "val/loss/00", "val/loss/01", "val/loss/02", "val/loss/last"]
    expected = [value_BP, value_BP[:, :1], value_BP[:, 1:5], value_BP[:, 5:], value_BP[:, 5:]]
    torch.testing.assert_close(list(named.values()), [values.mean() for values in expected])


def test_batches_of_unequal_size_weigh_by_their_samples():
    hits_BP = torch.rand(7, 5) < 0.3
    whole, pieces = ScaleMean([1, 4]), ScaleMean([1, 4])
    whole.update(hits_BP)
    for piece in hits_BP.split([1, 4, 2]):
        pieces.update(piece)
    assert torch.equal(whole.compute(), pieces.compute())


def test_ranks_are_added_up_and_not_averaged():
    metric = ScaleMean([1, 1])
    metric.update(torch.tensor([[1.0, 2.0]]))
    other = {"sums": torch.tensor([6.0, 0.0], dtype=torch.float64), "count": torch.tensor(3)}

    def gather(state, group):
        return [state, other["count"] if state.ndim == 0 else other["sums"]]

    metric.sync(dist_sync_fn=gather, distributed_available=lambda: True)
    assert (metric.sums / metric.count).tolist() == pytest.approx([7 / 4, 2 / 4])


def test_reset_starts_afresh():
    metric = ScaleMean([1])
    metric.update(torch.ones(3, 1))
    metric.reset()
    metric.update(torch.zeros(1, 1))
    assert metric.compute().item() == 0
