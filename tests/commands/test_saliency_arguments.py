# ruff: noqa: F811 (fixtures that are imported)
import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hieramp_lit.analysis.saliency import MapMeasures, bright_mask, stored_maps
from hieramp_lit.commands.saliency_arguments import add_saliency_arguments, analyze_saliency
from hieramp_lit.generate.real import DigitsImages, RandomReal
from hieramp_lit.shards import ShardSet
from tests.analysis.saliency.conftest import amplified, lively_var, plain  # noqa: F401 (fixtures)
from tests.analysis.saliency.making import CONFIG, generator
from tests.analysis.saliency.test_masks import draw
from tests.shards.conftest import finished  # noqa: F401 (a fixture)
from tests.shards.making import make_set


def analyze(out: Path, sets: dict[str, ShardSet], *words: str, classes: Sequence[str] = ()) -> dict[str, Any]:
    """As `hieramp analyze` does; the answer after a trip through JSON."""
    parser = argparse.ArgumentParser()
    add_saliency_arguments(parser)
    parser.set_defaults(classes=list(classes), patch_nums=None, device="cpu")
    told: list[tuple[int, int]] = []
    found = analyze_saliency(parser.parse_args(words), sets, out, lambda *counts: told.append(counts))
    if "absent" not in found:
        assert told[-1][0] == told[-1][1]
        assert all((out / file).is_file() for file in found["files"])
    return dict(json.loads(json.dumps(found, allow_nan=False)))


@pytest.fixture
def config(lively_var: Path, tiny_tokenizer: Path, tmp_path: Path) -> Path:
    """What made `plain`."""
    path = tmp_path / "plain.yaml"
    path.write_text(CONFIG.format(var=lively_var, tokenizer=tiny_tokenizer, amplification="null"))
    return path


def test_stored_maps_of_all_images_are_measured(amplified: ShardSet, tmp_path: Path) -> None:
    found = analyze(tmp_path, {"ours": amplified}, "--masks", "bright", classes=["7", "2"])
    ours = found["sets"]["ours"]
    assert found["images"] == list(ours["drawn"]) == ["r00002_00000", "r00007_00000"]
    assert [(scale["side"], scale["stage"]) for scale in ours["scales"]][::3] == [(1, "none"), (4, "fine")]
    measures = MapMeasures((1, 2, 3, 4))
    for one in stored_maps(amplified, range(20)):
        measures.add(one.key, one.cls, one.maps, bright_mask(one.image))
    expected = measures.scale_means()
    for name in ("entropy", "entropy_share", "iou", "pointing"):
        assert ours["means"][name] == [mean._asdict() for mean in expected[name]]
    assert ours["masks"]["found"] == 20 - ours["masks"]["empty"] - ours["masks"]["missing"]
    assert not [file for file in found["files"] if "against" in file]


def test_maps_are_generated_again_beside_stored_ones(
    amplified: ShardSet,
    plain: ShardSet,
    config: Path,
    tmp_path: Path,
) -> None:
    words = ("--images", "r00004_00001", "--against-config", str(config), "model.save_size=null")
    found = analyze(tmp_path, {"amplified": amplified, "plain": plain}, *words)
    assert (found["sets"]["amplified"]["measured"], found["sets"]["plain"]["measured"]) == (20, 1)
    assert found["sets"]["plain"]["source"] == "recomputed"
    assert found["pairs"]["images"] == 1
    assert found["sets"]["amplified"]["block"] == found["sets"]["plain"]["block"] == 0  # of two blocks the last but one
    ours, other = (found["sets"][name]["drawn"]["r00004_00001"]["entropy"] for name in ("amplified", "plain"))
    assert [one["mean"] for one in found["pairs"]["means"]["entropy"]] == pytest.approx(np.subtract(ours, other))
    assert any(note.startswith("plain: maps are measured for the 1 drawn images alone") for note in found["notes"])


