import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hieramp_lit.files import write_json
from hieramp_lit.shards import Manifest, ShardError, ShardFile, ShardSet
from hieramp_lit.shards.encode import encode_image, encode_json
from hieramp_lit.shards.reader import read_shard
from hieramp_lit.shards.verify import find_faults
from tests.shards.making import NoiseGenerator, make_set

Fields = dict[str, bytes]
TAR = "train-000001.tar"


def rewrite(folder: Path, change: Callable[[list[tuple[str, Fields]]], list[tuple[str, Fields]]]) -> None:
    """Change samples of shard 1 and make every checksum agree again, as a careful forger would."""
    samples = change(list(read_shard(folder / TAR)))
    manifest = Manifest.read(folder)
    file = ShardFile(folder, 1, manifest.identity_hash)
    for key, fields in samples:
        file.add(key, fields)
    records = [file.commit() if record.shard == 1 else record for record in manifest.shards]
    Manifest(manifest.identity, tuple(records), manifest.versions).write(folder)


def with_field(samples: list[tuple[str, Fields]], place: int, **fields: bytes) -> list[tuple[str, Fields]]:
    key, old = samples[place]
    return [*samples[:place], (key, {**old, **fields}), *samples[place + 1 :]]


def swap_labels(samples: list[tuple[str, Fields]]) -> list[tuple[str, Fields]]:
    first, last = samples[0][1]["cls"], samples[-1][1]["cls"]
    return with_field(with_field(samples, 0, cls=last), -1 % len(samples), cls=first)


def other_seed(samples: list[tuple[str, Fields]]) -> list[tuple[str, Fields]]:
    info = json.loads(samples[2][1]["json"])
    return with_field(samples, 2, json=encode_json({**info, "seed": 5}))


def without(samples: list[tuple[str, Fields]], name: str) -> list[tuple[str, Fields]]:
    return [(key, {field: value for field, value in fields.items() if field != name}) for key, fields in samples]


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_sound_set_passes(finished: Path) -> None:
    ShardSet.open(finished).verify()


FILE_DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: flip_byte(folder / TAR), rf"{TAR}: sha256 differs"),
    (
        lambda folder: (folder / TAR).write_bytes((folder / TAR).read_bytes()[:3000]),
        rf"{TAR}: 3000 bytes, the manifest",
    ),
    (lambda folder: (folder / TAR).unlink(), rf"{TAR}: the shard is missing"),
    (lambda folder: (folder / "train-000001.json").unlink(), r"train-000001\.json: the sidecar is missing"),
    (lambda folder: (folder / "train-000001.json").write_text("{}"), r"train-000001\.json: .*expected the fields"),
    (
        lambda folder: shutil.copy(folder / "train-000000.json", folder / "train-000001.json"),
        r"train-000001\.json: does not say what the manifest says",
    ),
    (
        lambda folder: shutil.copy(folder / TAR, folder / "train-000009.tar"),
        r"train-000009\.tar: the plan has no such shard",
    ),
    (lambda folder: (folder / "_info.json").unlink(), r"_info\.json: missing"),
    (lambda folder: (folder / "_info.json").write_text("{}"), r"_info\.json: does not list the manifest's shards"),
    (lambda folder: (folder / "README.md").write_text("# Another"), r"README\.md: does not name the set's identity"),
    (lambda folder: flip_byte(folder / "contact_sheet.png"), r"contact_sheet\.png: no readable picture"),
    (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json: missing, the set is not finished"),
    (lambda folder: (folder / "manifest.json").write_text("["), r"manifest\.json: .* is damaged"),
    (lambda folder: flip_byte(folder / "manifest.json"), r"manifest\.json: "),
    (lambda folder: (folder / "classes.json").write_text("[]"), r"classes\.json: .*the list is empty"),
    (
        lambda folder: shutil.copy(folder / "train-000000.json", folder / "train-000004.json"),
        r"train-000004\.json: the",
    ),
    (lambda folder: (folder / "contact_sheet.png").unlink(), r"contact_sheet\.png: missing"),
]


