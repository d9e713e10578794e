"""`hieramp bench student`: training steps under a teacher; how much of each the data costs, from a bank and from files.

Teacher and student have random weights. A step is that of `RelabelTraining`: views, the student's pass for its batch
norm, the teacher's labels, forward, backward and AdamW.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hieramp_lit.allocator import keep_freed_memory
from hieramp_lit.bench import data as data_bench
from hieramp_lit.bench.machine import chosen_device, describe, matmul_rate
from hieramp_lit.bench.measure import Candidate, Timing, time_candidates
from hieramp_lit.bench.pictures import CLASSES, BankPath, LoaderPath, read_pictures, write_pictures
from hieramp_lit.bench.report import Group, Report
from hieramp_lit.students import create_student
from hieramp_lit.students.network_input import NetworkInput, fastest_format
from hieramp_lit.students.protocols import PUBLISHED
from hieramp_lit.students.teacher import Teacher
from hieramp_lit.students.views.augment import Augmentation
from hieramp_lit.students.views.mix import Mixed
from hieramp_lit.tasks.teaching import Teaching, relabel_loss

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
IMAGES = 200
RDED = PUBLISHED["rded"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own arguments."""
    data_bench.add_arguments(parser, IMAGES)
    parser.add_argument("--student", default="resnet18", metavar="NAME", help="see model.student (default: resnet18)")
    parser.add_argument("--teacher", default="resnet18", metavar="NAME", help="likewise (default: resnet18)")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16", help="of both, by autocast (default: bf16)")
    parser.add_argument("--compile", choices=("none", "default", "max-autotune"), default="none",
                        help="see model.compile (default: none)")  # fmt: skip


def run(options: argparse.Namespace, progress: Callable[[int, int], None] | None = None) -> Report:
    """Time one epoch of each way to data, and of none.

    Args:
        options: Those of `add_arguments`, ``device``, ``repeats`` and ``warmup``.
        progress: Called after each run, see `time_candidates`.
    """
    device = chosen_device(options.device)
    kept = keep_freed_memory(device)
    dtype = PRECISIONS[options.precision]
    augmentation = Augmentation()
    student = _Student(options, device, dtype)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pictures(folder, options.images, options.image_size)
        bank = read_pictures(folder)
        paths: dict[str, BankPath | LoaderPath] = {
            f"bank {name}": BankPath(placed, options.batch_size, device, augmentation)
            for name, placed in data_bench.placements(bank, device).items()
        }
        paths[f"DataLoader, {options.workers} workers"] = LoaderPath(
            folder, options.image_size, options.batch_size, device, augmentation, options.workers, normalized=False
        )
        ready = _Ready(next(iter(paths.values())).epoch())
        flops = _flops(student, ready.epoch())
        if options.compile != "none":
            student.compile(options.compile)
        sources: dict[str, BankPath | LoaderPath | _Ready] = {"networks alone": ready, **paths}
        candidates = [
            Candidate(name, partial(_train, student, source), options.images, flops) for name, source in sources.items()
        ]
        timings = time_candidates(candidates, device, options.repeats, options.warmup, progress=progress)
        alone = [Candidate(name, path.run, options.images) for name, path in paths.items()]
        data = time_candidates(alone, device, options.repeats, options.warmup, progress=progress)
    title = f"{options.student} under {options.teacher}, {options.image_size}², batches of {options.batch_size}"
    return Report(
        name="student",
        unit="images",
        settings=data_bench.settings(options)
        | {"precision": options.precision, "compile": options.compile, "memory_kept": kept},
        machine=describe(device),
        groups=[Group(title, timings), Group("the data alone", data, len(data) - 1, "× speed")],
        matmul_flops_per_s=matmul_rate(device, dtype),
        notes=[_share(timing, timings[0]) for timing in timings[1:]],
    )


class _Student:
    """A student in training under a teacher, both with random weights."""

    def __init__(self, options: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        names = (options.student, options.teacher)
        self._student, teacher = (create_student(name, CLASSES, options.image_size).to(device) for name in names)
        asked = Teacher(options.teacher, checkpoint="random")
        teacher.eval().requires_grad_(False)
        self._input = _laid_out(self._student)
        self._teaching = Teaching(asked, teacher, "random", _laid_out(teacher))
        self._optimizer = RDED.make_optimizer(self._student, lr=0.001)

    def compile(self, mode: str) -> None:
        """As `model.compile` does."""
        for network in (self._student, self._teaching.network):
            network.compile(mode=mode, dynamic=False)

    def train(self, epoch: Iterable[tuple[Mixed, Tensor]]) -> None:
        """A step on each batch."""
        for views, label_B in epoch:
            self._optimizer.zero_grad()
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                loss = relabel_loss(
                    self._student,
                    self._input,
                    self._teaching,
                    views,
                    label_B,
                    temperature=RDED.temperature,
                    update_batch_norm_twice=RDED.update_batch_norm_twice,
                )
            torch.autograd.backward(loss)
            self._optimizer.step()


class _Ready:
    """An epoch's batches, made beforehand: nothing is left to do for one but a copy, which the step overwrites."""

    def __init__(self, epoch: Iterable[tuple[Mixed, Tensor]]) -> None:
        self._batches = [(views._replace(image=views.image.clone()), label_B) for views, label_B in epoch]

    def epoch(self) -> Iterator[tuple[Mixed, Tensor]]:
        """All batches."""
        for views, label_B in self._batches:
            yield views._replace(image=views.image.clone()), label_B


def _train(student: _Student, source: BankPath | LoaderPath | _Ready) -> None:
    """One epoch."""
    student.train(source.epoch())


def _laid_out(network: nn.Module) -> NetworkInput:
    memory_format = fastest_format(network)
    network.to(memory_format=memory_format)
    return NetworkInput(memory_format=memory_format)


def _flops(student: _Student, epoch: Iterable[tuple[Mixed, Tensor]]) -> float:
    """Floating-point operations of an epoch, counted while it runs."""
    with FlopCounterMode(display=False) as counter:
        student.train(epoch)
    return float(counter.get_total_flops())


def _share(timing: Timing, networks: Timing) -> str:
    """What the data adds to a step, as a sentence."""
    share = timing.ratio_to(networks) - 1
    return f"{timing.candidate.name}: with its data a step takes {100 * share:.1f} % longer than the networks alone."
