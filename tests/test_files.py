import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from hieramp_lit.files import atomic_write, parse_json, read_json, sha256, write_json, write_text


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path):
    target = tmp_path / "deep" / "file.txt"
    write_text(target, "old")

    def write_until_the_disk_is_full() -> None:
        with atomic_write(target) as temporary:
            temporary.write_text("half of the n")
            raise OSError("disk is full")

    with pytest.raises(OSError, match="disk"):
        write_until_the_disk_is_full()
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]
    write_text(target, "new")
    assert target.read_text() == "new"


def test_the_temporary_name_lies_beside_the_target_and_is_hidden(tmp_path: Path):
    with atomic_write(tmp_path / "a.bin") as temporary:
        assert (temporary.parent, temporary.name) == (tmp_path, ".a.bin.tmp")
        assert not (tmp_path / "a.bin").exists()
        temporary.write_bytes(b"")
    assert (tmp_path / "a.bin").exists()


def test_equal_values_give_equal_bytes_and_nan_is_refused(tmp_path: Path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "β"})
    write_json(tmp_path / "b.json", {"a": "β", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": "β", "b": 1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c.json", float("nan"))
    assert not (tmp_path / "c.json").exists()


def test_sha256_of_a_file(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path):
    with atomic_write(tmp_path / "a") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)  # as some libraries leave it
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b'{"a": {"b": 1, "b": 1}}', "a key twice"),
        (b"[NaN]", "NaN, which is no number"),
        (b"[-Infinity]", "-Infinity, which is no number"),
        (b"[" * 10**5, "nested too deeply"),
        (b'{"a":' * 10**5, "nested too deeply"),
        (b"9" * 5000, "4300"),
        (b"", "Expecting value"),
        (b"\xff\xfe{", "decode"),
    ],
    ids=range(9),
)
def test_json_has_one_meaning(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(content)


def test_json_is_read_as_it_was_written_and_no_larger_than_allowed(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "ä"], "b": {"c": True}}
    write_json(tmp_path / "x.json", value)
    size = (tmp_path / "x.json").stat().st_size
    assert read_json(tmp_path / "x.json", size) == value
    with pytest.raises(ValueError, match=f"more than {size - 1} bytes"):
        read_json(tmp_path / "x.json", size - 1)


def test_reading_takes_no_more_room_than_the_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", [1])
    tracemalloc.start()
    assert read_json(tmp_path / "x.json") == [1]
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
