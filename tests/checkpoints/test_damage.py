"""Damaged files of torch's older format, whose reader runs what the damage makes of a pickle, end in one message."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.checkpoints import check_resumable, read_record, read_tensors
from hieramp_lit.checkpoints.damage import told
from tests.fuzzing import FUZZ, damaged


def older(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


WHOLE = older({"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)})
CONTENT = WHOLE.index(b"weight")


def refusal(act: Callable[[], object]) -> str:
    """The message of a ValueError, or nothing; other errors go on."""
    try:
        act()
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@FUZZ
@given(damage=damaged(WHOLE[CONTENT - 40 :]) | damaged(WHOLE))
def test_it_reads_or_names_key_and_file(damage: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "older.pth"
    path.write_bytes(damage if len(damage) > len(WHOLE) - 40 else WHOLE[: CONTENT - 40] + damage)
    said = refusal(lambda: read_tensors(path, key="model.checkpoint"))
    assert said == "" or said.startswith(
        (f"model.checkpoint: {path} ", f"model.checkpoint: cannot read weights from {path} ")
    )
    assert "\x1b" not in said
    said = refusal(lambda: check_resumable(path))
    assert said.startswith(f"--ckpt_path {path}: ")
    assert "\x1b" not in said


@pytest.mark.parametrize("reader", [read_tensors, check_resumable])
@pytest.mark.parametrize("bytes_left", [1, 40, CONTENT // 2, CONTENT + 3])
def test_a_file_cut_anywhere_is_damaged(tmp_path: Path, reader, bytes_left: int) -> None:
    path = tmp_path / "older.pth"
    path.write_bytes(WHOLE[:bytes_left])
    with pytest.raises(ValueError, match="damaged, cut short"):
        reader(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_what_a_damaged_file_says_beside_its_weights_is_refused_too(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    with pytest.raises(ValueError, match=rf"model\.checkpoint: cannot read .*{name}"):
        read_record(tmp_path / name, key="model.checkpoint")


@given(text=st.text(max_size=30))
def test_an_error_is_told_in_one_line_without_codes(text: str) -> None:
    line = told(ValueError(f"\x1b[1m{text}\x1b[0m"))
    assert line.startswith("ValueError")
    assert len(line.splitlines()) == 1
    assert told(EOFError()) == "EOFError"
    assert told(KeyError("\x1b[1mbold\x1b[0m\nmore")) != ""
    assert told(ValueError("\x1b[1mbold\x1b[0m\nmore")) == "ValueError: bold"
