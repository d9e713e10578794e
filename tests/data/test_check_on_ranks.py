"""Processes share the check of a data set, and leave out the same images."""

import os
import warnings
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from PIL import Image

from hieramp_lit.data import ImageFolderDataModule
from hieramp_lit.data.images.folder import FolderSource
from tests.devices.ranks import on_ranks


def check(root):
    """Names of the training images that one rank finds readable, what it read, and whether it stops if it must."""
    rank = int(os.environ["LOCAL_RANK"])
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    read = []

    def reading(source, place):
        read.append(source.names[place])
        return original(source, place)

    original = FolderSource.read
    with mock.patch.object(FolderSource, "read", reading), warnings.catch_warnings(action="ignore"):
        data = ImageFolderDataModule(root, val=root, image_size=8, unreadable="skip")
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        data.setup("fit")
    strict = ImageFolderDataModule(root, val=root, image_size=8)
    strict.trainer = data.trainer
    try:
        strict.setup("fit")
        said = ""
    except ValueError as error:
        said = str(error)
    torch.distributed.destroy_process_group()
    return list(data.train_samples().source.names), sorted(read), said


def test_ranks_share_the_check_and_agree(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (8, 8)).save(tmp_path / "images" / name / f"{i}.png")
    for bad in ("a/0.png", "b/2.png", "b/3.png"):
        (tmp_path / "images" / bad).write_text("no image")
    every = sorted(str(Path(name, f"{i}.png")) for name in "ab" for i in range(5))
    (kept, read, said), (also_kept, also_read, also_said) = on_ranks(
        tmp_path / "ranks", check, str(tmp_path / "images")
    )
    assert kept == also_kept == [name for name in every if name not in ("a/0.png", "b/2.png", "b/3.png")]
    assert sorted(read + also_read) == sorted(every * 2)  # training and validation, each once
    assert said == also_said
    assert "3 of 10 images cannot be read" in said
    assert said.index("a/0.png") < said.index("b/2.png") < said.index("b/3.png")
