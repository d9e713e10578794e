"""Every fault of a shard set by name: index, files and samples against the manifest and the plan."""

import io
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from hieramp_lit.shards.check_samples import ShardPlace, Traits, check_samples
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.folder import read_sidecar
from hieramp_lit.shards.format import (
    CARD,
    CLASSES,
    CONTACT_SHEET,
    INDEX_FILES,
    MANIFEST,
    TIMM_INFO,
    parse_shard_name,
    sample_key,
    shard_name,
    sidecar_name,
)
from hieramp_lit.shards.index import index_content
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.shards.reader import ShardSet, file_fault
from hieramp_lit.shards.set_index import SetIndex
from hieramp_lit.shards.writer import ShardRecord

Kind = Literal["shard", "sidecar", "index", "unfinished", "foreign"]
"""What a fault needs: its shard made anew; its sidecar written again; a file of the index written again; the rest of
the set made; the user, since the file is none of the set's."""

_MAX_THREADS = 16


class Fault(NamedTuple):
    """Something that is wrong with a set.

    Attributes:
        file: Name of the file.
        what: What is wrong with it, with the sample's key where it is one sample.
        remedy: What to do.
        kind: What it needs, for `repair`.
        shard: Number of the shard that the file belongs to.
    """

    file: str
    what: str
    remedy: str
    kind: Kind
    shard: int | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.what}; {self.remedy}"


def find_faults(
    folder: Path,
    *,
    contents: bool = True,
    only: Collection[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Fault]:
    """Yield the faults of a set, finished or not; nothing for a sound and finished one.

    Args:
        folder: The set's folder.
        contents: Read every byte of the shards, on several threads; otherwise sizes and sidecars alone.
        only: Shards to check; None checks all. The index is checked in any case.
        progress: Called with the number of shards that are checked, and of all.
    """
    index = SetIndex.read(folder)
    yield from _index_faults(index)
    present = _numbers(folder, ".tar") | _numbers(folder, ".json")
    numbers = sorted(present if index.num_shards is None else range(index.num_shards))
    for number in sorted(present.difference(numbers)):
        for name in (shard_name(number), sidecar_name(number)):
            if (folder / name).is_file():
                yield Fault(name, "the plan has no such shard, and other readers would read it", "delete it", "foreign")
    if index.manifest is None:  # shards that were never made are no faults of their own
        numbers = [number for number in numbers if number in present]
    numbers = [number for number in numbers if only is None or number in only]
    yield from _shard_faults(index, numbers, contents, progress)


def _index_faults(index: SetIndex) -> Iterator[Fault]:
    again = f"run the set's `{index.command}` again: it writes the index anew"
    if index.damage is not None:
        yield Fault(MANIFEST, index.damage, again, "index")
    elif index.manifest is None:
        yield Fault(MANIFEST, "missing, the set is not finished", f"run its `{index.command}` again", "unfinished")
    if index.classes_damage is not None:
        yield Fault(CLASSES, index.classes_damage, f"delete it and {again}", "index")
    if index.manifest is None:
        return
    for name in INDEX_FILES:
        if not (index.folder / name).is_file():
            yield Fault(name, "missing", again, "index")
    if index.classes is None:
        return
    shard_set = ShardSet(index.folder, index.manifest, index.classes)
    for name, check in ((TIMM_INFO, _info_fault), (CARD, _card_fault), (CONTACT_SHEET, _picture_fault)):
        path = index.folder / name
        fault = check(shard_set, path) if path.is_file() else None
        if fault is not None:
            yield Fault(name, fault, f"delete it and {again}", "index")


def _info_fault(shard_set: ShardSet, path: Path) -> str | None:
    same = path.read_bytes() == index_content(shard_set, TIMM_INFO)
    return None if same else "does not list the manifest's shards"


def _card_fault(shard_set: ShardSet, path: Path) -> str | None:
    told = shard_set.manifest.identity_hash.encode() in path.read_bytes()  # the rest is the user's to edit
    return None if told else "does not name the set's identity, so it describes another set or is damaged"


def _picture_fault(shard_set: ShardSet, path: Path) -> str | None:
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=["PNG"]) as image:
            image.verify()
    except Exception as error:  # damaged bytes make Pillow raise OSError, SyntaxError, struct.error and others
        return f"no readable picture ({error})"
    return None


