import pytest
import torch

from hieramp_lit.data.bank.warp import Warp
from hieramp_lit.data.loading import SampleKey

KEYS = [SampleKey(0, 0), SampleKey(0, 1), SampleKey(1, 0)]


def blob(height=33, width=33, top=10, left=20):
    """A soft bright spot; its centre of mass tells where it went."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    spot = 255 * torch.exp(-((y - top) ** 2 + (x - left) ** 2) / 8)
    return spot.round().to(torch.uint8).expand(1, 3, -1, -1)


def centre(image):
    weight = image[0, 0].double()
    y, x = torch.meshgrid(torch.arange(weight.shape[0]), torch.arange(weight.shape[1]), indexing="ij")
    return torch.stack([(weight * y).sum(), (weight * x).sum()]) / weight.sum()


def test_zero_ranges_are_the_identity():
    image = torch.randint(0, 256, (3, 3, 8, 11), dtype=torch.uint8)
    assert torch.equal(Warp(rotate=0, shift=0, zoom=(1, 1))(image, KEYS, 0), image)


def test_draws_belong_to_the_key_and_not_to_the_batch():
    image = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    together = Warp()(image, KEYS, 7)
    alone = torch.cat([Warp()(image[i : i + 1], KEYS[i : i + 1], 7) for i in (2, 0, 1)])
    assert torch.equal(together[[2, 0, 1]], alone)
    same_image = Warp()(image[:1].expand(3, -1, -1, -1), KEYS, 7)
    assert not torch.equal(same_image[0], same_image[1])
    assert not torch.equal(same_image[0], same_image[2])
    assert not torch.equal(together, Warp()(image, KEYS, 8))


@pytest.mark.parametrize(("height", "width"), [(33, 33), (33, 49)])
def test_moves_stay_within_the_ranges(height, width):
    image = blob(height, width)
    middle = torch.tensor([(height - 1) / 2, (width - 1) / 2])
    arm = centre(image) - middle
    lengths, angles, moves = [], [], []
    for sample in range(40):
        key = [SampleKey(0, sample)]
        zoomed = centre(Warp(rotate=0, shift=0, zoom=(0.8, 1.2))(image, key, 0)) - middle
        turned = centre(Warp(rotate=30, shift=0, zoom=(1, 1))(image, key, 0)) - middle
        shifted = centre(Warp(rotate=0, shift=3, zoom=(1, 1))(image, key, 0)) - middle
        lengths.append(zoomed.norm() / arm.norm())
        cross = arm[0] * turned[1] - arm[1] * turned[0]
        angles.append(torch.rad2deg(torch.atan2(cross, arm @ turned)))
        assert turned.norm() == pytest.approx(arm.norm().item(), abs=0.3)
        moves.append(shifted - arm)
    for values, least, most in [
        (torch.stack(lengths), 0.8, 1.2),
        (torch.stack(angles), -30, 30),
        (torch.stack(moves).flatten(), -3, 3),
    ]:
        margin = 0.05 * (most - least)
        assert least - margin < values.min() < least + 4 * margin
        assert most - 4 * margin < values.max() < most + margin


@pytest.mark.parametrize("wrong", [{"rotate": -1}, {"shift": -1}, {"zoom": (1.1, 0.9)}, {"zoom": (0, 1)}])
def test_impossible_ranges_name_the_key(wrong):
    with pytest.raises(ValueError, match=r"data\.augmentation"):
        Warp(**wrong)
