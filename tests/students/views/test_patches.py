import pytest
import torch

from hieramp_lit.seeds import stream
from hieramp_lit.students.views.augment import Augmentation, sample_crops
from hieramp_lit.students.views.patches import shuffled
from hieramp_lit.students.views.resample import resized_crop


def numbered(batch, factor, side):
    """Images whose every patch has its own number, in reading order."""
    number = torch.arange(factor * factor).view(factor, factor)
    patches = number.repeat_interleave(side, 0).repeat_interleave(side, 1)
    return patches.expand(batch, 3, -1, -1).to(torch.uint8).contiguous()


def arrangement(image_CHW, factor):
    """Number of each patch, which must be whole."""
    side = image_CHW.shape[-1] // factor
    patches = image_CHW[0].unfold(0, side, side).unfold(1, side, side).flatten(2)
    assert (patches == patches[..., :1]).all()
    assert (image_CHW == image_CHW[:1]).all()
    return [tuple(row) for row in patches[..., 0].tolist()]


@pytest.mark.parametrize("factor", [2, 3])
def test_patches_are_kept_whole_and_strips_change_places(factor):
    image = numbered(400, factor, 4)
    before = image.clone()
    seen = {tuple(arrangement(one, factor)) for one in shuffled(image, factor, stream("patches"))}
    assert torch.equal(image, before)
    for rows in seen:
        columns = [number % factor for number in rows[0]]
        assert sorted(columns) == list(range(factor))
        assert sorted(number // factor for number, *_ in rows) == list(range(factor))
        assert all([number % factor for number in row] == columns for row in rows)
    orders = {2: 2, 3: 6}[factor]
    assert len(seen) == orders * orders  # every order of columns with every order of rows


def test_all_orders_are_as_likely():
    first = [arrangement(one, 2)[0][0] for one in shuffled(numbered(4000, 2, 1), 2, stream("even"))]
    shares = torch.bincount(torch.tensor(first), minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_one_strip_is_the_image_and_draws_nothing():
    image = torch.randint(0, 256, (5, 3, 12, 12), dtype=torch.uint8)
    assert torch.equal(shuffled(image, 1, stream("one")), image)
    off = Augmentation(shuffle_patches=1)
    draws = stream("crops")
    crops = sample_crops(5, 12, 12, (0.08, 1.0), (3 / 4, 4 / 3), draws)
    flip = torch.rand(5, generator=draws, dtype=torch.float64) < 0.5
    assert torch.equal(off(image, 8, stream("crops")), resized_crop(image, crops, 8, True, flip))


def test_patches_are_shuffled_before_the_crop():
    image = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=stream("noise"))
    draws = stream("both")
    expected = Augmentation(min_scale=0.5)(shuffled(image, 2, draws), 12, draws)
    assert torch.equal(Augmentation(min_scale=0.5, shuffle_patches=2)(image, 12, stream("both")), expected)


def test_switched_off_altogether_nothing_is_shuffled():
    image = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=stream("noise"))
    kept = Augmentation(enabled=False, shuffle_patches=2)(image, 16, stream("off"))
    torch.testing.assert_close(kept, image.float() / 255)


def test_a_factor_that_does_not_divide_the_image_is_refused():
    with pytest.raises(ValueError, match=r"augmentation\.shuffle_patches=3 does not divide the images of 32 × 16"):
        shuffled(torch.zeros(1, 3, 32, 16), 3, stream("x"))
