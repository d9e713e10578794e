from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.analysis.saliency import MaskFolder, bright_mask


def draw(path: Path, pixels: list[list[Any]], mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).convert(mode).save(path)


def test_masks_are_found_by_key_also_in_sub_folders(tmp_path: Path) -> None:
    draw(tmp_path / "r00001_00000.png", [[0, 1], [255, 0]])
    draw(tmp_path / "seven" / "r00007_00002.png", [[0, 255], [0, 0]], "1")
    masks = MaskFolder(tmp_path)
    draw(tmp_path / "r00002_00000.png", [[(255, 0, 0), (0, 0, 0)]], "RGB")
    coloured = MaskFolder(tmp_path).mask("r00002_00000", 2, 4, 1)
    assert coloured is not None
    assert coloured.tolist() == [[True, False]]
    assert set(masks.keys) == {"r00001_00000", "r00007_00002"}
    first, second = (masks.mask(key, 2, 2, 2) for key in ("r00001_00000", "r00007_00002"))
    assert first is not None
    assert first.tolist() == [[False, True], [True, False]]
    assert second is not None
    assert second.tolist() == [[False, True], [False, False]]
    assert masks.mask("r00001_00001", 2, 2, 2) is None


def test_what_is_no_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--masks .*: no such folder"):
        MaskFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no PNG file"):
        MaskFolder(tmp_path)
    draw(tmp_path / "cat.png", [[1]])
    with pytest.raises(ValueError, match=r"cat\.png: a mask has the name of its image"):
        MaskFolder(tmp_path)
    (tmp_path / "cat.png").unlink()
    for folder in ("a", "b"):
        draw(tmp_path / folder / "r00001_00000.png", [[1]])
    with pytest.raises(ValueError, match="two masks of one image"):
        MaskFolder(tmp_path)
    (tmp_path / "a" / "r00001_00000.png").write_bytes(b"no picture")
    (tmp_path / "b" / "r00001_00000.png").unlink()
    with pytest.raises(ValueError, match=r"--masks .*r00001_00000\.png: no readable image: the bytes are no PNG\. "):
        MaskFolder(tmp_path).mask("r00001_00000", 2, 2, 1)


def test_a_mask_of_another_shape_or_below_the_map_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "r00001_00000.png", [[1] * 6] * 4)
    masks = MaskFolder(tmp_path, "--against-masks")
    assert masks.mask("r00001_00000", 8, 12, 4) is not None
    with pytest.raises(
        ValueError, match=r"--against-masks .*r00001_00000\.png: a mask of 6 × 4 pixels for an image of 8 × 8"
    ):
        masks.mask("r00001_00000", 8, 8, 4)
    with pytest.raises(
        ValueError, match=r"r00001_00000\.png: a mask of 6 × 4 pixels cannot show the finest map, of 5 × 5"
    ):
        masks.mask("r00001_00000", 8, 12, 5)


def test_bright_pixels() -> None:
    image = np.array([[[255, 255, 255], [0, 0, 0]], [[255, 255, 0], [255, 0, 0]]], np.uint8)
    assert bright_mask(image).tolist() == [[True, False], [True, False]]
    assert bright_mask(image, 0.3).tolist() == [[True, False], [True, True]]
    assert not bright_mask(image, 1.0).any()
