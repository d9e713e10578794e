"""Whatever write fails, and at whatever moment: what is complete stays, the error says what to do, and it goes on."""

import errno
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.shards.folder import read_sidecar
from hieramp_lit.shards.reader import file_fault
from tests.callbacks.test_token_writer import images, tokenizer  # noqa: F401 (fixtures)
from tests.data.tokens.token_caches import image_data, make_cache
from tests.failing_disk import failing_disk, full_within_a_file
from tests.shards.making import NoiseGenerator, contents, make_set

EXPLANATION = {
    errno.ENOSPC: r"No space left on device.*Complete shards are kept.* are free.*make room, or choose another",
    errno.EROFS: r"Read-only file system.*Complete shards are kept.*write access, or choose another model\.output",
    errno.EACCES: r"Permission denied.*Complete shards are kept.*write access, or choose another model\.output",
}


def small_set(folder: Path, generator: NoiseGenerator | None = None) -> None:
    make_set(folder, generator, images_per_class=1, shard_size=5, save_saliency=True)


def complete(folder: Path) -> list[int]:
    """Shards that count as complete; each of them is whole."""
    found = []
    for sidecar in sorted(folder.glob("train-*.json")):
        record = read_sidecar(sidecar)
        assert file_fault(folder / record.file, record) is None
        found.append(record.shard)
    return found


def walk_through_failures(
    folder: Path, code: int, make: Callable[[Path], object], whole: dict[str, bytes], step: int
) -> int:
    """Let the disk fail from the n-th operation on, for every step-th n; how many failures there were."""
    for failures, first in enumerate(count(step=step)):
        target, raised = folder / str(first), None
        with failing_disk(target, code, first) as disk:
            try:
                make(target)
            except OSError as error:
                raised = error
        if not disk.failed:
            assert contents(target) == whole
            return failures
        if raised is not None:  # a lock's file that stays behind is no error
            assert raised.errno == code
            assert re.search(EXPLANATION[code], str(raised))
            assert str(target) in str(raised)
        if target.exists():
            left = contents(target)
            assert all(left[name] == whole[name] for name in left if name in whole), "what has its name is whole"
            if code == errno.ENOSPC:
                assert not [name for name in left if name.endswith(".tmp")], "nothing takes room on the full disk"
        make(target)
        assert contents(target) == whole
    raise AssertionError


@pytest.mark.parametrize(("code", "step"), [(errno.ENOSPC, 2), (errno.EROFS, 9), (errno.EACCES, 13)])
def test_a_set_survives_every_failing_write(tmp_path: Path, code: int, step: int) -> None:
    small_set(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert walk_through_failures(tmp_path, code, small_set, whole, step) >= 40 // step


@pytest.mark.parametrize(("code", "step"), [(errno.ENOSPC, 7), (errno.EROFS, 23)])
def test_a_token_cache_survives_failing_writes(
    tmp_path: Path,
    tokenizer: Any,  # noqa: F811
    images: Path,  # noqa: F811
    code: int,
    step: int,
) -> None:
    def make(folder: Path) -> None:
        make_cache(folder, tokenizer, image_data(images, batch_size=8), views=1, shard_size=16)

    make(tmp_path / "whole")
    assert walk_through_failures(tmp_path, code, make, contents(tmp_path / "whole"), step) >= 2


def test_a_write_that_fails_in_the_middle_of_a_file(tmp_path: Path) -> None:
    make_set(tmp_path / "whole")
    largest = max(path.stat().st_size for path in (tmp_path / "whole").glob("*.tar"))
    smallest = min(path.stat().st_size for path in (tmp_path / "whole").glob("*.tar"))
    with (
        full_within_a_file((smallest + largest) // 2),
        pytest.raises(OSError, match=r"File too large.*make room, or choose another model\.output"),
    ):
        make_set(tmp_path / "set")
    assert complete(tmp_path / "set") == []
    assert not list((tmp_path / "set").glob(".*.tmp"))
    make_set(tmp_path / "set")
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_cache_file_that_fails_in_the_middle(
    tmp_path: Path,
    tokenizer: Any,  # noqa: F811
    images: Path,  # noqa: F811
) -> None:
    def make(folder: Path) -> None:
        make_cache(folder, tokenizer, image_data(images), views=1, shard_size=22)

    make(tmp_path / "whole")
    size = (tmp_path / "whole" / "train-view00-000000.tokens.npy").stat().st_size
    with (
        full_within_a_file(size - 100),
        pytest.raises(OSError, match=r"File too large.*\d+ bytes are needed: make room, or choose another") as error,
    ):
        make(tmp_path / "cache")
    assert error.value.errno == errno.EFBIG
    assert not list((tmp_path / "cache").glob(".*.tmp"))
    make(tmp_path / "cache")
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")


def test_the_error_says_how_much_room_the_rest_takes(tmp_path: Path) -> None:
    for first in count(14, step=2):
        with (
            failing_disk(tmp_path / str(first), errno.ENOSPC, first),
            pytest.raises(OSError, match="No space") as error,
        ):
            make_set(tmp_path / str(first))
        done = complete(tmp_path / str(first))
        if len(done) == 2:
            break
    size = sum((tmp_path / str(first) / f"train-00000{n}.tar").stat().st_size for n in done)
    assert f"about {size} bytes are needed" in str(error.value)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_finished_set_on_a_read_only_disk_needs_nothing(tmp_path: Path, code: int) -> None:
    small_set(tmp_path / "set")
    before = contents(tmp_path / "set")
    generator = NoiseGenerator()
    with failing_disk(tmp_path / "set", code):
        small_set(tmp_path / "set", generator)
    assert generator.calls == 0
    assert contents(tmp_path / "set") == before
    (tmp_path / "set" / "train-000001.tar").unlink()
    with failing_disk(tmp_path / "set", code), pytest.raises(OSError, match=EXPLANATION[code]):
        small_set(tmp_path / "set", generator)
    assert generator.calls == 0


def test_a_finished_token_cache_on_a_read_only_disk_needs_nothing(
    tmp_path: Path,
    tokenizer: Any,  # noqa: F811
    images: Path,  # noqa: F811
) -> None:
    folder = tmp_path / "cache"
    make_cache(folder, tokenizer, image_data(images))
    before = contents(folder)
    with failing_disk(folder, errno.EROFS):
        make_cache(folder, tokenizer, image_data(images))
    assert contents(folder) == before
    content = bytearray((folder / "val-view00-000000.tokens.npy").read_bytes())
    content[-1] ^= 1
    (folder / "val-view00-000000.tokens.npy").write_bytes(content)
    with failing_disk(folder, errno.EROFS), pytest.raises(OSError, match=EXPLANATION[errno.EROFS]):
        make_cache(folder, tokenizer, image_data(images))
