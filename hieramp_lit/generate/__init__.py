"""Generators: what makes the images of a distilled set. `var.py` holds the visible loop over scales."""

from hieramp_lit.generate.base import Generated, Generator
from hieramp_lit.generate.rded import RDED
from hieramp_lit.generate.real import DigitsImages, RandomReal, RealImages
from hieramp_lit.generate.real_images import CIFARImages, FolderImages, TinyImageNetImages, WebDatasetImages
from hieramp_lit.generate.streams import token_uniforms
from hieramp_lit.generate.var import VARGenerator, to_uint8
from hieramp_lit.var import Sampling

__all__ = [
    "RDED",
    "CIFARImages",
    "DigitsImages",
    "FolderImages",
    "Generated",
    "Generator",
    "RandomReal",
    "RealImages",
    "Sampling",
    "TinyImageNetImages",
    "VARGenerator",
    "WebDatasetImages",
    "to_uint8",
    "token_uniforms",
]
