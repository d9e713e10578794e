import json
from pathlib import Path

import pytest

from hieramp_lit.shards import Manifest, ShardError, ShardSet


def edit(folder: Path, change: dict) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_tells_what_made_the_set(finished: Path) -> None:
    manifest = Manifest.read(finished)
    assert (manifest.generator, manifest.seed, manifest.images_per_class, manifest.shard_size) == ("noise", 0, 2, 6)
    assert manifest.rows == list(range(10))
    assert len(manifest) == 20
    assert manifest.configuration["sampling"] == {"strength": 1.0}
    assert {"torch", "numpy", "pillow", "hieramp_lit", "python"} <= set(manifest.versions)
    value = json.loads((finished / "manifest.json").read_text())
    assert value["format"] == {"name": "hieramp-shards", "version": 1}
    assert value["plan"]["images_per_class"] == 2
    assert value["configuration"] == value["identity"]["configuration"]
    assert [record["samples"] for record in value["shards"]] == [6, 6, 6, 2]


def test_round_trip(finished: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(finished)
    manifest.write(tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == (finished / "manifest.json").read_bytes()
    assert Manifest.read(tmp_path).hash == manifest.hash


def test_holds_nothing_of_the_machine(finished: Path) -> None:
    text = "".join((finished / name).read_text() for name in ("manifest.json", "README.md", "train-000000.json"))
    assert str(finished) not in text
    for word in ("batch_size", "device", "host", "date", "time"):
        assert word not in text.lower()


def test_an_unfinished_folder_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="run the same command again"):
        ShardSet.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": {"name": "hieramp-shards", "version": 2}}, "reads hieramp-shards version 1"),
        ({"identity_hash": "0" * 64}, "was edited"),
        ({"generator": "var"}, "was edited"),
        ({"shards": 3}, "damaged"),
        ({"shards": [{}]}, "damaged"),
        ({"identity": {}}, "was edited"),
    ],
)
def test_damage_is_named(copy: Path, change: dict, message: str) -> None:
    edit(copy, change)
    with pytest.raises(ShardError, match=message):
        Manifest.read(copy)


def test_no_json_is_named(copy: Path) -> None:
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ShardError, match=r"manifest\.json is damaged"):
        Manifest.read(copy)
