import torch
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.var import Scales
from hieramp_lit.var.class_tokens import query_parts, sequence_layout, visibility


def test_layout_and_visibility_written_out_for_two_scales():
    scale_S, is_class_S = sequence_layout(Scales((1, 2)), (0, 1))
    assert scale_S.tolist() == [0, 1, 0, 1, 1, 1, 1]
    assert is_class_S.tolist() == [True, True, False, False, False, False, False]
    spatial_1 = [0, 1, 1, 1, 1, 1, 1]  # spatial 0 and 1, class token 1, not class token 0
    assert visibility(scale_S, is_class_S).int().tolist() == [
        [1, 0, 1, 0, 0, 0, 0],
        [0, 1, 0, 1, 1, 1, 1],
        [1, 0, 1, 0, 0, 0, 0],
        *[spatial_1] * 4,
    ]


def test_without_class_tokens_the_mask_is_the_published_one():
    scale_S, is_class_S = sequence_layout(Scales((1, 2, 3)), ())
    assert torch.equal(visibility(scale_S, is_class_S), scale_S[:, None] >= scale_S)


@given(
    sides=st.lists(st.integers(1, 4), min_size=1, max_size=6).map(sorted),
    tokens=st.sets(st.integers(0, 5)),
)
def test_parts_take_every_query_once_and_hide_what_the_mask_hides(sides, tokens):
    scales = Scales(sides)
    chosen = tuple(sorted(k for k in tokens if k < len(sides)))
    whole = visibility(*sequence_layout(scales, chosen))
    seen = []
    for part in query_parts(scales, chosen):
        rows = torch.zeros(part.stop - part.start, len(whole), dtype=torch.bool)
        rows[:, : part.keys] = whole[part.start : part.start + part.mask_rows, : part.keys] if part.mask_rows else True
        seen.append(rows)
    assert torch.equal(torch.cat(seen), whole)


def test_parts_spare_a_third_of_the_logits_at_256_pixels():
    scales = Scales((1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
    parts = query_parts(scales, range(10))
    assert [(part.start, part.stop, part.mask_rows) for part in parts] == [
        (0, 10, 10),
        (10, 265, 255),
        (265, 434, 1),
        (434, 690, 1),
    ]
    assert sum((part.stop - part.start) * part.keys for part in parts) < 0.7 * 690**2
    assert [part.mask_rows for part in query_parts(scales, ())] == [255, 0, 0]
