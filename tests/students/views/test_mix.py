import pytest
import torch

from hieramp_lit.seeds import stream
from hieramp_lit.students.views.mix import cutmix_box, mix_images_, sample_beta


@pytest.mark.parametrize(("share", "side"), [(0.75, 16), (0.0, 32), (1.0, 0), (0.9375, 8)])
def test_central_box_has_the_closed_form_area(share, side):
    assert cutmix_box(32, 32, share, (16, 16)).area == side * side


def test_box_is_clipped_at_the_border():
    assert cutmix_box(32, 32, 0.75, (0, 31)) == (0, 8, 23, 32)


@pytest.mark.parametrize(
    ("size", "share", "center", "box"),
    [
        (224, 0.36, (100, 30), (11, 189, 0, 119)),  # sides ⌊0.8 · 224⌋ = 179, half of it 89
        (224, 0.75, (112, 200), (56, 168, 144, 224)),
        (128, 0.51, (0, 127), (0, 44, 83, 128)),  # ⌊0.7 · 128⌋ = 89, half 44
        (64, 0.19, (32, 32), (4, 60, 4, 60)),  # ⌊0.9 · 64⌋ = 57, half 28
        (32, 0.999, (5, 5), (5, 5, 5, 5)),  # one pixel has no half
    ],
)
def test_boxes_by_hand_at_the_protocols_sizes(size, share, center, box):
    assert cutmix_box(size, size, share, center) == box


def test_cutmix_pastes_one_box_and_counts_its_pixels():
    image = torch.arange(6.0)[:, None, None, None].expand(6, 3, 16, 16)
    mixed = mix_images_(image.clone(), "cutmix", 1.0, stream("cut"))
    for k in range(6):
        own = (mixed.image[k] == k).float().mean()
        if mixed.partner[k] != k:
            assert float(own) == pytest.approx(mixed.share)
        assert set(mixed.image[k].unique().tolist()) <= {float(k), float(mixed.partner[k])}
    changed = mixed.image != image
    boxes = changed[[k for k in range(6) if mixed.partner[k] != k]]
    assert (boxes == boxes[:1]).all()


def test_mixup_is_the_convex_combination():
    image = torch.rand(5, 3, 4, 4)
    mixed = mix_images_(image.clone(), "mixup", 0.8, stream("up"))
    expected = mixed.share * image + (1 - mixed.share) * image[mixed.partner]
    torch.testing.assert_close(mixed.image, expected)


def test_none_keeps_images_and_labels():
    image = torch.rand(5, 3, 4, 4)
    mixed = mix_images_(image, "none", 1.0, stream("none"))
    assert mixed.image is image
    assert mixed.share == 1.0
    assert mixed.partner.tolist() == list(range(5))


@pytest.mark.parametrize("mix", ["cutmix", "mixup"])
def test_images_are_mixed_in_place_and_draws_repeat(mix):
    image = torch.rand(4, 3, 8, 8)
    copies = [image.clone() for _ in range(2)]
    first, second = (mix_images_(copy, mix, 1.0, stream("again")) for copy in copies)
    assert first.image is copies[0]
    assert torch.equal(first.image, second.image)
    assert first.share == second.share


@pytest.mark.parametrize("alpha", [0.8, 1.0, 3.0])
def test_lambda_follows_the_beta_law(alpha):
    generator = stream("beta", str(alpha))
    draws = torch.tensor([sample_beta(alpha, generator) for _ in range(4000)])
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(draws.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.006)


def test_unknown_mix_names_the_key():
    with pytest.raises(ValueError, match=r"model\.protocol\.mix='cut'"):
        mix_images_(torch.rand(2, 3, 4, 4), "cut", 1.0, stream("x"))
