import math

import numpy as np
import pytest
import torch

from hieramp_lit.metrics.class_tokens import ClassTokenUsage
from hieramp_lit.metrics.codebook import CodebookUsage
from hieramp_lit.seeds import stream
from hieramp_lit.var import Scales

SCALES = Scales((1, 2, 2, 3))  # no stage, coarse, mid, fine


def measure(tokens_BL, label_B, vocab_size, num_classes, scales=SCALES):
    usage = ClassTokenUsage(scales, vocab_size, num_classes)
    usage.update(tokens_BL, label_B)
    return usage.compute()


def entropy(tokens):
    """HIERAMP, Eq. 11 and 12, with numpy."""
    n = np.unique(np.asarray(tokens), return_counts=True)[1]
    p = n / n.sum()
    return float(-(p * np.log(p)).sum())


def test_the_whole_set_is_what_codebook_usage_counts():
    tokens_BL = torch.randint(0, 7, (12, SCALES.total), generator=stream("tokens"))
    usage = CodebookUsage(SCALES, 7)
    usage.update(tokens_BL)
    found = measure(tokens_BL, torch.arange(12) % 3, 7, 3)
    assert all(torch.equal(one, other) for one, other in zip(found.scales, usage.compute(), strict=True))


def test_classes_have_the_entropy_and_coverage_of_their_own_tokens():
    tokens_BL = torch.randint(0, 11, (13, SCALES.total), generator=stream("tokens")).square() % 11
    label_B = torch.tensor([0] * 2 + [2] * 5 + [3] * 6)
    usage = ClassTokenUsage(SCALES, 11, 4)
    for part in torch.arange(13).flip(0).split(4):
        usage.update(tokens_BL[part], label_B[part])
    found = usage.compute()
    assert found.images.tolist() == [2, 0, 5, 6]
    for cls in (0, 2, 3):
        for scale, place in enumerate(SCALES.slices):
            own = tokens_BL[label_B == cls][:, place]
            assert found.class_entropy[cls, scale] == pytest.approx(entropy(own))
            assert found.class_coverage[cls, scale] == pytest.approx(len(own.unique()) / 11)
    assert found.class_entropy[1].isnan().all()
    assert found.class_coverage[1].isnan().all()


def test_by_hand():
    # two images; the coarse scale has codes 0 0 0 0 and 0 0 1 1, the mid scale 5 everywhere, the fine one nine codes
    tokens_BL = torch.tensor([[3, 0, 0, 0, 0, 5, 5, 5, 5, *range(9)], [3, 0, 0, 1, 1, 5, 5, 5, 5, *range(9)]])
    found = measure(tokens_BL, torch.tensor([0, 1]), 10, 2)
    coarse = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found.scales.entropy.tolist() == pytest.approx([0, coarse, 0, math.log(9)])
    assert found.stages.entropy.tolist() == pytest.approx([coarse, 0, math.log(9)])
    assert found.scales.coverage.tolist() == pytest.approx([0.1, 0.2, 0.1, 0.9])
    assert found.scales.top_mass.tolist() == pytest.approx([1, 0.75, 1, 1 / 9])  # one code of ten
    assert found.class_entropy[:, 1].tolist() == pytest.approx([0, math.log(2)])
    counts = torch.tensor([6 + 2, 2 + 2, 2, 2 + 2, 2, 8 + 2, 2, 2, 2]).double() / 36  # of codes 0 to 8, at all scales
    assert found.codebook.entropy.item() == pytest.approx(-(counts * counts.log()).sum().item())


def test_a_stage_adds_the_counts_of_its_scales_up():
    scales = Scales((1, 1, 2, 2, 2))  # K − 1 = 4: two coarse scales of 1 and 4 tokens
    found = measure(torch.tensor([[9, 0, 1, 1, 1, 1, *[2] * 8]]), torch.tensor([0]), 10, 1, scales)
    assert found.stages.entropy[0] == pytest.approx(-(0.2 * math.log(0.2) + 0.8 * math.log(0.8)))
    assert found.scales.entropy[1:3].tolist() == [0, 0]


def test_of_one_percent_of_the_codes():
    tokens_BL = torch.tensor([[0]] * 50 + [[1]] * 30 + [[2]] * 15 + [[3]] * 5)
    scales = Scales((1,))
    label_B = torch.zeros(100, dtype=torch.int64)
    for vocab_size, expected in ((100, 0.5), (101, 0.8), (300, 0.95)):
        found = measure(tokens_BL, label_B, vocab_size, 1, scales)
        assert found.scales.top_mass.item() == pytest.approx(expected)


def test_what_cannot_be_counted_is_refused():
    usage = ClassTokenUsage(SCALES, 10, 2)
    tokens_BL, label_B = torch.zeros(2, SCALES.total, dtype=torch.int64), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"Tokens from 0 to 10 received, the codebook has 10 codes"):
        usage.update(tokens_BL.index_fill(1, torch.tensor([4]), 10), label_B)
    with pytest.raises(ValueError, match=r"\(images, 18\) and int64 expected: the maps of Scales"):
        usage.update(tokens_BL[:, 1:], label_B)
    with pytest.raises(ValueError, match="there are 2 classes"):
        usage.update(tokens_BL, label_B + 1)
    with pytest.raises(ValueError, match="There are no tokens"):
        usage.compute()
    with pytest.raises(ValueError, match="vocab_size=0"):
        ClassTokenUsage(SCALES, 0, 2)


def test_counts_made_under_inference_mode_can_be_added_to():
    with torch.inference_mode():
        usage = ClassTokenUsage(SCALES, 10, 1)
        usage.update(torch.zeros(1, SCALES.total, dtype=torch.int64), torch.tensor([0]))
    usage.update(torch.ones(1, SCALES.total, dtype=torch.int64), torch.tensor([0]))
    assert usage.compute().scales.entropy.tolist() == pytest.approx([math.log(2)] * 4)
