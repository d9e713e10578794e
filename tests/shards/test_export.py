"""An exported set holds the images byte for byte, whole or not at all; imported again, it is the same data."""

import errno
import json
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.classes import ClassEntry, ClassList, load_classes
from hieramp_lit.files import write_json
from hieramp_lit.shards import Manifest, ShardError, ShardFile, ShardSet
from hieramp_lit.shards.export import class_names, export_folder
from hieramp_lit.shards.identity import classes_sha256
from hieramp_lit.shards.import_folder import import_folder
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.shards.reader import read_shard
from tests.failing_disk import failing_disk
from tests.shards.making import contents, make_set
from tests.shards.test_verify import TAR, flip_byte


def tree(root: Path) -> dict[str, bytes]:
    """Every file of a folder tree."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def forge(folder: Path, key: str, **fields: bytes) -> ShardSet:
    """A set whose first sample is another, under right checksums."""
    manifest = Manifest.read(folder)
    samples = list(read_shard(folder / "train-000000.tar"))
    file = ShardFile(folder, 0, manifest.identity_hash)
    for place, (old, content) in enumerate(samples):
        file.add(*((key, {**content, **fields}) if place == 0 else (old, content)))
    Manifest(manifest.identity, (file.commit(), *manifest.shards[1:]), manifest.versions).write(folder)
    return ShardSet.open(folder)


def test_each_image_is_there_byte_for_byte(finished: Path, tmp_path: Path) -> None:
    shards = ShardSet.open(finished)
    export_folder(shards, tmp_path / "out", "index")
    expected = {
        f"{int(fields['cls']):05d}/{key}.png": fields["png"]
        for record in shards.manifest.shards
        for key, fields in shards.read(record)
    }
    assert len(expected) == 20
    assert tree(tmp_path / "out") == {**expected, "classes.json": (finished / "classes.json").read_bytes()}
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_the_working_directory_is_not_replaced(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    for out in (Path(), tmp_path / "out", Path("../out")):
        with pytest.raises(ShardError, match=r"--out=.* is the working directory"):
            export_folder(ShardSet.open(finished), out, "index")
    export_folder(ShardSet.open(finished), Path("new"), "index")
    assert len(tree(tmp_path)) == 21


def test_the_set_s_own_folder_is_no_place_for_it(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)
    monkeypatch.chdir(copy.parent)
    for out in (copy / "x", copy / "deep" / "x", Path("copy/x"), copy):
        with pytest.raises(ShardError, match=r"--out=.* lies in the folder of the set that is exported"):
            export_folder(ShardSet.open(copy), out, "index")
    assert contents(copy) == before


def test_torchvision_reads_it(finished: Path, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    export_folder(ShardSet.open(finished), tmp_path / "out", "index")
    images = ImageFolder(str(tmp_path / "out"))
    assert [label for _, label in images] == [sample.cls for sample in ShardSet.open(finished)]
    for (image, _), sample in zip(images, ShardSet.open(finished), strict=True):
        assert np.array_equal(np.asarray(image), sample.image)


def test_webp_stays_webp(tmp_path: Path) -> None:
    export_folder(make_set(tmp_path / "set", image_format="webp"), tmp_path / "out", "index")
    assert {path.suffix for path in (tmp_path / "out").rglob("*.*")} == {".webp", ".json"}


def test_folders_by_wordnet_id() -> None:
    woof = load_classes("imagewoof")
    assert class_names(woof, "wnid") == [entry.wnid for entry in woof.entries]
    with pytest.raises(ShardError, match=r"10 class\(es\) have no WordNet id of their own .*--layout index"):
        class_names(load_classes("digits"), "wnid")


@pytest.mark.parametrize("wnid", ["../../n01440764", "n01440764/..", "", "/n01440764", "n0144076"])
def test_no_wordnet_id_leads_out_of_the_folder(wnid: str) -> None:
    classes = ClassList((ClassEntry(0, 0, wnid, "../x", None),))
    with pytest.raises(ShardError, match="WordNet id"):
        class_names(classes, "wnid")
    assert class_names(classes, "index") == ["00000"]


@pytest.mark.parametrize("key", ["../../escape", "/escape", "r00000_00000/../../escape", "..", "r0_0"])
def test_no_name_of_a_sample_leads_out_of_the_folder(copy: Path, tmp_path: Path, key: str) -> None:
    forged = forge(copy, key)
    with pytest.raises(ShardError, match=r"train-000000\.tar: sample .* is damaged|comes twice"):
        export_folder(forged, tmp_path / "deep" / "out", "index")
    assert not (tmp_path / "deep" / "out").exists()
    assert not list(tmp_path.glob("**/*escape*"))
    assert not list((tmp_path / "deep").iterdir())


@pytest.mark.parametrize("cls", [b"1", b"-1", b"99", b"x", "\u0660".encode()])
def test_a_wrong_label_is_not_exported(copy: Path, tmp_path: Path, cls: bytes) -> None:
    with pytest.raises(ShardError, match="is damaged"):
        export_folder(forge(copy, "r00000_00000", cls=cls), tmp_path / "out", "index")


def test_a_damaged_shard_is_not_exported(copy: Path, tmp_path: Path) -> None:
    flip_byte(copy / TAR)
    with pytest.raises(ShardError, match=f"{TAR}: sha256 differs"):
        export_folder(ShardSet.open(copy), tmp_path / "out", "index")
    assert {path.name for path in tmp_path.iterdir()} == {"copy"}


def test_nothing_is_overwritten(finished: Path, tmp_path: Path) -> None:
    shards = ShardSet.open(finished)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ShardError, match=r"--out=.* is not an empty folder"):
        export_folder(shards, tmp_path / "out", "index")
    (tmp_path / ".other.tmp").mkdir()
    (tmp_path / ".other.tmp" / "mine").write_text("mine")
    with pytest.raises(ShardError, match=r"\.other\.tmp is in the way"):
        export_folder(shards, tmp_path / "other", "index")
    assert (tmp_path / ".other.tmp" / "mine").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    export_folder(shards, tmp_path / "empty", "index")
    assert len(tree(tmp_path / "empty")) == 21


def test_a_killed_export_is_done_anew(finished: Path, tmp_path: Path) -> None:
    shards = ShardSet.open(finished)
    export_folder(shards, tmp_path / "whole", "index")
    shutil.copytree(tmp_path / "whole", tmp_path / ".out.tmp")  # what kill -9 leaves: the lock's file is there
    (tmp_path / ".out.tmp" / ".lock").write_text("process 1")
    (tmp_path / ".out.tmp" / "00000" / "r00000_00000.png").write_bytes(b"half")
    (tmp_path / ".out.tmp" / "00000" / "r00000_00009.png").write_bytes(b"of another set")
    export_folder(shards, tmp_path / "out", "index")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    lock = FolderLock(tmp_path / ".again.tmp", first=True)
    with pytest.raises(ShardError, match=r"--out=.* is being written by another command"):
        export_folder(shards, tmp_path / "again", "index")
    lock.release()


def test_a_full_disk_leaves_nothing(finished: Path, tmp_path: Path) -> None:
    shards = ShardSet.open(finished)
    for first in count(step=3):
        with failing_disk(tmp_path, errno.ENOSPC, first) as disk, suppress(OSError):
            export_folder(shards, tmp_path / "out", "index")
        if not disk.failed:
            break
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not (tmp_path / "out").exists()
    assert first > 30
    assert len(tree(tmp_path / "out")) == 21


def test_an_import_survives_a_failing_disk(finished: Path, tmp_path: Path) -> None:
    shards = ShardSet.open(finished)
    export_folder(shards, tmp_path / "images", "index")
    import_folder(tmp_path / "images", tmp_path / "whole", shards.classes, shard_size=8)
    for first in count(step=5):
        folder = tmp_path / str(first)
        with failing_disk(folder, errno.ENOSPC, first) as disk, suppress(OSError):
            import_folder(tmp_path / "images", folder, shards.classes, shard_size=8)
        import_folder(tmp_path / "images", folder, shards.classes, shard_size=8)
        assert contents(folder) == contents(tmp_path / "whole")
        if not disk.failed:
            break
    assert first > 40
    with failing_disk(folder, errno.EROFS):  # finished: nothing needs to be written
        import_folder(tmp_path / "images", folder, shards.classes, shard_size=8)


def test_export_import_export_is_the_same_byte_for_byte(finished: Path, tmp_path: Path) -> None:
    shards = ShardSet.open(finished)
    export_folder(shards, tmp_path / "first", "index")
    made = import_folder(tmp_path / "first", tmp_path / "set", shards.classes, generator="noise", shard_size=7)
    assert (made.kept, made.encoded, made.resized) == (20, 0, 0)
    made.shard_set.verify()
    export_folder(made.shard_set, tmp_path / "second", "index")
    assert tree(tmp_path / "second") == tree(tmp_path / "first")


def test_by_wordnet_id_there_and_back(tmp_path: Path) -> None:
    woof = load_classes("imagewoof")
    for entry in woof.entries:
        (tmp_path / "first" / str(entry.wnid)).mkdir(parents=True)
        pixels = np.full((4, 4, 3), entry.cls, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "first" / str(entry.wnid) / f"r{entry.row:05d}_00000.png")
    write_json(tmp_path / "first" / "classes.json", woof.to_json())
    made = import_folder(tmp_path / "first", tmp_path / "set", load_classes("imagenet")).shard_set
    assert made.manifest.identity["plan"]["classes_sha256"] == classes_sha256(made.classes)
    assert {entry.row for entry in made.classes.entries} == {entry.row for entry in woof.entries}
    assert {sample.row: int(sample.image[0, 0, 0]) for sample in made} == {e.row: e.cls for e in woof.entries}
    export_folder(made, tmp_path / "second", "wnid")
    left, right = tree(tmp_path / "first"), tree(tmp_path / "second")
    assert {name for name in left if left[name] != right.get(name)} <= {"classes.json"}  # of another order of classes
    assert left.keys() == right.keys()


def test_the_class_list_comes_along(finished: Path, tmp_path: Path) -> None:
    export_folder(ShardSet.open(finished), tmp_path / "out", "index")
    value: Any = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert [entry["name"] for entry in value] == [str(digit) for digit in range(10)]
