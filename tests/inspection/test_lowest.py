import math

import pytest
import torch

from hieramp_lit.inspection.lowest import LowestConfidence


def logits(*probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).log()


def test_hand_computed_answers_lowest_first():
    lowest = LowestConfidence()
    lowest.update(
        logits((0.7, 0.2, 0.1), (0.5, 0.1, 0.4), (0.25, 0.25, 0.5)), torch.tensor([0, 1, 2]), torch.tensor([4, 5, 6])
    )
    found = lowest.measure(lambda number: f"image {number}")
    assert [one["image"] for one in found] == ["image 5", "image 6", "image 4"]
    assert found[0] == {
        "image": "image 5",
        "confidence": pytest.approx(0.1),
        "cls": 1,
        "taken_for": 0,
        "taken_with": pytest.approx(0.5),
    }
    assert [one["taken_for"] for one in found] == [0, 2, 0]


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_batches_do_not_matter_and_no_more_are_kept_than_asked(batch):
    generator = torch.Generator().manual_seed(0)
    answers, label = torch.randn(10, 4, generator=generator), torch.arange(10) % 4
    lowest = LowestConfidence(most=3)
    for start in range(0, 10, batch):
        part = slice(start, start + batch)
        lowest.update(answers[part], label[part], torch.arange(10)[part])
    true = [
        math.exp(answers[place, cls]) / sum(map(math.exp, answers[place].tolist()))
        for place, cls in enumerate(label.tolist())
    ]
    expected = sorted(range(10), key=lambda place: true[place])[:3]
    assert [one["image"] for one in lowest.measure(str)] == [str(place) for place in expected]


def test_of_equals_the_first_images_are_kept():
    lowest = LowestConfidence(most=2)
    for number in (0, 1, 2):
        lowest.update(torch.zeros(1, 5), torch.tensor([3]), torch.tensor([number]))
    assert [one["image"] for one in lowest.measure(str)] == ["0", "1"]