def test_without_maps_and_configuration_it_says_what_to_give(
    amplified: ShardSet,
    plain: ShardSet,
    finished: Path,
    tmp_path: Path,
) -> None:
    assert "give its configuration with --config" in analyze(tmp_path, {"plain": plain})["absent"]
    beside = analyze(tmp_path, {"amplified": amplified, "plain": plain}, classes=["0"])
    assert "with --against-config" in beside["sets"]["plain"]["absent"]
    assert beside["notes"][0].startswith("plain: no class-token maps.")
    assert "--patch-nums" in analyze(tmp_path, {"old": ShardSet.open(finished)})["absent"]
    real = make_set(tmp_path / "real", RandomReal(DigitsImages("train")), images_per_class=1)
    assert "made by random_real, which has no class tokens" in analyze(tmp_path, {"real": real})["absent"]


def test_images_of_other_seeds_are_no_pairs(
    amplified: ShardSet,
    lively_var: Path,
    tiny_tokenizer: Path,
    tmp_path: Path,
) -> None:
    other = make_set(tmp_path / "other", generator(lively_var, tiny_tokenizer), seed=1, save_saliency=True)
    found = analyze(tmp_path, {"amplified": amplified, "other": other}, classes=["3"])
    assert "seeds are 0 and 1" in found["pairs"]["absent"]
    assert {"saliency/images/r00003_00000.png", "saliency/against/images/r00003_00000.png"} <= set(found["files"])


def test_masks_that_are_missing_are_named(
    amplified: ShardSet,
    config: Path,
    tmp_path: Path,
) -> None:
    for index in (0, 1):
        draw(tmp_path / "masks" / f"r00005_0000{index}.png", [[255 * index] * 8] * 8)
    words = ("--masks", str(tmp_path / "masks"), "--images", "r00005_00000", "--config", str(config))
    found = analyze(tmp_path, {"amplified": amplified}, *words)
    masks = found["sets"]["amplified"]["masks"]
    assert (masks["found"], masks["missing"], masks["empty"], masks["empty_keys"]) == (1, 18, 1, ["r00005_00000"])
    assert found["sets"]["amplified"]["means"]["iou"][3] == {"mean": 1.0, "std": None, "n": 1}
    notes = " ".join(found["notes"])
    assert "18 of 20 images without a mask" in notes
    assert "--config is not used" in notes
    beside = analyze(tmp_path, {"amplified": amplified, "again": amplified}, *words[:4])
    assert any("--against-masks is not given" in note for note in beside["notes"])


def test_masks_that_do_not_fit_their_image_or_its_maps_are_named(
    amplified: ShardSet, lively_var: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    for height, width, message in ((8, 6, "6 × 8 pixels for an image of"), (2, 2, "2 × 2 pixels cannot show")):
        draw(tmp_path / "masks" / "r00005_00000.png", [[255] * width] * height)
        with pytest.raises(ValueError, match=rf"--masks .*r00005_00000\.png: a mask of {message}"):
            analyze(tmp_path, {"amplified": amplified}, "--masks", str(tmp_path / "masks"))
    small = make_set(tmp_path / "small", generator(lively_var, tiny_tokenizer), save_saliency=True, save_size=3)
    with pytest.raises(ValueError, match=r"--masks bright: r00000_00000 has 3 × 3 pixels, .* of 4 × 4 positions"):
        analyze(tmp_path, {"small": small}, "--masks", "bright")


def test_another_configuration_is_refused(plain: ShardSet, config: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sampling\.cfg: folder 4\.0, this run 1\.0"):
        analyze(tmp_path, {"plain": plain}, "--config", str(config), "model.sampling.cfg=1")
    with pytest.raises(ValueError, match="--config beta: neither a configuration"):
        analyze(tmp_path, {"plain": plain}, "--config", str(config), "beta")


def test_arguments_of_a_comparison_need_one(amplified: ShardSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong to --against SET"):
        analyze(tmp_path, {"amplified": amplified}, "--against-masks", "bright")
    with pytest.raises(SystemExit):
        analyze(tmp_path, {"amplified": amplified}, "--mask-threshold", "2")
