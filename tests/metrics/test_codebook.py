import math

import pytest
import torch

from hieramp_lit.metrics.codebook import CodebookUsage
from hieramp_lit.var import Scales

SCALES = Scales((1, 2, 3))


def test_one_code_everywhere_and_all_codes_equally():
    usage = CodebookUsage(SCALES, 9)
    tokens_BL = torch.full((9, SCALES.total), 4)
    tokens_BL[:, SCALES.slices[2]] = torch.arange(9)  # each image has each of the nine codes at the finest scale
    usage.update(tokens_BL)
    found = usage.compute()
    assert found.used.tolist() == [1, 1, 9]
    assert found.coverage.tolist() == pytest.approx([1 / 9, 1 / 9, 1])
    assert found.entropy.tolist() == pytest.approx([0, 0, math.log(9)])
    assert found.perplexity.tolist() == pytest.approx([1, 1, 9])


def test_unequal_frequencies_have_the_entropy_of_their_distribution():
    usage = CodebookUsage(Scales((1,)), 5)
    usage.update(torch.tensor([[0]] * 6 + [[3]] * 2))
    assert usage.compute().entropy.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_counts_add_up_over_batches_and_are_those_of_bincount():
    tokens_BL = torch.randint(0, 7, (12, SCALES.total))
    whole, pieces = CodebookUsage(SCALES, 7), CodebookUsage(SCALES, 7)
    whole.update(tokens_BL)
    for piece in tokens_BL.split(5):
        pieces.update(piece)
    assert torch.equal(whole.histogram, pieces.histogram)
    for k, place in enumerate(SCALES.slices):
        assert torch.equal(whole.histogram[k], torch.bincount(tokens_BL[:, place].flatten(), minlength=7))


def test_another_ranks_counts_are_added():
    # torchmetrics gathers each state from all ranks and reduces it; here a second rank counted the same
    usage = CodebookUsage(SCALES, 7)
    usage.update(torch.randint(0, 7, (12, SCALES.total)))
    alone = usage.histogram.clone()
    usage.sync(dist_sync_fn=lambda state, group: [state, state], distributed_available=lambda: True)
    assert torch.equal(usage.histogram, 2 * alone)


def test_one_scale_has_values_of_one_scale():
    usage = CodebookUsage(Scales((2,)), 4)
    usage.update(torch.tensor([[0, 1, 1, 1]]))
    found = usage.statistics()
    assert [len(value) for value in found] == [1] * len(found)
    assert found.top_mass.tolist() == [0.75]
