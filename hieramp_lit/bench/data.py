"""`hieramp bench data`: a student's batches alone, from a bank and from a DataLoader with transforms on the CPU."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hieramp_lit.allocator import keep_freed_memory
from hieramp_lit.bench.machine import chosen_device, describe
from hieramp_lit.bench.measure import Candidate, time_candidates
from hieramp_lit.bench.pictures import BankPath, LoaderPath, read_pictures, write_pictures
from hieramp_lit.bench.report import Group, Report
from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.jobs import available_cores
from hieramp_lit.students.views.augment import Augmentation

IMAGES = 1000


def add_arguments(parser: argparse.ArgumentParser, images: int = IMAGES) -> None:
    """Add what describes the data.

    Args:
        parser: Of the command.
        images: Default number of images.
    """
    cores = available_cores()
    parser.add_argument("--images", type=int, default=images, metavar="N", help="of one epoch (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=224, metavar="N", help="side in pixels (default: 224)")
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="images of a batch (default: 100)")
    parser.add_argument(
        "--workers",
        type=int,
        default=cores,
        metavar="N",
        help="processes of the DataLoader (default: cores, %(default)s)",
    )


def run(options: argparse.Namespace, progress: Callable[[int, int], None] | None = None) -> Report:
    """Time one epoch of each.

    Args:
        options: Those of `add_arguments`, ``device``, ``repeats`` and ``warmup``.
        progress: Called after each run, see `time_candidates`.
    """
    device = chosen_device(options.device)
    kept = keep_freed_memory(device)
    augmentation = Augmentation()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pictures(folder, options.images, options.image_size)
        loader = LoaderPath(folder, options.image_size, options.batch_size, device, augmentation, options.workers)
        start = time.perf_counter()
        bank = read_pictures(folder)
        decoded = time.perf_counter() - start
        candidates = [Candidate(f"DataLoader, {options.workers} workers", loader.run, options.images)]
        for name, placed in placements(bank, device).items():
            path = BankPath(placed, options.batch_size, device, augmentation)
            candidates.append(Candidate(f"bank {name}", path.run, options.images))
        timings = time_candidates(candidates, device, options.repeats, options.warmup, progress=progress)
    return Report(
        name="data",
        unit="images",
        settings=settings(options) | {"memory_kept": kept},
        machine=describe(device),
        groups=[Group(f"{options.images} images of {options.image_size}²", timings, ratio="× speed")],
        notes=[f"The bank takes {bank.images.nbytes / 2**20:.0f} MiB; to decode it took {decoded:.1f} s, once."],
    )


def placements(bank: ImageBank, device: torch.device) -> dict[str, ImageBank]:
    """The bank at each place that it may lie at: with a GPU on the device, and in pinned host memory.

    Args:
        bank: On the CPU.
        device: That trains.
    """
    if device.type != "cuda":
        return {"in memory": bank}
    return {
        "on the device": ImageBank(bank.images.to(device), bank.labels.to(device)),
        "in host memory": ImageBank(bank.images.pin_memory(), bank.labels.pin_memory()),
    }


def settings(options: argparse.Namespace) -> dict[str, int]:
    """What the user chose, for the report."""
    return {name: getattr(options, name) for name in ("images", "image_size", "batch_size", "workers")}