def _shard_faults(
    index: SetIndex, numbers: Collection[int], contents: bool, progress: Callable[[int, int], None] | None
) -> Iterator[Fault]:
    seen: dict[int, Traits] = {}
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        for done, (number, found) in enumerate(
            zip(numbers, pool.map(partial(_check_shard, index, contents), numbers), strict=True), start=1
        ):
            faults, traits = found
            yield from faults
            if traits is not None:
                seen[number] = traits
            if progress is not None:
                progress(done, len(numbers))
    usual = Counter(seen.values()).most_common(1)
    for number, traits in seen.items():
        if traits != usual[0][0]:
            what = f"its samples have {traits}, those of the other shards {usual[0][0]}"
            yield Fault(shard_name(number), what, index.remake, "shard", number)


def _check_shard(index: SetIndex, contents: bool, number: int) -> tuple[list[Fault], Traits | None]:
    """Faults of one shard, and what its samples have in common."""
    tar, sidecar = index.folder / shard_name(number), index.folder / sidecar_name(number)
    listed = None if index.manifest is None else index.manifest.shards[number]
    told, problem = _read_sidecar(sidecar)
    faults: list[Fault] = []

    def wrong(name: str, what: str, kind: Kind = "shard") -> None:
        faults.append(Fault(name, what, index.remake, kind, number))

    if told is not None and listed is not None and told != listed:
        if _proves_itself(index.manifest, number, told, tar):
            wrong(MANIFEST, f"does not say what the sidecar says of {tar.name}, which is right", "index")
            listed = told
        else:
            problem = f"does not say what the manifest says of {tar.name}"
    if problem is not None:
        wrong(sidecar.name, problem, "shard" if listed is None else "sidecar")
    record = listed or told
    if record is None:
        return faults, None
    if index.identity_hash is not None and record.identity_hash != index.identity_hash:
        wrong(sidecar.name, f"made with another configuration, identity {record.identity_hash[:12]}…")
    broken = file_fault(tar, record, contents=contents)
    if broken is not None:
        wrong(tar.name, broken)
    if not contents or not tar.is_file():
        return faults, None
    found, traits = check_samples(ShardPlace(tar, number, record.samples), index.identity, index.classes)
    for fault in found:
        wrong(tar.name, fault)
    return faults, traits


def _proves_itself(manifest: Manifest | None, number: int, told: ShardRecord, tar: Path) -> bool:
    """Whether a sidecar that contradicts the manifest is the one of its shard's file and fits the plan."""
    if manifest is None:
        return False
    start = number * manifest.shard_size
    samples, rows = manifest.samples_in(number), manifest.identity["plan"]["rows"]
    places = (divmod(position, manifest.images_per_class) for position in (start, start + samples - 1))
    first, last = (sample_key(rows[cls], index) for cls, index in places)
    expected = (number, samples, first, last, manifest.identity_hash)
    found = (told.shard, told.samples, told.first_key, told.last_key, told.identity_hash)
    return found == expected and file_fault(tar, told) is None


def _read_sidecar(path: Path) -> tuple[ShardRecord | None, str | None]:
    if not path.is_file():
        return None, "the sidecar is missing"
    try:
        return read_sidecar(path), None
    except ShardError as error:
        return None, str(error.__cause__)


def _numbers(folder: Path, suffix: str) -> set[int]:
    """Numbers of the shards that a folder has files of."""
    found = (parse_shard_name(f"{path.stem}.tar") for path in folder.iterdir() if path.suffix == suffix)
    return {number for number in found if number is not None}
