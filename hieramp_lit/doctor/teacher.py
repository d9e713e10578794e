"""Whether a teacher answers in the set's class order, and which rows of its last layer to keep if not.

Legend: ``B`` images · ``N`` classes of the set · ``A`` answers of the teacher.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from hieramp_lit.classes import ClassList
from hieramp_lit.data.bank.class_match import match_classes, relabel
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.doctor.findings import Finding
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
    """

    rows: tuple[int, ...]
    top1: float | None
    best_top1: float
    images: int


@torch.inference_mode()
def answers(
    network: nn.Module,
    network_input: NetworkInput,
    batches: Iterable[ImageBatch],
    classes: ClassList,
    of_images: ClassList,
    most: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Logits of a teacher and the true classes.

    Args:
        network: In eval mode, on `device`.
        network_input: How it takes images.
        batches: Images, uint8, labelled with `cls` of `of_images`.
        classes: The set's classes.
        of_images: Those of the images.
        most: Images at most.
        device: Where to compute.

    Returns:
        Float32 of shape ``(B, A)`` and int64 of shape ``(B,)``: `cls` in the set.

    Raises:
        ValueError: If there are no images of the set's classes, or the class lists do not match.
    """
    mapping = match_classes(classes, of_images)
    logits, labels, count = [], [], 0
    for batch in batches:
        chosen = relabel(batch, mapping)
        if len(chosen.label):
            image = network_input.make_(chosen.image.to(device).float().div_(255))
            logits.append(network(image).float().cpu())
            labels.append(chosen.label.cpu())
            count += len(chosen.label)
        if count >= most:
            break
    if not logits:
        raise ValueError("data.validation has no images of the set's classes.")
    return torch.cat(logits)[:most], torch.cat(labels)[:most]


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
    return Order(
        found, None if now is None else _top1(logits_BA, label_B, now), _top1(logits_BA, label_B, found), len(label_B)
    )


def judge(order: Order, rows: tuple[int, ...] | None, classes: ClassList) -> list[Finding]:
    """Say how good the teacher is, and which rows to set where others are better.

    Args:
        order: From `find_order`.
        rows: ``teacher.rows``, or None.
        classes: The set's.
    """
    facts = {"top1": order.top1, "best_top1": order.best_top1, "rows": list(order.rows), "images": order.images}
    chance = 1 / len(classes)
    best = f"{100 * order.best_top1:.1f} %"
    setting = f"set model.teacher.rows: {list(order.rows)}"
    if order.top1 is None:
        text = f"the teacher has more answers than the set has classes; with the best row for each it reaches {best}"
        return [Finding("class order", "error", text, setting, facts)]
    text = f"top-1 {100 * order.top1:.1f} % of {order.images} validation images as it is"
    now = rows if rows is not None else tuple(range(len(classes)))
    if order.best_top1 > order.top1 + LEAST_GAIN:
        moved = [(entry, new) for entry, old, new in zip(classes.entries, now, order.rows, strict=True) if old != new]
        listed = "; ".join(f"{entry.cls} {entry.name} is its {new}" for entry, new in moved[:MOST_LISTED])
        more = f"; … and {len(moved) - MOST_LISTED} more" if len(moved) > MOST_LISTED else ""
        text += f", {best} with its answers in another order: {listed}{more}"
        return [Finding("class order", "error", text, setting, facts)]
    findings = [Finding("class order", "ok", f"{text}; no other order is better (best {best})", facts=facts)]
    if order.top1 < 2 * chance:
        remedy = "look at model.teacher: its architecture, image size, mean and std, and which weights these are"
        findings.append(Finding("teacher", "warning", f"top-1 is close to chance, {100 * chance:.1f} %", remedy))
    return findings


def _top1(logits_BA: Tensor, label_B: Tensor, rows: tuple[int, ...]) -> float:
    return (logits_BA[:, torch.tensor(rows)].argmax(dim=1) == label_B).double().mean().item()
