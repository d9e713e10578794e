import errno
import os
import re
from pathlib import Path

import pytest

from hieramp_lit.shards.write_errors import explained


def fail(folder: Path, code: int, needed: int | None = None) -> str:
    with (
        pytest.raises(OSError, match=r"--out=") as error,
        explained(folder, key="--out", kept="All is kept.", needed=needed),
    ):
        raise OSError(code, os.strerror(code), str(folder / "file"))
    assert error.value.errno == code
    return str(error.value)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_says_how_much_is_free_and_needed(tmp_path: Path, code: int) -> None:
    message = fail(tmp_path / "not" / "there", code, needed=3 * 2**30)
    for part in (os.strerror(code), str(tmp_path / "not" / "there" / "file"), "All is kept.", "3,072 MiB are needed"):
        assert part in message
    assert re.search(r"[\d,]+ MiB are free", message)
    assert "are needed" not in fail(tmp_path, code)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_no_access_says_so(tmp_path: Path, code: int) -> None:
    message = fail(tmp_path, code)
    assert "Get write access, or choose another --out" in message
    assert "free" not in message


def test_other_errors_pass(tmp_path: Path) -> None:
    assert "look at the file system" in fail(tmp_path, errno.EIO)
    with pytest.raises(ValueError, match="mine"), explained(tmp_path, key="--out", kept=""):
        raise ValueError("mine")
