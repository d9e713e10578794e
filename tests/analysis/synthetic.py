"""Sets of chosen tokens, written directly: no generator, one image for all, any size in seconds."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.files import sha256, write_json
from hieramp_lit.shards import Manifest, ShardRecord, ShardSet
from hieramp_lit.shards.encode import encode_array, encode_image
from hieramp_lit.shards.format import CLASSES, CLS, JSON, TOKENS, sample_key, shard_name, sidecar_name
from hieramp_lit.shards.identity import identity_hash, set_identity
from hieramp_lit.shards.manifest import package_versions

TokensOf = Callable[[int, int], NDArray[np.uint16] | None]
"""Tokens of (cls, index)."""


def class_list(number: int, names: Mapping[int, str] = {}) -> ClassList:
    entries = (ClassEntry(cls, cls, f"n{cls:08d}", names.get(cls, f"class {cls}"), None) for cls in range(number))
    return ClassList(tuple(entries))


def write_set(
    folder: Path,
    tokens_of: TokensOf,
    *,
    classes: int | ClassList = 3,
    images_per_class: int = 4,
    shard_size: int = 5,
    seed: int = 0,
    generator: str = "hieramp",
    configuration: Mapping[str, Any] | None = None,
    patch_nums: tuple[int, ...] = (1, 2),
    vocab_size: int = 8,
    tokenizer: str = "a" * 64,
    image: bytes | None = None,
    label_of: Callable[[int], int] = lambda cls: cls,
) -> ShardSet:
    """Write shards, sidecars, class list and manifest; the card and pictures of a set, which no reader needs, are not.

    Args:
        folder: The set's.
        tokens_of: Tokens of each image; None for none.
        classes: Number or list.
        images_per_class: IPC.
        shard_size: Samples a shard.
        seed: The set's.
        generator: Its name.
        configuration: The generator's; by default says token maps and tokenizer.
        patch_nums: Of that default.
        vocab_size: Of that default.
        tokenizer: SHA-256 of that default.
        image: Every image's file; by default a grey one of 8 × 8 pixels.
        label_of: What the sample of a cls says its cls is.
    """
    listed = class_list(classes) if isinstance(classes, int) else classes
    if configuration is None:
        configuration = {
            "tokens": {"patch_nums": list(patch_nums), "vocab_size": vocab_size},
            "weights": {"var": "b" * 64, "vqvae": tokenizer},
        }
    identity = set_identity(
        generator=generator,
        configuration=configuration,
        classes=listed,
        images_per_class=images_per_class,
        shard_size=shard_size,
        seed=seed,
    )
    folder.mkdir(parents=True)
    image = encode_image(np.full((8, 8, 3), 128, np.uint8), "png") if image is None else image
    total, records = len(listed) * images_per_class, []
    for shard in range(-(-total // shard_size)):
        path = folder / shard_name(shard)
        positions = range(shard * shard_size, min((shard + 1) * shard_size, total))
        places = [divmod(position, images_per_class) for position in positions]
        keys = [sample_key(listed.rows[cls], index) for cls, index in places]
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for key, (cls, index) in zip(keys, places, strict=True):
                tokens = tokens_of(cls, index)
                fields = {CLS: str(label_of(cls)).encode(), JSON: b"{}", "png": image}
                fields |= {} if tokens is None else {TOKENS: encode_array(tokens)}
                for name, content in sorted(fields.items()):
                    member = tarfile.TarInfo(f"{key}.{name}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        record = ShardRecord(
            shard, len(places), path.stat().st_size, sha256(path), keys[0], keys[-1], identity_hash(identity)
        )
        write_json(folder / sidecar_name(shard), record.to_json())
        records.append(record)
    listed.write(folder / CLASSES)
    Manifest(identity, tuple(records), package_versions()).write(folder)
    return ShardSet.open(folder)


def random_tokens(total: int, vocab_size: int, seed: int) -> TokensOf:
    """Tokens whose distribution differs from class to class, a function of (seed, cls, index)."""

    def draw(cls: int, index: int) -> NDArray[np.uint16]:
        draws = np.random.default_rng([seed, cls, index]).random(total)
        return (vocab_size * draws ** (1 + cls % 7 / 2)).astype(np.uint16)

    return draw
