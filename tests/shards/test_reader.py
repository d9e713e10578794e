import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from hieramp_lit.shards import ShardError, ShardSample, ShardSet
from tests.shards.making import NoiseGenerator


def test_samples_come_in_plan_order_with_all_fields(finished: Path) -> None:
    shards = ShardSet.open(finished)
    samples = list(shards)
    assert len(shards) == len(samples) == 20
    assert [(s.cls, s.row, s.image_index) for s in samples] == [(n // 2, n // 2, n % 2) for n in range(20)]
    assert [s.key for s in samples] == [f"r{n // 2:05d}_{n % 2:05d}" for n in range(20)]
    assert shards.classes.names == [str(digit) for digit in range(10)]
    for sample in samples:
        assert (sample.image.dtype, sample.image.shape) == (np.uint8, (8, 8, 3))
        assert sample.image.flags.writeable  # torch.from_numpy warns otherwise
        assert sample.tokens is not None
        assert (sample.tokens.dtype, sample.tokens.shape) == (np.uint16, (21,))
        assert sample.saliency is not None
        assert (sample.saliency.dtype, sample.saliency.shape) == (np.float16, (3, 4, 4))


def test_pixels_and_tokens_are_those_that_were_generated(finished: Path) -> None:
    import torch

    samples = list(ShardSet.open(finished))
    made = NoiseGenerator().generate(
        torch.tensor([s.row for s in samples]), torch.tensor([s.image_index for s in samples]), 0
    )
    assert np.array_equal(made.images.numpy(), np.stack([s.image for s in samples]))
    assert made.tokens is not None
    assert np.array_equal(made.tokens.numpy(), np.stack([s.tokens for s in samples if s.tokens is not None]))


def test_a_sample_says_what_made_it(finished: Path) -> None:
    sample = next(iter(ShardSet.open(finished)))
    assert sample.info == {
        "key": "r00000_00000",
        "cls": 0,
        "row": 0,
        "wnid": None,
        "name": "0",
        "index": 0,
        "seed": 0,
        "generator": "noise",
        "weights": {"var": "0" * 64},
        "schedule": None,
        "sampling": {"strength": 1.0},
    }


def test_take_gives_the_same_samples_in_ascending_order(finished: Path) -> None:
    shards = ShardSet.open(finished)
    every = list(shards)

    def key(sample: ShardSample) -> tuple[str, bytes]:
        return sample.key, sample.image.tobytes()

    assert [key(s) for s in shards.take([19, 0, 7, 6, 5])] == [key(every[n]) for n in (0, 5, 6, 7, 19)]
    assert list(shards.take([])) == []


def test_take_beyond_the_end_is_an_error(finished: Path) -> None:
    shards = ShardSet.open(finished)
    with pytest.raises(ShardError, match=r"train-000003\.tar has no sample 3"):
        list(shards.take([21]))
    with pytest.raises(ShardError, match=r"train-000004\.tar has no sample 0"):
        list(shards.take([24]))


def cut_after(tar: Path, samples: int) -> None:
    """Leave a sound tar file of fewer samples."""
    whole = tar.read_bytes()
    with tarfile.open(tar) as members:
        end = [member for member in members if member.name.endswith(".cls")][samples].offset
    assert 0 < end < len(whole)
    tar.write_bytes(whole[:end])
    with tarfile.open(tar) as members:
        assert members.getmembers()


def flip_bit(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tar: tar.unlink(), r"train-000001\.tar: the shard is missing"),
        (lambda tar: tar.write_bytes(tar.read_bytes()[:3000]), r"train-000001\.tar: 3000 bytes, the manifest says"),
        (lambda tar: cut_after(tar, samples=2), r"train-000001\.tar: \d+ bytes, the manifest says"),
        (lambda tar: flip_bit(tar, 700), r"train-000001\.tar: sha256 differs from the manifest's"),
    ],
    ids=["missing", "truncated", "whole samples left", "one bit"],
)
def test_reading_a_broken_shard_names_file_and_remedy(copy: Path, damage, message: str) -> None:
    damage(copy / "train-000001.tar")
    with pytest.raises(ShardError, match=message) as error:
        list(ShardSet.open(copy))
    assert "hieramp predict" in str(error.value)


def test_a_manifest_that_lists_other_numbers_is_an_error(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["shards"][3]["samples"] -= 1
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ShardError, match=r"lists shard 3 with 1 samples .* where the plan has shard 3 with 2"):
        ShardSet.open(copy)
    del manifest["shards"][3]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ShardError, match="lists 3 shards, its plan has 4"):
        ShardSet.open(copy)


def test_unreadable_class_list_is_named(copy: Path) -> None:
    (copy / "classes.json").write_text("[]")
    with pytest.raises(ShardError, match=r"classes\.json cannot be read"):
        ShardSet.open(copy)


def test_a_class_list_that_would_mislabel_is_refused(copy: Path) -> None:
    classes = json.loads((copy / "classes.json").read_text())
    classes[0]["name"], classes[1]["name"] = classes[1]["name"], classes[0]["name"]
    (copy / "classes.json").write_text(json.dumps(classes))
    with pytest.raises(ShardError, match=r"classes\.json: not the class list that the set was made with"):
        ShardSet.open(copy)


def test_taking_a_sample_reads_no_damaged_shard(copy: Path) -> None:
    flip_bit(copy / "train-000001.tar", 700)
    shards = ShardSet.open(copy)
    assert len(list(shards.take([0, 19]))) == 2
    with pytest.raises(ShardError, match=r"train-000001\.tar: sha256 differs"):
        list(shards.take([0, 7]))
