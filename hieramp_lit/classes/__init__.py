"""Class lists: which classes a set has, in which order, and which row of the label embedding each uses."""

from hieramp_lit.classes.agreement import disagreements, name_disagreements
from hieramp_lit.classes.choosing import CIFAR, DIGITS, are_words, check_words, load_classes
from hieramp_lit.classes.class_list import WNID, ClassEntry, ClassList, Rows, class_folders

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
