"""ConvNet-D and ResNetAP-10 answer as the reference does, weights filled by name."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from hieramp_lit.students import create_student
from tests.golden.recipe import fill

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "students.json").read_text())


def build(case):
    family, norm, _ = case.rsplit("_", 2)
    return create_student(family, num_classes=10, image_size=CASES[case]["input_size"], norm=norm)


@pytest.mark.parametrize("case", CASES)
def test_state_dict_has_the_published_names_and_shapes(case):
    assert {name: list(tensor.shape) for name, tensor in build(case).state_dict().items()} == CASES[case]["state_dict"]


@pytest.mark.parametrize("case", CASES)
def test_logits_are_the_references(case):
    answers = load_file(GOLDEN / "students.safetensors")
    student = build(case).eval()
    fill(student.state_dict())
    size = CASES[case]["input_size"]
    image = F.interpolate(answers[f"{case}.input_8x8"], size=(size, size), mode="bilinear", align_corners=False)
    with torch.no_grad():
        logits = student(image)
    torch.testing.assert_close(logits, answers[f"{case}.logits"], atol=2e-4, rtol=0)
