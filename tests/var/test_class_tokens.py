import torch

from hieramp_lit.var import Scales
from hieramp_lit.var.class_tokens import sequence_layout, visibility


def test_layout_and_visibility_written_out_for_two_scales():
    scale_S, is_class_S = sequence_layout(Scales((1, 2)), (0, 1))
    assert scale_S.tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert is_class_S.tolist() == [False, True, False, False, False, False, True]
    spatial_1 = [1, 0, 1, 1, 1, 1, 1]  # spatial 0 and 1, class token 1, not class token 0
    assert visibility(scale_S, is_class_S).int().tolist() == [
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        *[spatial_1] * 4,
        [0, 0, 1, 1, 1, 1, 1],
    ]


def test_without_class_tokens_the_mask_is_the_published_one():
    scale_S, is_class_S = sequence_layout(Scales((1, 2, 3)), ())
    assert torch.equal(visibility(scale_S, is_class_S), scale_S[:, None] >= scale_S)
