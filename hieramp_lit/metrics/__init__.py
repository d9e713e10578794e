"""Torchmetrics of this project: of a set, beside real images or alone; of students, tokenizers and tuning."""

from hieramp_lit.metrics.accuracy import Accuracies, ClassAccuracy, Evaluation
from hieramp_lit.metrics.class_prdc import ClassPRDC
from hieramp_lit.metrics.class_tokens import ClassTokenUsage
from hieramp_lit.metrics.codebook import CodebookUsage
from hieramp_lit.metrics.diversity import IntraClassDiversity
from hieramp_lit.metrics.feature_network import GivenFeatures, PenultimateFeatures
from hieramp_lit.metrics.fid_kid import FID, KID, metric_key
from hieramp_lit.metrics.inception import inception
from hieramp_lit.metrics.memorization import NearestRealDistance
from hieramp_lit.metrics.prdc import PRDC
from hieramp_lit.metrics.teacher_answers import TeacherConfidence
from hieramp_lit.metrics.vendi import VendiScore

__all__ = [
    "FID",
    "KID",
    "PRDC",
    "Accuracies",
    "ClassAccuracy",
    "ClassPRDC",
    "ClassTokenUsage",
    "CodebookUsage",
    "Evaluation",
    "GivenFeatures",
    "IntraClassDiversity",
    "NearestRealDistance",
    "PenultimateFeatures",
    "TeacherConfidence",
    "VendiScore",
    "inception",
    "metric_key",
]
