"""Whatever bytes a set consists of, reading it is a ShardError that names the file, or valid data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.shards import Manifest, ShardError, ShardSample, ShardSet
from hieramp_lit.shards.decode import MOST_PIXELS, decode_array, decode_image
from hieramp_lit.shards.encode import encode_array, encode_image
from hieramp_lit.shards.folder import claim_folder, read_sidecar
from hieramp_lit.shards.reader import decode_sample, read_shard
from hieramp_lit.shards.repair import repair
from hieramp_lit.shards.verify import find_faults
from tests.fuzzing import FUZZ, damaged, forged_tar, other_json
from tests.shards.making import make_set

TAR = "train-000003.tar"  # of two samples


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound set, and a copy to break."""
    root = tmp_path_factory.mktemp("fuzz")
    make_set(root / "sound", save_saliency=True)
    shutil.copytree(root / "sound", root / "set")
    return root


def check(sample: ShardSample) -> None:
    assert sample.image.dtype == np.uint8
    assert sample.image.ndim == 3
    assert sample.image.shape[2] == 3
    assert sample.image.size <= 3 * MOST_PIXELS
    assert isinstance(sample.info, dict)
    assert min(sample.cls, sample.row, sample.image_index) >= 0
    assert sample.tokens is None or (sample.tokens.dtype, sample.tokens.ndim) == (np.uint16, 1)
    assert sample.saliency is None or (sample.saliency.dtype, sample.saliency.ndim) == (np.float16, 3)


@given(data=st.data())
@FUZZ
def test_any_tar_is_read_or_refused_by_name(work: Path, data: st.DataObject) -> None:
    content = (work / "sound" / TAR).read_bytes()
    path = work / TAR
    path.write_bytes(data.draw(damaged(content) | forged_tar(content)))
    refusal = None
    try:
        samples = [decode_sample(key, fields, TAR) for key, fields in read_shard(path)]
    except ShardError as error:
        refusal = str(error)
    if refusal is not None:
        assert TAR in refusal
        return
    for sample in samples:
        check(sample)
    assert len({sample.key for sample in samples}) == len(samples)


@pytest.mark.parametrize("image_format", ["png", "webp"])
@given(data=st.data())
@FUZZ
def test_any_image_is_decoded_or_refused(image_format: str, data: st.DataObject) -> None:
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    content = data.draw(damaged(encode_image(pixels, image_format)))  # type: ignore[arg-type]
    try:
        image = decode_image(content, [image_format])
    except ValueError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2:] == (3,)


@given(data=st.data())
@FUZZ
def test_any_array_is_decoded_or_refused(data: st.DataObject) -> None:
    content = data.draw(damaged(encode_array(np.arange(40, dtype=np.uint16))))
    try:
        array = decode_array(content, np.uint16, 1)
    except ValueError:
        return
    assert (array.dtype, array.ndim) == (np.uint16, 1)
    assert array.nbytes < len(content)


@pytest.mark.parametrize("name", ["manifest.json", "classes.json"])
@given(data=st.data())
@FUZZ
def test_any_index_gives_the_right_samples_or_an_error(work: Path, name: str, data: st.DataObject) -> None:
    content = (work / "sound" / name).read_bytes()
    original = ShardSet.open(work / "sound")
    sound = {sample.key: sample for sample in original}
    (work / "set" / name).write_bytes(data.draw(damaged(content) | other_json(json.loads(content))))
    try:
        shards = ShardSet.open(work / "set")
        samples = list(shards)
        list(shards.take([0, 19]))
    except ShardError:
        return
    finally:
        faults = list(find_faults(work / "set", contents=False))  # whatever it is, it can be told
        (work / "set" / name).write_bytes(content)
    assert not faults or {fault.file for fault in faults} <= {name, "README.md", "_info.json"}
    assert [sample.key for sample in samples] == list(sound)
    for sample in samples:
        assert np.array_equal(sample.image, sound[sample.key].image)
        assert (sample.cls, sample.info) == (sound[sample.key].cls, sound[sample.key].info)
    assert shards.classes == original.classes


@given(data=st.data())
@FUZZ
def test_any_sidecar_is_read_or_refused_by_name(work: Path, data: st.DataObject) -> None:
    path = work / "train-000003.json"
    content = (work / "sound" / path.name).read_bytes()
    path.write_bytes(data.draw(damaged(content) | other_json(json.loads(content))))
    refusal = None
    try:
        record = read_sidecar(path)
    except ShardError as error:
        refusal = str(error)
    if refusal is not None:
        assert path.name in refusal
        return
    assert type(record.samples) is type(record.bytes) is int


@given(data=st.data())
@FUZZ
def test_whatever_is_broken_is_named_and_repaired_or_refused(work: Path, data: st.DataObject) -> None:
    names = sorted(path.name for path in (work / "sound").iterdir())
    chosen = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=3))
    changes = {name: data.draw(damaged((work / "sound" / name).read_bytes())) for name in sorted(chosen)}
    folder = work / "broken"
    shutil.copytree(work / "sound", folder)
    try:
        for name, content in changes.items():
            (folder / name).write_bytes(content)
        repair(folder, list(find_faults(folder)))
        claim_folder(folder, Manifest.read(work / "sound").identity, 4)  # the set's own command would go on
    except ShardError:
        return
    finally:
        shutil.rmtree(folder)
