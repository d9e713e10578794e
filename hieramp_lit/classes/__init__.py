"""Class lists: which classes a set has, in which order, and which row of the label embedding each uses."""

from hieramp_lit.classes.agreement import disagreements, name_disagreements
from hieramp_lit.classes.class_list import (
    CIFAR,
    DIGITS,
    WNID,
    ClassEntry,
    ClassList,
    Rows,
    are_words,
    check_words,
    class_folders,
    load_classes,
)

__all__ = [
    "CIFAR",
    "DIGITS",
    "WNID",
    "ClassEntry",
    "ClassList",
    "Rows",
    "are_words",
    "check_words",
    "class_folders",
    "disagreements",
    "load_classes",
    "name_disagreements",
]
