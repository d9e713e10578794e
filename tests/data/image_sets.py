"""Small image data sets in the published layouts, made by the tests."""

import hashlib
import pickle

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100

from hieramp_lit.classes import load_classes


def write_cifar(root, monkeypatch, name="cifar10", per_batch=20):
    """Python-version files as published, with noise in them; torchvision is told their checksums.

    Returns the pixels, shape (N, 32, 32, 3), and labels that went into the training and test files.
    """
    kind, fine = (CIFAR10, "labels") if name == "cifar10" else (CIFAR100, "fine_labels")
    names, rng = load_classes(name).names, np.random.default_rng(0)
    folder = root / kind.base_folder
    folder.mkdir(parents=True)

    def put(file, content):
        data = pickle.dumps(content, protocol=2)
        (folder / file).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    made, lists = {}, {}
    for split, files in (("train", kind.train_list), ("test", kind.test_list)):
        parts, lists[split] = [], []
        for file, _ in files:
            pixels = rng.integers(0, 256, (per_batch, 3 * 32 * 32), dtype=np.uint8)
            labels = [int(i) % len(names) for i in range(per_batch)]
            content = {"batch_label": file, fine: labels, "data": pixels, "filenames": ["x.png"] * per_batch}
            lists[split].append([file, put(file, content)])
            parts.append((pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels))
        made[split] = np.concatenate([p for p, _ in parts]), [label for _, own in parts for label in own]
    meta = {**kind.meta, "md5": put(kind.meta["filename"], {kind.meta["key"]: names})}
    for attribute, value in (("train_list", lists["train"]), ("test_list", lists["test"]), ("meta", meta)):
        monkeypatch.setattr(kind, attribute, value)
    return made


TINY_WNIDS = ["n02124075", "n04067472", "n01443537"]  # as in the published file: not sorted
TINY_WORDS = {
    "n02124075": "Egyptian cat",
    "n04067472": "reel",
    "n01443537": "goldfish, Carassius auratus",
    "n00000000": "x",
}


def write_tiny_imagenet(root, train=6, val=2):
    """Three classes of Tiny-ImageNet; each image has one colour: class, number and split."""
    for k, wnid in enumerate(TINY_WNIDS):
        (root / "train" / wnid / "images").mkdir(parents=True)
        for i in range(train):
            Image.new("RGB", (64, 64), (k * 40, i * 20, 0)).save(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG")
        boxes = "".join(f"{wnid}_{i}.JPEG\t0\t0\t63\t63\n" for i in range(train))
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(boxes)
    (root / "val" / "images").mkdir(parents=True)
    lines = []
    for n in range(val * len(TINY_WNIDS)):
        k = (n + 1) % len(TINY_WNIDS)
        Image.new("RGB", (64, 64), (k * 40, n * 20, 200)).save(root / "val" / "images" / f"val_{n}.JPEG")
        lines.append(f"val_{n}.JPEG\t{TINY_WNIDS[k]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in TINY_WNIDS))
    (root / "words.txt").write_text("".join(f"{wnid}\t{name}\n" for wnid, name in TINY_WORDS.items()))
    return root


def damage(path):
    """Cut an image file short."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path
