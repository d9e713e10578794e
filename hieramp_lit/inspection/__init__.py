"""Looking at a finished set: its features beside those of real images, a teacher's answers to it, its tokens."""

from hieramp_lit.analysis.token_maps import TokenMaps, token_maps
from hieramp_lit.inspection.images import LabelledImages, RealSetImages, SetImages
from hieramp_lit.inspection.inspect import inspect_set
from hieramp_lit.inspection.networks import FeatureNetwork, inception_features, named_features, teacher_features
from hieramp_lit.inspection.settings import Settings

__all__ = [
    "FeatureNetwork",
    "LabelledImages",
    "RealSetImages",
    "SetImages",
    "Settings",
    "TokenMaps",
    "inception_features",
    "inspect_set",
    "named_features",
    "teacher_features",
    "token_maps",
]
