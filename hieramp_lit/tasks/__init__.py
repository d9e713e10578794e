"""LightningModules, thin: unpack, call, log. What they call is pure torch and stands below them."""

from hieramp_lit.tasks.amplified_generation import AmplifiedGeneration
from hieramp_lit.tasks.class_token_tuning import ClassTokenTuning
from hieramp_lit.tasks.generation import Generation
from hieramp_lit.tasks.relabel_training import RelabelTraining
from hieramp_lit.tasks.tokenization import Tokenization
from hieramp_lit.tasks.tokenizer_training import TokenizerTraining

__all__ = [
    "AmplifiedGeneration",
    "ClassTokenTuning",
    "Generation",
    "RelabelTraining",
    "Tokenization",
    "TokenizerTraining",
]
