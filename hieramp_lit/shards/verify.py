"""Every fault of a shard set by name: files against the manifest, samples against the plan."""

from collections.abc import Iterator
from pathlib import Path

from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.folder import read_sidecar
from hieramp_lit.shards.format import INDEX_FILES, parse_shard_name, sample_key, sidecar_name
from hieramp_lit.shards.identity import classes_sha256
from hieramp_lit.shards.reader import ShardSample, ShardSet, decode_sample, file_fault, read_shard
from hieramp_lit.shards.writer import ShardRecord

_REMAKE = "delete the shard's .json and run the set's `hieramp predict` again"


def faults(shard_set: ShardSet) -> Iterator[str]:
    """Yield one line a fault, each naming file, key where there is one, and remedy; nothing for a sound set.

    Args:
        shard_set: An open set. Every byte of its shards is read.
    """
    yield from _index_faults(shard_set)
    for number, record in enumerate(shard_set.manifest.shards):
        if record.shard != number:
            yield f"manifest.json: shard {number} is listed as {record.shard}; generate the set again"
        file_faults = list(_file_faults(shard_set.path, record))
        yield from file_faults
        if (shard_set.path / record.file).is_file():
            yield from _sample_faults(shard_set, record)


def _index_faults(shard_set: ShardSet) -> Iterator[str]:
    manifest = shard_set.manifest
    for name in INDEX_FILES:
        if not (shard_set.path / name).is_file():
            yield f"{name}: missing; run the set's `hieramp predict` again, it writes the index anew"
    if classes_sha256(shard_set.classes) != manifest.identity["plan"]["classes_sha256"]:
        yield "classes.json: not the class list that the set was made with; delete it and run `hieramp predict` again"
    expected = -(-len(manifest) // manifest.shard_size)
    if len(manifest.shards) != expected or len(shard_set) != len(manifest):
        yield (
            f"manifest.json: lists {len(manifest.shards)} shards with {len(shard_set)} samples, the plan has "
            f"{expected} with {len(manifest)}; generate the set again"
        )
    listed = {record.file for record in manifest.shards}
    for path in sorted(shard_set.path.glob("*.tar")):
        if parse_shard_name(path.name) is not None and path.name not in listed:
            yield f"{path.name}: not in the manifest; delete it"


def _file_faults(folder: Path, record: ShardRecord) -> Iterator[str]:
    tar, sidecar = folder / record.file, folder / sidecar_name(record.shard)
    if not sidecar.is_file():
        yield f"{sidecar.name}: the sidecar is missing; run the set's `hieramp predict` again"
    else:
        try:
            if read_sidecar(sidecar) != record:
                yield f"{sidecar.name}: does not say what the manifest says of {record.file}; {_REMAKE}"
        except ShardError as error:
            yield f"{sidecar.name}: {error}"
    fault = file_fault(tar, record)
    if fault is not None:
        yield f"{tar.name}: {fault}; {_REMAKE}"


def _sample_faults(shard_set: ShardSet, record: ShardRecord) -> Iterator[str]:
    manifest = shard_set.manifest
    start = record.shard * manifest.shard_size
    expected = min(manifest.shard_size, len(manifest) - start)
    count = 0
    try:
        for count, (key, fields) in enumerate(read_shard(shard_set.path / record.file), start=1):
            if count <= expected:
                yield from _one_sample(shard_set, record.file, start + count - 1, key, fields)
    except ShardError as error:
        yield str(error)
        return
    if count != expected or count != record.samples:
        yield f"{record.file}: {count} samples, manifest {record.samples}, plan {expected}; {_REMAKE}"


def _one_sample(shard_set: ShardSet, file: str, position: int, key: str, fields: dict[str, bytes]) -> Iterator[str]:
    cls, index = divmod(position, shard_set.manifest.images_per_class)
    row = shard_set.manifest.rows[cls]
    if key != sample_key(row, index):
        yield f"{file}: key {key} where the plan has {sample_key(row, index)}; {_REMAKE}"
        return
    try:
        sample = decode_sample(key, fields, file)
    except ShardError as error:
        yield str(error)
        return
    if sample.cls != cls:
        yield f"{file}: sample {key} has cls {sample.cls}, its class row {row} is cls {cls}; {_REMAKE}"
    yield from _provenance_faults(shard_set, file, sample, cls, index)
    side = shard_set.manifest.identity["save_size"]
    if side is not None and sample.image.shape[:2] != (side, side):
        yield f"{file}: sample {key} is {sample.image.shape[:2]} pixels, save_size is {side}; {_REMAKE}"
    if shard_set.manifest.identity["image_format"] not in fields:
        yield f"{file}: sample {key} is not stored as the manifest's image_format; {_REMAKE}"


def _provenance_faults(shard_set: ShardSet, file: str, sample: ShardSample, cls: int, index: int) -> Iterator[str]:
    entry = shard_set.classes.entries[cls]
    expected = {
        "key": sample.key,
        "cls": cls,
        "row": entry.row,
        "wnid": entry.wnid,
        "name": entry.name,
        "index": index,
        "seed": shard_set.manifest.seed,
        "generator": shard_set.manifest.generator,
    }
    wrong = [name for name, value in expected.items() if sample.info.get(name, _ABSENT) != value]
    if wrong:
        yield f"{file}: sample {sample.key}: its json disagrees with the set in {', '.join(wrong)}; {_REMAKE}"


_ABSENT = object()
