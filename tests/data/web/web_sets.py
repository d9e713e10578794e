"""Tar shards for tests, written by webdataset; an image's colour is its number and class."""

import io
import tarfile

import webdataset
from PIL import Image


def picture(number, cls, kind="PNG"):
    """Red and green are the number, blue tells the class."""
    file = io.BytesIO()
    Image.new("RGB", (20, 16), (number // 250, number % 250, 20 * cls)).save(file, kind)
    return file.getvalue()


def sample(number, classes=2, **fields):
    """What webdataset's writer takes: key, image and class."""
    cls = number % classes
    return {"__key__": f"s{number:05d}", "png": picture(number, cls), "cls": str(cls).encode(), **fields}


def write_shards(root, sizes=(7, 5, 8, 4), classes=2, change=None, suffix="tar"):
    """One shard a size; `change` edits each sample by its number."""
    root.mkdir(parents=True, exist_ok=True)
    number = 0
    for shard, size in enumerate(sizes):
        # False would make tar files that gzip has compressed
        with webdataset.TarWriter(str(root / f"train-{shard:04d}.{suffix}"), encoder=False, mtime=0) as writer:
            for _ in range(size):
                made = sample(number, classes)
                writer.write(change(number, made) if change else made)
                number += 1
    return str(root)


def write_tar(path, members):
    """Any members: (name, content)."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def numbers(images):
    """Which images a batch holds."""
    return [int(image[0].max()) * 250 + int(image[1].max()) for image in images]
