from pathlib import Path

import numpy as np
import pytest

from hieramp_lit.analysis.saliency import ImageMaps, MapMeasures, MaskFolder
from hieramp_lit.analysis.saliency.files import Look
from hieramp_lit.analysis.saliency.summary import mask_counts, numbers, pairs
from tests.analysis.saliency.test_files import EVEN, HALF, IMAGE, LOOKS, TOP
from tests.analysis.saliency.test_masks import draw


def test_numbers_of_means_and_drawn_images() -> None:
    measures = MapMeasures((1, 2))
    measures.add("r00000_00000", 0, (None, HALF), TOP)
    measures.add("r00001_00000", 1, (None, EVEN), TOP)
    drawn = [ImageMaps("r00001_00000", 1, 1, 0, IMAGE, (None, EVEN))]
    told = numbers(measures, drawn, masked=True)
    assert told["measured"] == 2
    assert told["means"]["iou"] == [
        {"mean": None, "std": None, "n": 0},
        {"mean": 0.75, "std": pytest.approx(0.125**0.5), "n": 2},
    ]
    assert told["drawn"] == {
        "r00001_00000": {
            "entropy": [None, pytest.approx(np.log(4))],
            "entropy_share": [None, pytest.approx(1.0)],
            "iou": [None, 0.5],
            "pointing": [None, 1.0],
            "pointing_chance": [None, 0.5],
            "threshold": [None, 0.25],
        }
    }
    assert set(numbers(measures, drawn, masked=False)["means"]) == {"entropy", "entropy_share"}


def test_masks_are_counted(tmp_path: Path) -> None:
    for name in ("r00000_00000", "r00000_00009"):
        draw(tmp_path / f"{name}.png", [[255, 0], [0, 0]])
    draw(tmp_path / "r00000_00002.png", [[0, 0], [0, 0]])
    folder, measures = MaskFolder(tmp_path), MapMeasures((2,))
    for index in range(4):
        key = f"r00000_0000{index}"
        measures.add(key, 0, (EVEN,), folder.mask(key, 4, 4, 2))
    assert mask_counts(measures, folder) == {
        "found": 1, "missing": 2, "missing_keys": ["r00000_00001", "r00000_00003"], "empty": 1,
        "empty_keys": ["r00000_00002"], "of_other_images": 1, "mean_share_of_image": 0.25,
    }  # fmt: skip


def test_a_folder_of_other_masks_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "r00003_00000.png", [[255]])
    measures = MapMeasures((2,))
    measures.add("r00000_00000", 0, (EVEN,))
    with pytest.raises(ValueError, match=r"--masks .*none of its 1 masks .* named r00000_00000\.png"):
        mask_counts(measures, MaskFolder(tmp_path))


def test_pairs_tell_the_difference_or_why_there_is_none() -> None:
    found = pairs(LOOKS[0], LOOKS[1], (0, 0))
    assert (found["images"], found["difference"]) == (2, "amplified − plain")
    # 0.5 − 1 and 1 − 1 of entropy's share, 1 − 0.5 and 0.5 − 0.5 of IoU.
    assert found["means"]["entropy_share"][1]["mean"] == pytest.approx(-0.25)
    assert found["means"]["iou"][1] == {"mean": 0.25, "std": pytest.approx(0.125**0.5), "n": 2}
    assert "seeds are 0 and 1" in pairs(LOOKS[0], LOOKS[1], (0, 1))["absent"]
    other = Look("other", ("zero",), [], MapMeasures((1, 2)))
    assert "no measured image in common" in pairs(LOOKS[0], other, (0, 0))["absent"]
    finer = Look("finer", ("zero",), [], MapMeasures((1, 4)))
    assert "do not match" in pairs(LOOKS[0], finer, (0, 0))["absent"]
