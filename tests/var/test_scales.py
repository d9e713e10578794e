import pytest

from hieramp_lit.var import Scales

PUBLISHED = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)


def test_lengths_slices_and_total_of_the_published_scales():
    scales = Scales(PUBLISHED)
    assert scales.total == 680
    assert scales.lengths == tuple(side**2 for side in PUBLISHED)
    assert [list(range(680))[place] for place in scales.slices] == [
        list(range(start, start + length))
        for start, length in zip([0, 1, 5, 14, 30, 55, 91, 155, 255, 424], scales.lengths, strict=True)
    ]


@pytest.mark.parametrize(
    ("count", "stages"),
    [
        (1, "n"),
        (2, "nc"),
        (3, "ncm"),
        (4, "ncmf"),
        (5, "nccmf"),
        (6, "nccmmf"),
        (7, "nccmmff"),
        (8, "ncccmmff"),
        (9, "ncccmmmff"),
        (10, "ncccmmmfff"),
        (12, "nccccmmmmfff"),
    ],
)
def test_stages_are_thirds_with_the_rest_to_coarse_then_mid(count: int, stages: str):
    scales = Scales(range(1, count + 1))
    assert "".join(scales.stage_of(k)[0] for k in range(count)) == stages


def test_progress_runs_from_zero_to_one_and_a_single_scale_is_the_last():
    assert [Scales((1, 2, 4)).progress(k) for k in range(3)] == [0, 0.5, 1]
    assert Scales((3,)).progress(0) == 1


@pytest.mark.parametrize("sides", [(), (0, 1), (2, 1), (-1,)])
def test_impossible_sides_are_refused(sides: tuple[int, ...]):
    with pytest.raises(ValueError, match="patch_nums"):
        Scales(sides)


@pytest.mark.parametrize("scale", [-1, 3])
def test_a_scale_that_is_not_there_has_no_stage(scale: int):
    with pytest.raises(ValueError, match="expected 0 to 2"):
        Scales((1, 2, 3)).stage_of(scale)
