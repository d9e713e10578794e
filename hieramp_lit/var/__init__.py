"""VAR and its tokenizer, pure torch: equal to the reference, names and shapes as published."""

from hieramp_lit.var.architecture import VARArchitecture, VQVAEArchitecture
from hieramp_lit.var.attention import Emphasis, Hook, KeyValueCache
from hieramp_lit.var.exact import exact_convolutions
from hieramp_lit.var.half import var_in, vqvae_in
from hieramp_lit.var.known_classes import KnownClasses, class_record, known_classes, recorded_classes
from hieramp_lit.var.label_rows import LabelRows
from hieramp_lit.var.sampling import Sampling, draw, filtered_weights, guide
from hieramp_lit.var.scales import STAGES, Scales, Stage
from hieramp_lit.var.transformer import VAR, Condition, VAROutput
from hieramp_lit.var.vqvae import VQVAE, VQVAEOutput
from hieramp_lit.var.weights import Tokenizer, check_pair, load_into, load_var, load_vqvae, read_var_tensors

__all__ = [
    "STAGES",
    "VAR",
    "VQVAE",
    "Condition",
    "Emphasis",
    "Hook",
    "KeyValueCache",
    "KnownClasses",
    "LabelRows",
    "Sampling",
    "Scales",
    "Stage",
    "Tokenizer",
    "VARArchitecture",
    "VAROutput",
    "VQVAEArchitecture",
    "VQVAEOutput",
    "check_pair",
    "class_record",
    "draw",
    "exact_convolutions",
    "filtered_weights",
    "guide",
    "known_classes",
    "load_into",
    "load_var",
    "load_vqvae",
    "read_var_tensors",
    "recorded_classes",
    "var_in",
    "vqvae_in",
]
