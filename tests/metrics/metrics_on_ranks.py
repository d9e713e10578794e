"""What several ranks measure, each of its share of the images."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.metrics.accuracy import ClassAccuracy
from hieramp_lit.metrics.class_prdc import ClassPRDC
from hieramp_lit.metrics.class_tokens import ClassTokenUsage
from hieramp_lit.metrics.codebook import CodebookUsage
from hieramp_lit.metrics.diversity import IntraClassDiversity
from hieramp_lit.metrics.feature_network import GivenFeatures
from hieramp_lit.metrics.fid_kid import FID, KID
from hieramp_lit.metrics.memorization import NearestRealDistance
from hieramp_lit.metrics.prdc import PRDC
from hieramp_lit.metrics.scale_mean import ScaleMean
from hieramp_lit.metrics.teacher_answers import TeacherConfidence
from hieramp_lit.metrics.vendi import VendiScore
from hieramp_lit.seeds import stream
from hieramp_lit.var import Scales
from tests.metrics.feature_sets import normal

D, CLASSES, CODES = 6, 3, 16
REAL, DISTILLED = 41, 26
SCALES = Scales((1, 2, 3))

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
    label = torch.arange(REAL) % CLASSES
    tokens = torch.randint(0, CODES, (DISTILLED, SCALES.total), generator=stream("metrics-on-ranks"))
    logits = normal("logits", DISTILLED, CLASSES)
    given = GivenFeatures(D)
    pairs = {"prdc": PRDC(D), "fid": FID(given, D, "given"), "kid": KID(given, D, "given", 4, 10)}
    near, vendi, of_class = NearestRealDistance(D), VendiScore(D, CLASSES), ClassPRDC(D, CLASSES)
    codebook, tokens_of_class = CodebookUsage(SCALES, CODES), ClassTokenUsage(SCALES, CODES, CLASSES)
    accuracy, scale_mean = ClassAccuracy(CLASSES), ScaleMean(SCALES.lengths)
    diversity, teacher = IntraClassDiversity(D, CLASSES), TeacherConfidence(CLASSES)
    for real, n in ((True, REAL), (False, DISTILLED)):
        for batch in share(rank, n):
            for metric in pairs.values():
                metric.update(features[real][batch], real=real)
            near.update(features[real][batch], batch, real=real)
            of_class.update(features[real][batch], label[batch], real=real)
    for batch in share(rank, DISTILLED):
        vendi.update(features[False][batch], label[batch])
        diversity.update(features[False][batch], label[batch])
        teacher.update(logits[batch], label[batch])
        accuracy.update(logits[batch], label[batch])
        codebook.update(tokens[batch])
        tokens_of_class.update(tokens[batch], label[batch])
        scale_mean.update(tokens[batch])
    others = {"near": near, "vendi": vendi, "diversity": diversity, "teacher": teacher, "of_class": of_class}
    others |= {"codebook": codebook, "tokens_of_class": tokens_of_class, "accuracy": accuracy, "scale_mean": scale_mean}
    found = {name: plain(metric.compute()) for name, metric in (pairs | others).items()}
    return {**found, "samples": [scale_mean.samples()]}


def plain(value: Any) -> list[float | None]:
    """All numbers of a result, one after the other."""
    if isinstance(value, tuple):
        return [number for part in value for number in plain(part)]
    return value.flatten().tolist() if isinstance(value, Tensor) else [value]


def measure_on_ranks() -> list[dict[str, Any]]:
    """Every share, one after the other, by this rank among two."""
    rank = int(os.environ["LOCAL_RANK"])
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    try:
        return [measure(rank, share) for share in (uneven, all_on_the_last)]
    finally:
        torch.distributed.destroy_process_group()
