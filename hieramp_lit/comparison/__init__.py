"""Students side by side: on several sets, beside random real images, and under several teachers."""

from hieramp_lit.comparison.cell import Cell, StudentArguments, train
from hieramp_lit.comparison.compare import Comparison, compare
from hieramp_lit.comparison.cross import CrossArchitecture, cross, parse_teacher
from hieramp_lit.comparison.full import FullData
from hieramp_lit.comparison.random_real import References

__all__ = [
    "Cell",
    "Comparison",
    "CrossArchitecture",
    "FullData",
    "References",
    "StudentArguments",
    "compare",
    "cross",
    "parse_teacher",
    "train",
]
