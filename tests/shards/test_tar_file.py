"""A shard's tar file holds plain files of a bounded size; everything else is refused where it stands."""

import io
import tarfile
from pathlib import Path

import pytest

from hieramp_lit.shards import ShardError
from hieramp_lit.shards.tar_file import MOST_MEMBER_BYTES, tar_members


def tar_of(*members: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def member(name: str = "r00000_00000.png", size: int = 0, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def read(tmp_path: Path, content: bytes) -> list[tuple[str, bytes]]:
    (tmp_path / "x.tar").write_bytes(content)
    return list(tar_members(tmp_path / "x.tar"))


def test_reads_what_tarfile_reads(finished: Path) -> None:
    for path in sorted(finished.glob("*.tar")):
        with tarfile.open(path) as tar:
            expected = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
        assert list(tar_members(path)) == expected
        assert len(expected) >= 10


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 5000])
def test_sizes_around_a_block(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * 20
    made = tar_of((member(size=size), content[:size]), (member("b.cls", 1), b"7"))
    assert read(tmp_path, made) == [("r00000_00000.png", content[:size]), ("b.cls", b"7")]


KINDS = {
    "symbolic link": member(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member(type=tarfile.LNKTYPE, linkname="other"),
    "folder": member(type=tarfile.DIRTYPE),
    "device": member(type=tarfile.CHRTYPE),
    "pipe": member(type=tarfile.FIFOTYPE),
    "sparse file": member(type=tarfile.GNUTYPE_SPARSE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_anything_but_plain_files_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ShardError, match="is no plain file"):
        read(tmp_path, tar_of((KINDS[kind], b"")))


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_extension_headers_are_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(ShardError, match="is no plain file"):
        read(tmp_path, tar_of((member("x" * 300, 1), b"1"), kind=kind))


@pytest.mark.parametrize("size", [1025, 2**33, MOST_MEMBER_BYTES + 1])
def test_a_size_that_the_file_has_not_is_refused_before_it_is_read(tmp_path: Path, size: int) -> None:
    header = member(size=size).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(ShardError, match=f"claims {size} bytes"):
        read(tmp_path, header + bytes(1024))


def test_a_file_larger_than_any_sample_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(member(size=MOST_MEMBER_BYTES + 512).tobuf())
        file.truncate(MOST_MEMBER_BYTES + 4096)  # a hole: it takes no room on the disk
    with pytest.raises(ShardError, match=f"{MOST_MEMBER_BYTES} are allowed"):
        list(tar_members(tmp_path / "x.tar"))


def test_a_negative_size_does_not_lead_back(tmp_path: Path) -> None:
    header = bytearray(member(size=0).tobuf())
    header[124:136] = (-512 % 256**12).to_bytes(12, "big")  # base 256, as GNU tar writes what octal cannot hold
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]  # type: ignore[attr-defined]
    with pytest.raises(ShardError, match="cut short or damaged"):
        read(tmp_path, bytes(header) + bytes(2048))


@pytest.mark.parametrize("length", [0, 100, 512, 1024])
def test_an_end_that_is_missing_is_named(tmp_path: Path, length: int) -> None:
    whole = tar_of((member(size=512), b"x" * 512))
    with pytest.raises(ShardError, match="cut short"):
        read(tmp_path, whole[:length])