@pytest.mark.parametrize(("damage", "message"), FILE_DAMAGE, ids=[message for _, message in FILE_DAMAGE])
def test_damaged_files_are_named(copy: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(copy)
    found = "\n".join(map(str, find_faults(copy)))
    assert re.search(message, found)
    assert "hieramp predict" in found or "delete it" in found


SAMPLE_DAMAGE: list[tuple[Callable[[list[tuple[str, Fields]]], list[tuple[str, Fields]]], str]] = [
    (swap_labels, r"sample r00003_00000 has cls 5, which is not the class of row 3"),
    (other_seed, r"sample r00004_00000: its json disagrees with the set in seed"),
    (lambda s: s[:-1], r"5 samples .* where the plan has shard 1 with 6"),
    (lambda s: [s[1], s[0], *s[2:]], r"key r00003_00001 where the plan has r00003_00000"),
    (lambda s: [("x", s[0][1]), *s[1:]], r"key x where the plan has r00003_00000"),
    (lambda s: with_field(s, 1, png=s[1][1]["png"][:80]), r"sample r00003_00001 cannot be decoded"),
    (lambda s: with_field(s, 1, cls=b"four"), r"sample r00003_00001 cannot be decoded"),
    (lambda s: [(s[0][0], {"png": s[0][1]["png"]}), *s[1:]], r"sample r00003_00000 has the fields \['png'\]"),
    (lambda s: with_field(s, 1, json=encode_json([])), r"sample r00003_00001 cannot be decoded .*json a list"),
    (lambda s: with_field(s, 1, png=encode_image(np.zeros((4, 4, 3), np.uint8), "png")), r"r00003_00001 has 4 × 4"),
    (lambda s: with_field(s, 1, webp=b"?"), r"r00003_00001 has the fields .*'webp'"),
    (lambda s: without(s, "tokens.npy"), "those of the other"),
    (lambda s: without(s, "saliency.npy"), r"sample r00003_00000 has the fields .*, expected .*'saliency\.npy'"),
]


@pytest.mark.parametrize(("change", "message"), SAMPLE_DAMAGE, ids=[message for _, message in SAMPLE_DAMAGE])
def test_wrong_samples_are_named_even_under_right_checksums(copy: Path, change, message: str) -> None:
    rewrite(copy, change)
    assert re.search(message, "\n".join(map(str, find_faults(copy))))
    with pytest.raises(ShardError, match=TAR):
        ShardSet.open(copy).verify()


def test_a_sample_that_comes_twice_is_named(copy: Path) -> None:
    samples = list(read_shard(copy / TAR))
    with tarfile.open(copy / TAR, "a") as tar:
        for field, content in samples[0][1].items():
            member = tarfile.TarInfo(f"{samples[0][0]}.{field}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert re.search(rf"{TAR}: r00003_00000\.\S+ comes twice", "\n".join(map(str, find_faults(copy))))


def test_two_configurations_in_one_folder_are_named(copy: Path, tmp_path: Path) -> None:
    other = make_set(tmp_path / "other", NoiseGenerator(2.0), save_saliency=True)
    for name in (TAR, "train-000001.json"):
        shutil.copy(other.path / name, copy / name)
    found = "\n".join(map(str, find_faults(copy)))
    assert "train-000001.json: does not say what the manifest says" in found
    assert f"{TAR}: sample r00003_00000: its json disagrees with the set in sampling.strength" in found
    (copy / "manifest.json").unlink()  # an unfinished set: its claim tells the configuration
    write_json(copy / ".identity.json", dict(other.manifest.identity))
    assert {fault.shard for fault in find_faults(copy) if "made with another configuration" in fault.what} == {0, 2, 3}


def test_an_unfinished_set_is_told_and_its_shards_are_checked(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broke"):
        make_set(tmp_path / "set", NoiseGenerator(fail_at=4))
    assert [fault.kind for fault in find_faults(tmp_path / "set")] == ["unfinished"]
    flip_byte(tmp_path / "set" / TAR)
    assert [(fault.kind, fault.shard) for fault in find_faults(tmp_path / "set")][:2] == [
        ("unfinished", None),
        ("shard", 1),
    ]


def test_quick_reads_no_shard_and_only_some(copy: Path) -> None:
    size = (copy / TAR).stat().st_size
    (copy / TAR).write_bytes(b"x" * size)
    assert not list(find_faults(copy, contents=False))
    assert not list(find_faults(copy, only=[0, 2]))
    assert {fault.shard for fault in find_faults(copy, only=[1])} == {1}
    (copy / TAR).write_bytes(b"x" * (size - 1))
    assert {fault.shard for fault in find_faults(copy, contents=False)} == {1}


def test_progress_counts_the_shards(finished: Path) -> None:
    told: list[tuple[int, int]] = []
    assert not list(find_faults(finished, progress=lambda done, total: told.append((done, total))))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_every_fault_is_named_at_once(copy: Path) -> None:
    flip_byte(copy / "train-000000.tar")
    (copy / "train-000002.json").unlink()
    with pytest.raises(ShardError, match=r"train-000000\.tar(.|\n)*train-000002\.json"):
        ShardSet.open(copy).verify()


def test_another_class_list_is_named(copy: Path) -> None:
    classes = json.loads((copy / "classes.json").read_text())
    classes[0]["name"], classes[1]["name"] = classes[1]["name"], classes[0]["name"]
    (copy / "classes.json").write_text(json.dumps(classes))
    with pytest.raises(ShardError, match=r"classes\.json: not the class list"):
        ShardSet.open(copy).verify()


def test_a_flipped_byte_anywhere_is_found(copy: Path) -> None:
    whole = (copy / TAR).read_bytes()
    for place in range(0, len(whole), len(whole) // 7):
        (copy / TAR).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ShardError, match=TAR):
            ShardSet.open(copy).verify()


def test_the_forger_of_these_tests_forges_nothing_by_itself(copy: Path) -> None:
    rewrite(copy, lambda samples: samples)
    ShardSet.open(copy).verify()
    with tarfile.open(copy / TAR) as tar:
        assert len(tar.getnames()) == 6 * 5
