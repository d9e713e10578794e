"""What several ranks measure, each of its share of the images."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.metrics.diversity import IntraClassDiversity
from hieramp_lit.metrics.feature_network import GivenFeatures
from hieramp_lit.metrics.fid_kid import FID, KID
from hieramp_lit.metrics.memorization import NearestRealDistance
from hieramp_lit.metrics.prdc import PRDC
from hieramp_lit.metrics.teacher_answers import TeacherConfidence
from hieramp_lit.metrics.vendi import VendiScore
from tests.metrics.feature_sets import normal

D, CLASSES = 6, 3
REAL, DISTILLED = 41, 26

# which images a rank has, as batches; the second rank has other numbers of batches, or nothing at all
Share = Callable[[int, int], list[Tensor]]


def whole(rank: int, n: int) -> list[Tensor]:
    return [torch.arange(n)]


def uneven(rank: int, n: int) -> list[Tensor]:
    """Three batches for the first rank, one for the second."""
    mine = torch.arange(n)[: n // 3] if rank == 0 else torch.arange(n)[n // 3 :]
    return list(mine.split(5 if rank == 0 else n))


def all_on_the_last(rank: int, n: int) -> list[Tensor]:
    return list(torch.arange(n).split(8)) if rank == 1 else []


def measure(rank: int, share: Share) -> dict[str, Any]:
    features = {True: normal("real", REAL, D), False: 0.9 * normal("distilled", DISTILLED, D) + 0.2}
    label = torch.arange(DISTILLED) % CLASSES
    logits = normal("logits", DISTILLED, CLASSES)
    given = GivenFeatures(D)
    pairs = {"prdc": PRDC(D), "fid": FID(given, D, "given"), "kid": KID(given, D, "given", 4, 10)}
    near, vendi = NearestRealDistance(D), VendiScore(D, CLASSES)
    diversity, teacher = IntraClassDiversity(D, CLASSES), TeacherConfidence(CLASSES)
    for real, n in ((True, REAL), (False, DISTILLED)):
        for batch in share(rank, n):
            for metric in pairs.values():
                metric.update(features[real][batch], real=real)
            near.update(features[real][batch], batch, real=real)
    for batch in share(rank, DISTILLED):
        vendi.update(features[False][batch], label[batch])
        diversity.update(features[False][batch], label[batch])
        teacher.update(logits[batch], label[batch])
    others = {"near": near, "vendi": vendi, "diversity": diversity, "teacher": teacher}
    return {name: plain(metric.compute()) for name, metric in (pairs | others).items()}


def plain(value: Any) -> list[float | None]:
    """All numbers of a result, one after the other."""
    if isinstance(value, tuple):
        return [number for part in value for number in plain(part)]
    return [value.item() if isinstance(value, Tensor) else value]


def measure_on_ranks() -> list[dict[str, Any]]:
    """Every share, one after the other, by this rank among two."""
    rank = int(os.environ["LOCAL_RANK"])
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    try:
        return [measure(rank, share) for share in (uneven, all_on_the_last)]
    finally:
        torch.distributed.destroy_process_group()
