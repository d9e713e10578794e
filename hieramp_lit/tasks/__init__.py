"""LightningModules, thin: unpack, call, log. What they call is pure torch and stands below them."""

from hieramp_lit.tasks.amplified_generation import AmplifiedGeneration
from hieramp_lit.tasks.generation import Generation

__all__ = ["AmplifiedGeneration", "Generation"]
