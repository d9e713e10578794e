"""Counting tokens of sets on disk: closed forms, a plain oracle, what must not matter, what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hieramp_lit.analysis import ImageEncoder, TokenMaps, analyze_tokens, token_maps
from hieramp_lit.analysis.set_tokens import has_tokens, stored_tokens
from hieramp_lit.analysis.tokens import distinct_codes
from hieramp_lit.shards import ShardError
from hieramp_lit.shards.encode import encode_image
from hieramp_lit.var import Scales
from hieramp_lit.var.weights import load_vqvae
from tests.analysis.synthetic import random_tokens, write_set
from tests.conftest import TINY_PATCH_NUMS

MAPS = TokenMaps(Scales((1, 2)), 8)
WIDE = TokenMaps(Scales((1, 1, 2, 2, 3)), 16)
"""Two coarse scales, one mid, one fine."""


def analyze(shards, maps=MAPS, **options):
    return analyze_tokens(shards, maps, **options)


def wide_set(folder, draw=0, **options):
    tokens = random_tokens(WIDE.scales.total, WIDE.vocab_size, draw)
    return write_set(folder, tokens, patch_nums=WIDE.scales.patch_nums, vocab_size=WIDE.vocab_size, **options)


def equal(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("images_C", "entropy_CK", "coverage_CK")
    ) and all(torch.equal(a, b) for a, b in zip(one.whole, other.whole, strict=True))


def test_known_histograms(tmp_path):
    # scale 0: one code in class 0, four equally frequent ones in class 1; scale 1: 1, 2, 4 codes by class
    def tokens(cls, index):
        fine = [[5, 5, 5, 5], [0, 1, 0, 1], [0, 1, 2, 3]][cls]
        return np.array([[3, index, index // 2][cls], *fine], np.uint16)

    found = analyze(write_set(tmp_path / "set", tokens))
    assert found.entropy_CK == pytest.approx(np.log([[1, 1], [4, 2], [2, 4]]))
    assert found.coverage_CK == pytest.approx(np.array([[1, 1], [4, 2], [2, 4]]) / 8)
    assert found.entropy_CK[0].tolist() == [0, 0]
    assert found.images_C.tolist() == [4, 4, 4]
    # scale 0 of all: code 3 five times, 0 and 1 three times each, 2 once
    p = np.array([5, 3, 3, 1]) / 12
    assert found.whole.entropy[0] == pytest.approx(-(p * np.log(p)).sum())
    assert found.whole.coverage.tolist() == [4 / 8, 5 / 8]
    row = found.per_scale()[1]
    assert (row["tokens"], row["codes_used"], row["stage"], row["side"]) == (48, 5, "coarse", 2)
    assert row["class_entropy_mean"] == pytest.approx(math.log(8) / 3)
    assert row["class_entropy_std"] == pytest.approx(math.log(2))  # of 0, ln 2 and 2 ln 2
    assert found.as_json()["per_class"][1]["coverage"] == [0.5, 0.25]


def test_random_sets_are_as_an_oracle_counts_them(tmp_path):
    found = analyze(wide_set(tmp_path / "set", classes=5, images_per_class=3), WIDE)
    tokens = random_tokens(WIDE.scales.total, WIDE.vocab_size, 0)
    for cls in range(5):
        images = [tokens(cls, index) for index in range(3)]
        for scale, part in enumerate(WIDE.scales.slices):
            codes = [int(code) for image in images for code in image[part]]
            shares = [codes.count(code) / len(codes) for code in sorted(set(codes))]
            assert found.entropy_CK[cls, scale] == pytest.approx(-sum(p * math.log(p) for p in shares), abs=1e-12)
            assert found.coverage_CK[cls, scale] == pytest.approx(len(shares) / 16)


def test_a_stage_is_the_mean_of_its_scales_each_counting_the_same(tmp_path):
    found = analyze(wide_set(tmp_path / "set"), WIDE)
    stages = found.stages(found.entropy_CK)
    assert list(stages) == ["coarse", "mid", "fine"]
    assert stages["coarse"] == pytest.approx((found.entropy_CK[:, 1] + found.entropy_CK[:, 2]) / 2)
    assert stages["fine"] == pytest.approx(found.entropy_CK[:, 4])
    told = found.as_json()
    assert told["per_stage"]["coarse"]["scales"] == [1, 2]
    assert told["per_stage"]["coarse"]["class_entropy"] == pytest.approx(stages["coarse"].mean())
    assert told["per_class"][2]["entropy_of_stage"]["mid"] == pytest.approx(found.entropy_CK[2, 3])


def test_few_scales_leave_stages_out(tmp_path):
    found = analyze(write_set(tmp_path / "set", lambda cls, index: np.zeros(5, np.uint16)))
    assert list(found.as_json()["per_stage"]) == ["coarse"]


@pytest.mark.parametrize("shard_size", [1, 3, 4, 20])
def test_shards_and_threads_change_nothing(tmp_path, shard_size):
    usual = analyze(wide_set(tmp_path / "usual"), WIDE, heatmap_classes=[1])
    other = analyze(wide_set(tmp_path / "other", shard_size=shard_size), WIDE, heatmap_classes=[1])
    assert equal(usual, other)
    assert all(np.array_equal(a, b) for a, b in zip(usual.distinct[1], other.distinct[1], strict=True))
    shards = wide_set(tmp_path / "threads", shard_size=shard_size)
    for threads in (1, 3):
        tokens = torch.cat([batch.tokens for batch in stored_tokens(shards, threads)])
        draw = random_tokens(WIDE.scales.total, WIDE.vocab_size, 0)
        assert np.array_equal(tokens.numpy(), [draw(cls, index) for cls in range(3) for index in range(4)])


def test_the_order_of_images_changes_nothing(tmp_path):
    tokens = random_tokens(5, 8, 0)
    usual = analyze(write_set(tmp_path / "usual", tokens), heatmap_classes=[0, 2])
    mixed = write_set(tmp_path / "turned", lambda cls, index: tokens(cls, [2, 0, 3, 1][index]))
    turned = analyze(mixed, heatmap_classes=[2, 0])
    assert equal(usual, turned)
    for cls in (0, 2):
        assert all(np.array_equal(a, b) for a, b in zip(usual.distinct[cls], turned.distinct[cls], strict=True))


def test_distinct_codes_by_hand(tmp_path):
    # three images; one position of scale 0, then four of scale 1, row by row
    images = [[1, 0, 1, 2, 3], [7, 0, 2, 0, 5], [1, 0, 1, 2, 4]]
    coarse, fine = distinct_codes(torch.tensor(images), MAPS.scales)
    assert (coarse.tolist(), fine.tolist()) == ([[2]], [[1, 2], [2, 3]])
    shards = write_set(
        tmp_path / "set", lambda cls, i: np.array(images[i if cls else 0], np.uint16), images_per_class=3
    )
    found = analyze(shards, heatmap_classes=[0, 2])
    assert list(found.distinct) == [0, 2]
    assert [one.tolist() for one in found.distinct[2]] == [[[2]], [[1, 2], [2, 3]]]
    assert [one.tolist() for one in found.distinct[0]] == [[[1]], [[1, 1], [1, 1]]]
    assert found.as_json()["distinct"][1] == {
        "cls": 2,
        "name": "class 2",
        "images": 3,
        "scales": [
            {"scale": 0, "side": 1, "mean": 2.0, "counts": [[2]]},
            {"scale": 1, "side": 2, "mean": 2.0, "counts": [[1, 2], [2, 3]]},
        ],
    }
    with pytest.raises(ValueError, match=r"heatmap_classes=\[3\]: the set has the cls 0 to 2"):
        analyze(shards, heatmap_classes=[0, 3])


def test_encoded_images_count_as_their_tokens_do(tmp_path, tiny_tokenizer):
    vqvae = load_vqvae(str(tiny_tokenizer), Scales(TINY_PATCH_NUMS))
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    tokens = vqvae.encode(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1)[0].numpy().astype(np.uint16)
    image = encode_image(pixels, "png")
    maps = TokenMaps(Scales(TINY_PATCH_NUMS), 16)
    given = analyze(write_set(tmp_path / "given", lambda cls, index: tokens, image=image), maps)
    bare = write_set(tmp_path / "bare", lambda cls, index: None, image=image, configuration={}, generator="other")
    encoder = ImageEncoder(vqvae, "a" * 64, torch.device("cpu"), batch_size=5)
    assert encoder.maps == maps
    found = analyze(bare, encoder.maps, encode=encoder)
    assert equal(found, given)
    assert found.entropy_CK[0, 3] > 0
    assert (found.about["tokens"], given.about["tokens"]) == ("encoded", "stored")
    assert found.about["tokenizer_sha256"] == given.about["tokenizer_sha256"] == "a" * 64
    assert (has_tokens(bare), has_tokens(write_set(tmp_path / "set", lambda cls, index: tokens))) == (False, True)


class Brightness:
    """Encodes an image as its mean, at all positions."""

    side, batch_size, sha256 = 2, 4, "c" * 64

    def __init__(self):
        self.shapes, self.pixels = set(), set()

    def __call__(self, image_BCSS):
        self.shapes.add(tuple(image_BCSS.shape))
        self.pixels |= set(image_BCSS.unique().tolist())
        return (image_BCSS.float().mean(dim=(1, 2, 3)) // 32).long()[:, None].expand(-1, 5)


def test_images_are_brought_to_the_side_of_the_tokenizer(tmp_path):
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200  # the square in the centre
    encode = Brightness()
    found = analyze(write_set(tmp_path / "set", lambda cls, i: None, image=encode_image(wide, "png")), encode=encode)
    assert (encode.shapes, encode.pixels) == ({(4, 3, 2, 2)}, {200})
    assert found.whole.used.tolist() == [1, 1]
    assert found.whole.coverage.tolist() == [1 / 8, 1 / 8]


def test_no_image_is_decoded_where_tokens_are_stored(tmp_path):
    found = analyze(write_set(tmp_path / "set", random_tokens(5, 8, 0), image=b"no picture at all"))
    assert found.images_C.sum() == 12


def test_progress_counts_images(tmp_path):
    told = []
    analyze(
        write_set(tmp_path / "set", random_tokens(5, 8, 0)), progress=lambda done, total: told.append((done, total))
    )
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_damaged_sets_are_refused(tmp_path: Path):
    shards = write_set(tmp_path / "set", random_tokens(5, 8, 0))
    tar = shards.path / "train-000001.tar"
    content = bytearray(tar.read_bytes())
    content[-3000] ^= 1
    tar.write_bytes(content)
    with pytest.raises(ShardError, match=r"train-000001.tar: sha256 differs"):
        analyze(shards)


def test_a_sample_of_another_class_than_planned_is_refused(tmp_path):
    shards = write_set(tmp_path / "set", random_tokens(5, 8, 0), label_of=lambda cls: min(cls + 1, 2))
    with pytest.raises(ShardError, match=r"sample r00000_00000 of cls b'1' where the plan has r00000_00000 of cls 0"):
        analyze(shards)


def test_tokens_that_some_images_lack_are_a_fault(tmp_path):
    some = write_set(tmp_path / "some", lambda cls, i: np.zeros(5, np.uint16) if cls else None)
    with pytest.raises(ShardError, match=r"sample r00000_00000 has no tokens, others have"):
        analyze(some)
    uneven = write_set(tmp_path / "uneven", lambda cls, i: np.zeros(5 + (i == 2), np.uint16))
    with pytest.raises(ShardError, match=r"sample r00000_00002 has 6 tokens, the first one 5"):
        analyze(uneven)


def test_tokens_that_do_not_fit_are_refused_by_the_name_of_the_set(tmp_path):
    shards = write_set(tmp_path / "set", random_tokens(5, 8, 0))
    with pytest.raises(ValueError, match="the codebook has 4 codes") as error:
        analyze(shards, TokenMaps(Scales((1, 2)), 4))
    assert str(shards.path) in error.value.__notes__[0]
    with pytest.raises(ValueError, match=r"\(images, 10\) and int64 expected"):
        analyze(shards, TokenMaps(Scales((1, 3)), 8))


def test_a_set_says_what_its_tokens_are_of(tmp_path):
    told = write_set(tmp_path / "set", random_tokens(5, 8, 0)).manifest.configuration
    assert token_maps(told, None, None) == MAPS
