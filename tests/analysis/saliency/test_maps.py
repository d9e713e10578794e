from pathlib import Path

import numpy as np
import pytest

from hieramp_lit.analysis.saliency import (
    every_stored_map,
    has_maps,
    patch_nums_of,
    recomputed_maps,
    stored_maps,
)
from hieramp_lit.generate.base import Generator
from hieramp_lit.shards import ShardError, ShardSet
from hieramp_lit.var import Sampling
from tests.analysis.saliency.making import generator
from tests.shards.conftest import finished  # noqa: F401 (a fixture)
from tests.shards.making import NoiseGenerator, make_set


def test_stored_maps_are_the_samples_own(amplified: ShardSet) -> None:
    samples = list(amplified)
    found = stored_maps(amplified, [13, 4])
    assert [one.key for one in found] == ["r00002_00000", "r00006_00001"]
    assert (found[1].row, found[1].cls, found[1].image_index) == (6, 6, 1)
    assert np.array_equal(found[1].image, samples[13].image)
    assert [None if one is None else one.shape for one in found[1].maps] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    saliency = samples[13].saliency
    assert saliency is not None
    finest = saliency[3].astype(float)
    assert np.array_equal(found[1].maps[3], finest / finest.sum())


@pytest.mark.parametrize("images", [False, True])
def test_every_stored_map_is_that_of_its_image(amplified: ShardSet, images: bool) -> None:
    every = list(every_stored_map(amplified, images=images))
    for (key, maps, image), one in zip(every, stored_maps(amplified, range(20)), strict=True):
        assert key == one.key
        assert all(np.array_equal(mine, theirs) for mine, theirs in zip(maps, one.maps, strict=True))
        assert image is None if not images else np.array_equal(image, one.image)


def test_recomputed_maps_are_those_that_were_stored(
    amplified: ShardSet, lively_var: Path, tiny_tokenizer: Path
) -> None:
    stored = stored_maps(amplified, [3, 8, 16])
    found = recomputed_maps(amplified, generator(lively_var, tiny_tokenizer), [16, 3, 8], batch_size=2)
    assert (found.different, found.sides) == ({}, (1, 2, 3, 4))
    for mine, theirs in zip(found.images, stored, strict=True):
        assert mine.key == theirs.key
        assert np.array_equal(mine.image, theirs.image)
        for one, other in zip(mine.maps, theirs.maps, strict=True):
            assert one is not None
            assert np.allclose(one, other, rtol=2e-3, atol=1e-6)  # float16, and another batch size
    assert float(np.ptp(stored[0].maps[3])) > 0.01  # else any two would agree


def test_maps_of_a_set_that_stores_none(plain: ShardSet, lively_var: Path, tiny_tokenizer: Path) -> None:
    assert not has_maps(plain)
    with pytest.raises(ValueError, match=r"stores no saliency maps.*save_saliency: false"):
        stored_maps(plain, [0])
    found = recomputed_maps(plain, generator(lively_var, tiny_tokenizer, None), [0, 19])
    assert [one.key for one in found.images] == ["r00000_00000", "r00009_00001"]


def test_another_generator_is_refused_by_what_differs(plain: ShardSet, lively_var: Path, tiny_tokenizer: Path) -> None:
    with pytest.raises(ValueError, match=r"schedule: folder null, this run \{"):
        recomputed_maps(plain, generator(lively_var, tiny_tokenizer), [0])
    with pytest.raises(ValueError, match=r"sampling\.cfg: folder 4\.0, this run 2\.5"):
        recomputed_maps(plain, generator(lively_var, tiny_tokenizer, None, Sampling(cfg=2.5)), [0])


def test_another_network_is_refused(plain: ShardSet, tiny_var: Path, tiny_tokenizer: Path) -> None:
    with pytest.raises(ValueError, match=r"weights\.var: folder"):
        recomputed_maps(plain, generator(tiny_var, tiny_tokenizer, None), [0])


def test_images_with_other_tokens_are_named_and_left_out(
    lively_var: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    made = generator(lively_var, tiny_tokenizer, None)
    shards = make_set(tmp_path / "set", made, images_per_class=1)
    usual = made.generate

    def rounded(labels_B, indices_B, seed, record_saliency=False):
        answer = usual(labels_B, indices_B, seed, record_saliency)
        answer.tokens[labels_B == 3, :2] = (answer.tokens[labels_B == 3, :2] + 1) % 16
        return answer

    made.generate = rounded  # type: ignore[method-assign]
    found = recomputed_maps(shards, made, [2, 3, 4])
    assert [one.key for one in found.images] == ["r00002_00000", "r00004_00000"]
    assert found.different == {"r00003_00000": 2}
    with pytest.raises(ValueError, match=r"none of 1 images came out .* r00003_00000 2 of 30 differ"):
        recomputed_maps(shards, made, [3])


def test_a_set_that_does_not_say_its_scales(finished: Path) -> None:  # noqa: F811
    shards = ShardSet.open(finished)  # maps of sides 1 2 4 from a generator that says nothing of tokens
    assert has_maps(shards)
    assert patch_nums_of(shards) is None
    with pytest.raises(ValueError, match="--patch-nums"):
        stored_maps(shards, [0])
    (one,) = stored_maps(shards, [1], (1, 2, 4))
    expected = np.arange(16.0, 32).reshape(4, 4)
    assert np.array_equal(one.maps[2], expected / expected.sum())
    with pytest.raises(ShardError, match=r"r00000_00001\.saliency\.npy: .*no 1 × 1 map"):
        stored_maps(shards, [1], (1, 1, 4))


def test_a_generator_without_tokens_has_no_maps(finished: Path) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="no token maps"):
        recomputed_maps(ShardSet.open(finished), NoiseGenerator(), [0])


@pytest.mark.parametrize("images", [False, True])
def test_maps_that_are_missing_of_one_image_are_named(
    images: bool, lively_var: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    shards = without_maps(tmp_path / "all", generator(lively_var, tiny_tokenizer), 7, slice(None))
    with pytest.raises(ShardError, match=r"r00007_00000\.saliency\.npy: NaN at scale 0, where r00000_00000 has a map"):
        list(every_stored_map(shards, images=images))
    with pytest.raises(ShardError, match=r"r00007_00000\.saliency\.npy: NaN at every scale"):
        stored_maps(shards, [7])
    shards = without_maps(tmp_path / "one", generator(lively_var, tiny_tokenizer), 0, slice(2, 3))
    with pytest.raises(ShardError, match=r"r00001_00000\.saliency\.npy: a map at scale 2, where r00000_00000 has NaN"):
        list(every_stored_map(shards, images=images))
    with pytest.raises(ShardError, match=r"r00005_00000.* a map at scale 2, where r00000_00000 has NaN"):
        stored_maps(shards, [0, 5])


def without_maps(folder: Path, made: Generator, cls: int, scales: slice) -> ShardSet:
    """A set of one image a class; one of them has NaN instead of its maps of some scales."""
    usual = made.generate

    def damaged(labels_B, indices_B, seed, record_saliency=False):
        answer = usual(labels_B, indices_B, seed, record_saliency)
        for (_, k), maps_2Bl in answer.saliency.items():  # the conditional half first
            if k in range(4)[scales]:
                maps_2Bl[: len(labels_B)][labels_B == cls] = float("nan")
        return answer

    made.generate = damaged  # type: ignore[method-assign]
    return make_set(folder, made, images_per_class=1, save_saliency=True)
