"""Generators: what makes the images of a distilled set. `var.py` holds the visible loop over scales."""

from hieramp_lit.generate.base import Generated, Generator
from hieramp_lit.generate.real import DigitsImages, FolderImages, RandomReal, RealImages
from hieramp_lit.generate.streams import token_uniforms
from hieramp_lit.generate.var import VARGenerator, to_uint8
from hieramp_lit.var import Sampling

__all__ = [
    "DigitsImages",
    "FolderImages",
    "Generated",
    "Generator",
    "RandomReal",
    "RealImages",
    "Sampling",
    "VARGenerator",
    "to_uint8",
    "token_uniforms",
]
