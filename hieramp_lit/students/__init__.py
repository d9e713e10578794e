"""Networks by name: students, and the teachers that label for them."""

from hieramp_lit.students.convnet import ConvNet
from hieramp_lit.students.create import create_student
from hieramp_lit.students.resnet_ap import ResNetAP
from hieramp_lit.students.teacher import LoadedTeacher, Teacher

__all__ = [
    "ConvNet",
    "LoadedTeacher",
    "ResNetAP",
    "Teacher",
    "create_student",
]
