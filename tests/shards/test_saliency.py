import numpy as np
import pytest
import torch

from hieramp_lit.shards.decode import decode_array
from hieramp_lit.shards.encode import encode_sample
from hieramp_lit.shards.format import SALIENCY
from hieramp_lit.shards.saliency import stack_saliency


def test_last_block_conditional_half_upsampled_nearest() -> None:
    maps = {
        (2, 1): torch.tensor([[1.0, 2.0, 3.0, 4.0], [9.0, 9.0, 9.0, 9.0]]),
        (2, 2): torch.arange(32.0).reshape(2, 16),
        (1, 2): torch.full((2, 16), 100.0),
    }
    stacked = stack_saliency(maps)
    assert (stacked.dtype, stacked.shape) == (torch.float16, (1, 3, 4, 4))
    coarse = torch.tensor([[1.0, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])
    assert torch.equal(stacked[0, 1].float(), coarse)
    assert torch.equal(stacked[0, 2].float(), torch.arange(16.0).reshape(4, 4))


def test_scales_without_a_class_token_are_nan_and_none_follow_the_last_one() -> None:
    maps = {(0, 1): torch.rand(4, 4).softmax(-1), (0, 3): torch.rand(4, 16).softmax(-1)}
    stacked = stack_saliency(maps)
    assert stacked.shape == (2, 4, 4, 4)
    assert stacked.isnan().flatten(2).all(-1).tolist() == [[True, False, True, False]] * 2
    assert stacked.isnan().flatten(2).any(-1).tolist() == [[True, False, True, False]] * 2
    assert torch.allclose(stacked[:, 3].float().sum((1, 2)), torch.ones(2), atol=2e-3)


def test_nan_is_stored_and_read_again() -> None:
    stacked = stack_saliency({(0, 1): torch.rand(2, 9)})[0].numpy()
    image = np.zeros((4, 4, 3), np.uint8)
    fields = [encode_sample(image, 0, {}, saliency=stacked) for _ in range(2)]
    assert fields[0] == fields[1]
    assert np.array_equal(decode_array(fields[0][SALIENCY], np.float16, 3), stacked, equal_nan=True)


def test_rows_stay_with_their_images() -> None:
    one, two = torch.rand(2, 9), torch.rand(2, 9)
    both = {(0, 0): torch.stack([one[0], two[0], one[1], two[1]])}
    stacked = stack_saliency(both)
    assert torch.equal(stacked[0], stack_saliency({(0, 0): one})[0])
    assert torch.equal(stacked[1], stack_saliency({(0, 0): two})[0])


def test_sides_that_do_not_divide() -> None:
    stacked = stack_saliency({(0, 0): torch.rand(2, 25), (0, 1): torch.rand(2, 64)})
    assert stacked.shape == (1, 2, 8, 8)
    assert stacked[0, 0].unique().numel() == 25


def test_no_maps_is_an_error_that_names_the_key() -> None:
    with pytest.raises(ValueError, match=r"model\.save_saliency"):
        stack_saliency({})
