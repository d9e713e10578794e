"""The members of a shard's tar file, read strictly: plain files only, sizes bounded before anything is read.

`tarfile` follows extension headers, sparse maps and links of whoever wrote the file. A shard has none of them, so its
headers are read by `tarfile` one by one, and everything but plain files is refused. Each step moves on in the file and
reads no more than the file has, whatever its bytes.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from hieramp_lit.shards.errors import ShardError

MOST_MEMBER_BYTES = 2**28
"""Largest file of a sample: 256 MiB."""


def tar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a tar file's members, one in memory at a time.

    Raises:
        ShardError: If the file is cut short or damaged, or holds something else than plain files of a bounded size; the
            message names neither file nor remedy, which are the caller's.
        OSError: If it cannot be read.
    """
    left = path.stat().st_size
    with path.open("rb") as file:
        while left >= tarfile.BLOCKSIZE:
            block = file.read(tarfile.BLOCKSIZE)
            left -= tarfile.BLOCKSIZE
            if not any(block):
                return  # the end mark; what follows is padding
            try:
                member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            except (tarfile.TarError, ValueError) as error:
                raise ShardError(f"the tar file is cut short or damaged ({error})") from error
            if member.type != tarfile.REGTYPE:
                raise ShardError(f"{member.name!r} is no plain file")
            padding = -member.size % tarfile.BLOCKSIZE
            if not 0 <= member.size <= MOST_MEMBER_BYTES or member.size + padding > left:
                raise ShardError(
                    f"the tar file is cut short or damaged ({member.name!r} claims {member.size} bytes, the "
                    f"file has {left} more, and {MOST_MEMBER_BYTES} are allowed)"
                )
            content = file.read(member.size)
            file.seek(padding, 1)
            left -= member.size + padding
            if len(content) < member.size:
                raise ShardError("the tar file became shorter while it was read")
            yield member.name, content
    raise ShardError("the tar file is cut short or damaged (it has no end mark)")
