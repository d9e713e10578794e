import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.analysis.saliency import ImageMaps, MapMeasures, StripRow, draw_maps, draw_strips
from hieramp_lit.analysis.saliency.files import (
    Look,
    entropy_line,
    overlap_line,
    write_figures,
    write_pictures,
    write_tables,
)
from hieramp_lit.figures.saliency_entropy import EntropyLine
from hieramp_lit.figures.saliency_overlap import OverlapLine

IMAGE = np.full((4, 4, 3), 90, np.uint8)
EVEN, HALF = np.full((2, 2), 0.25), np.array([[0.5, 0.5], [0.0, 0.0]])
TOP = np.array([[True, True], [False, False]])


def look(title: str, maps: dict[str, np.ndarray]) -> Look:
    """A set of two classes; keys of images with a map each at scale 1, none at scale 0."""
    measures, drawn = MapMeasures((1, 2)), []
    for key, own in maps.items():
        cls = int(key[5])
        measures.add(key, cls, (None, own), TOP)
        drawn.append(ImageMaps(key, cls, cls, 0, IMAGE, (None, own)))
    return Look(title, ("zero", "one"), drawn, measures)


LOOKS = (
    look("amplified", {"r00000_00000": HALF, "r00001_00000": EVEN}),
    look("plain", {"r00000_00000": EVEN, "r00001_00000": EVEN}),
)


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_number_is_in_a_table(tmp_path: Path) -> None:
    files = write_tables(LOOKS, tmp_path / "saliency")
    assert [path.name for path in files] == ["images.csv", "classes.csv", "scales.csv"]
    images, classes, scales = map(table, files)
    assert [(row["set"], row["key"], row["scale"]) for row in images[:3]] == [
        ("amplified", "r00000_00000", "0"), ("amplified", "r00000_00000", "1"), ("amplified", "r00001_00000", "0"),
    ]  # fmt: skip
    assert images[0]["entropy"] == ""  # no class token, no number
    assert {name: float(images[1][name]) for name in ("entropy_share", "iou", "pointing", "mask_share")} == {
        "entropy_share": pytest.approx(0.5), "iou": 1.0, "pointing": 1.0, "mask_share": 0.5,
    }  # fmt: skip
    assert float(classes[1]["iou_mean"]) == 1.0
    assert (classes[1]["name"], classes[1]["iou_std"], classes[1]["iou_n"]) == ("zero", "", "1")
    assert float(scales[1]["entropy_share_mean"]) == pytest.approx(0.75)
    assert (scales[3]["set"], scales[3]["side"], scales[3]["entropy_n"]) == ("plain", "2", "2")


def test_pictures_stand_the_sets_rows_of_an_image_together(tmp_path: Path) -> None:
    files = write_pictures(LOOKS, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        "images/r00000_00000.png", "images/r00001_00000.png", "strips.png", "scales/scale_1.png",
    ]  # fmt: skip
    rows = [
        StripRow("zero\nr00000_00000\namplified", IMAGE, (None, HALF)),
        StripRow("plain", IMAGE, (None, EVEN)),
        StripRow("one\nr00001_00000\namplified", IMAGE, (None, EVEN)),
        StripRow("plain", IMAGE, (None, EVEN)),
    ]
    expected = [
        draw_strips(rows[:2], 2),
        draw_strips(rows[2:], 2),
        draw_strips(rows, 2),
        draw_maps(
            {
                "scale 1, amplified": [[(IMAGE, HALF)], [(IMAGE, EVEN)]],
                "scale 1, plain": [[(IMAGE, EVEN)], [(IMAGE, EVEN)]],
            },
            ["zero", "one"],
        ),
    ]
    for path, picture in zip(files, expected, strict=True):
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(picture))


def test_an_image_that_one_set_lacks_still_has_its_rows(tmp_path: Path) -> None:
    lacking = look("plain", {"r00001_00000": EVEN})
    files = write_pictures((LOOKS[0], lacking), tmp_path)
    alone = draw_strips([StripRow("zero\nr00000_00000\namplified", IMAGE, (None, HALF))])
    assert np.array_equal(np.asarray(Image.open(files[0])), np.asarray(alone))


def test_figures_show_means_deviations_and_numbers_of_images() -> None:
    measures = MapMeasures((1, 2))
    right = np.array([[False, True], [False, True]])
    for number, (own, mask) in enumerate(((HALF, TOP), (EVEN, right), (HALF, np.array([[0, 0], [1, 0]], bool)))):
        measures.add(f"r00000_0000{number}", 0, (np.ones((1, 1)), own), mask)
    measures.add("r00000_00003", 0, (np.ones((1, 1)), EVEN))
    # Shares of ln 4: 1/2 of the two halves, 1 of the two even ones; the mean is 3/4, the deviations are all 1/4.
    assert entropy_line(measures) == EntropyLine(
        [None, pytest.approx(0.75)], [None, pytest.approx((4 * 0.25**2 / 3) ** 0.5)], 4
    )
    # The masks cover 1/2, 1/2, 1/4. IoU at side 2: 1, 1/2, 1/4 (the whole image). Hits at side 2: yes, yes, no.
    assert overlap_line(measures) == OverlapLine(
        iou=[pytest.approx(1.25 / 3), pytest.approx(1.75 / 3)],
        pointing=[1.0, pytest.approx(2 / 3)],
        pointing_chance=[1.0, pytest.approx(1.25 / 3)],
        mask_share=pytest.approx(1.25 / 3),
        images=3,
    )


def test_names_of_any_length_and_sign_leave_pictures_their_size(tmp_path: Path) -> None:
    usual, other = (tmp_path / name for name in ("usual", "other"))
    found = [
        LOOKS[0]._replace(title=f"{'t' * 150}{sign}", class_names=["n\n\t\x07" * 66, "one " * 50]) for sign in "ab"
    ]
    for path, same in zip(write_pictures(found, other), write_pictures(LOOKS, usual), strict=True):
        assert np.asarray(Image.open(path)).shape[1] < np.asarray(Image.open(same)).shape[1] + 500


def test_figures_are_written_in_each_format(tmp_path: Path) -> None:
    files = write_figures(LOOKS, tmp_path / "new", ("png", "svg"))
    assert [path.name for path in files] == ["entropy.png", "entropy.svg", "overlap.png", "overlap.svg"]
    for path in files[1::2]:
        assert all(word in path.read_text() for word in ("amplified (n = 2)", "plain (n = 2)"))


def test_without_masks_there_is_no_figure_of_overlap(tmp_path: Path) -> None:
    measures = MapMeasures((1, 2))
    measures.add("r00000_00000", 0, (None, EVEN))
    files = write_figures([Look("unmasked", ("zero",), [], measures)], tmp_path, ("svg",))
    assert [path.name for path in files] == ["entropy.svg"]
