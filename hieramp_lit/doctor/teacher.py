"""Whether a teacher answers in the set's class order, and which rows of its last layer to keep if not.

Legend: ``B`` images · ``N`` classes of the set · ``A`` answers of the teacher.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from hieramp_lit.classes import ClassList
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.doctor.findings import Finding
from hieramp_lit.doctor.validation import MOST_AT_ONCE
from hieramp_lit.students.network_input import NetworkInput

MOST_LISTED = 20
LEAST_GAIN = 0.02
"""Accuracy that another order must win to be called the teacher's: a few images mistaken for each other win less."""


class Order(NamedTuple):
    """What was found.

    Attributes:
        rows: The best rows of the last layer in the set's class order, one a class.
        top1: Accuracy with the rows as they are; None where there are none yet.
        best_top1: Accuracy with `rows`.
        images: Number of images.
        undecided: Classes whose row is neither kept nor an answer that any of their images was given: what is left.
    """

    rows: tuple[int, ...]
    top1: float | None
    best_top1: float
    images: int
    undecided: tuple[int, ...] = ()


@torch.inference_mode()
def answers(
    network: nn.Module,
    network_input: NetworkInput,
    batches: Iterable[ImageBatch],
    device: torch.device,
    about: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits of a teacher and the true classes.

    Args:
        network: In eval mode, on `device`.
        network_input: How it takes images.
        batches: Images, uint8, labelled with `cls` of the set.
        device: Where to compute.
        about: Number of images, at most.
        progress: Called with the numbers of images that are answered and of all.

    Returns:
        Float32 of shape ``(B, A)`` and int64 of shape ``(B,)``.

    Raises:
        ValueError: If an answer is not finite.
    """
    logits, labels, done = [], [], 0
    for batch in batches:
        for part in torch.split(batch.image, MOST_AT_ONCE):
            image = network_input.make_(part.to(device).float().div_(255))
            logits.append(network(image).float().cpu())
        labels.append(batch.label.cpu())
        done += len(batch.label)
        if progress is not None:
            progress(done, max(done, about))
    if progress is not None:
        progress(done, done)
    logits_BA = torch.cat(logits)
    broken = int((~logits_BA.isfinite()).any(dim=1).sum())
    if broken:
        raise ValueError(
            f"model.teacher answers {broken} of {len(logits_BA)} images with numbers that are not finite: its weights "
            "are damaged. Download or train them again."
        )
    return logits_BA, torch.cat(labels)


def find_order(logits_BA: Tensor, label_B: Tensor, num_classes: int, rows: tuple[int, ...] | None) -> Order:
    """Assign an answer of the teacher to each class so that it is right as often as possible.

    Linear assignment on the confusion matrix of classes and answers; where the images do not decide, rows as they are
    are preferred.

    Args:
        logits_BA: The teacher's answers, all of them.
        label_B: True classes, int64 in ``[0, num_classes)``.
        num_classes: Classes of the set, ``N``.
        rows: ``teacher.rows``, or None.

    Raises:
        ValueError: If the teacher has fewer answers than the set has classes, or `rows` are not one a class.
    """
    number = logits_BA.shape[1]
    if number < num_classes:
        raise ValueError(
            f"model.teacher answers {number} classes, the set has {num_classes}: it was trained on fewer. Give another."
        )
    if rows is not None and (len(rows) != num_classes or max(rows) >= number):
        raise ValueError(f"model.teacher.rows={list(rows)[:12]}: expected {num_classes} rows below {number}.")
    now = rows if rows is not None else tuple(range(num_classes)) if number == num_classes else None
    # Answers among the rows kept, where there are some: they alone are compared later.
    confusion_NA = torch.zeros(num_classes, number, dtype=torch.int64)
    confusion_NA.index_put_((label_B, logits_BA.argmax(dim=1)), torch.tensor(1), accumulate=True)
    worth_NA = confusion_NA * (num_classes + 1)
    if now is not None:
        worth_NA[torch.arange(num_classes), torch.tensor(now)] += 1
    found = tuple(int(row) for row in linear_sum_assignment(worth_NA.numpy(), maximize=True)[1])
    undecided = tuple(cls for cls, row in enumerate(found) if not worth_NA[cls, row])
    top1 = None if now is None else _top1(logits_BA, label_B, now)
    return Order(found, top1, _top1(logits_BA, label_B, found), len(label_B), undecided)


def judge(order: Order, rows: tuple[int, ...] | None, classes: ClassList) -> list[Finding]:
    """Say how good the teacher is, and which rows to set where others are better.

    Args:
        order: From `find_order`.
        rows: ``teacher.rows``, or None.
        classes: The set's.
    """
    facts = order._asdict() | {"rows": list(order.rows), "undecided": list(order.undecided)}
    chance = 1 / len(classes)
    best = f"{100 * order.best_top1:.1f} %"
    guessed = _guessed(order, classes)
    setting = f"set model.teacher.rows: {list(order.rows)}"
    if order.top1 is None:
        text = f"the teacher has more answers than the set has classes; with the best row for each it reaches {best}"
        text += guessed
        return [Finding("class order", "error", text, setting, facts)]
    text = f"top-1 {100 * order.top1:.1f} % of {order.images} validation images as it is"
    now = rows if rows is not None else tuple(range(len(classes)))
    if order.best_top1 > order.top1 + LEAST_GAIN:
        moved = [(entry, new) for entry, old, new in zip(classes.entries, now, order.rows, strict=True) if old != new]
        listed = "; ".join(f"{entry.cls} {entry.name} is its {new}" for entry, new in moved[:MOST_LISTED])
        more = f"; … and {len(moved) - MOST_LISTED} more" if len(moved) > MOST_LISTED else ""
        text += f", {best} with its answers in another order: {listed}{more}{guessed}"
        return [Finding("class order", "error", text, setting, facts)]
    findings = [Finding("class order", "ok", f"{text}; no other order is better (best {best})", facts=facts)]
    if order.top1 < 2 * chance:
        remedy = "look at model.teacher: its architecture, image size, mean and std, and which weights these are"
        findings.append(Finding("teacher", "warning", f"top-1 is close to chance, {100 * chance:.1f} %", remedy))
    return findings


def _guessed(order: Order, classes: ClassList) -> str:
    """Which of the rows no image speaks for."""
    if not order.undecided:
        return ""
    named = ", ".join(f"{cls} {classes.names[cls]}" for cls in order.undecided[:MOST_LISTED])
    more = f" and {len(order.undecided) - MOST_LISTED} more" if len(order.undecided) > MOST_LISTED else ""
    return f"; no image was answered so for {named}{more}: their rows are what is left, and more --images may decide"


def _top1(logits_BA: Tensor, label_B: Tensor, rows: tuple[int, ...]) -> float:
    return (logits_BA[:, torch.tensor(rows)].argmax(dim=1) == label_B).double().mean().item()
