"""Other people's readers open our shards."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from hieramp_lit.classes import ClassList
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.format import INDEX_FILES


def test_a_finished_set_has_its_index_and_nothing_else(finished: Path) -> None:
    shards = {f"train-{n:06d}{suffix}" for n in range(4) for suffix in (".tar", ".json")}
    assert {path.name for path in finished.iterdir()} == shards | set(INDEX_FILES)
    assert ClassList.read(finished / "classes.json").rows == list(range(10))
    with Image.open(finished / "contact_sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_webdataset_reads_it(finished: Path) -> None:
    import webdataset

    urls = [str(path) for path in sorted(finished.glob("train-*.tar"))]
    data = webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("png", "cls", "json", "tokens.npy")
    ours = list(ShardSet.open(finished))
    for theirs, sample in zip(data, ours, strict=True):
        image, cls, info, tokens = theirs
        assert np.array_equal(image, sample.image)
        assert (cls, info) == (sample.cls, sample.info)
        assert np.array_equal(tokens, sample.tokens)


def test_datasets_reads_it(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    data = datasets.load_dataset(
        "webdataset", data_files=str(finished / "train-*.tar"), split="train", cache_dir=str(tmp_path)
    )
    ours = list(ShardSet.open(finished))
    assert data.num_rows == len(ours)
    for theirs, sample in zip(data, ours, strict=True):
        assert np.array_equal(np.asarray(theirs["png"]), sample.image)
        assert theirs["cls"] == sample.cls
        assert theirs["json"]["name"] == sample.info["name"]
        assert theirs["__key__"] == sample.key


def test_timm_reads_it(finished: Path) -> None:
    from timm.data import create_dataset

    data = create_dataset("wds/", root=str(finished), split="train", is_training=False, batch_size=1)
    ours = list(ShardSet.open(finished))
    assert len(data) == len(ours)
    for (image, target), sample in zip(data, ours, strict=True):
        assert np.array_equal(np.asarray(image.convert("RGB")), sample.image)
        assert int(target) == sample.cls


def test_card_has_front_matter_that_finds_the_shards(finished: Path) -> None:
    card = (finished / "README.md").read_text()
    _, front, text = card.split("---\n", 2)
    matter = yaml.safe_load(front)
    (pattern,) = {file["path"] for file in matter["configs"][0]["data_files"]}
    assert {path.name for path in finished.glob(pattern)} == {f"train-{n:06d}.tar" for n in range(4)}
    assert matter["size_categories"] == ["n<1K"]
    assert "contact_sheet.png" in text
    assert ShardSet.open(finished).manifest.identity_hash in text
