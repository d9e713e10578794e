"""Which images a teacher believes in least.

Legend: ``B`` batch · ``N`` classes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

MOST = 48
"""Images that are kept."""


class Answer(NamedTuple):
    """A teacher's answer to one image.

    Attributes:
        confidence: Its probability of the image's class, in [0, 1].
        number: Of the image in its data set.
        cls: Its class.
        taken_for: The class that the teacher finds likeliest.
        taken_with: Its probability of that one.
    """

    confidence: float
    number: int
    cls: int
    taken_for: int
    taken_with: float


class LowestConfidence:
    """Keeps the images whose class a teacher finds least likely; of equals those that come first in the set.

    What it keeps does not depend on how images are batched.

    Args:
        most: Images to keep.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: list[Answer] = []

    def update(self, logits_BN: Tensor, label_B: Tensor, number_B: Tensor) -> None:
        """Take in the teacher's answers to a batch.

        Args:
            logits_BN: Scores before softmax, finite, shape ``(B, N)``.
            label_B: cls, int64, shape ``(B,)``.
            number_B: Number of each image, int64, shape ``(B,)``.
        """
        probability_BN = logits_BN.detach().double().softmax(dim=1)
        confidence_B = probability_BN.gather(1, label_B[:, None]).squeeze(1)
        taken_with_B, taken_for_B = probability_BN.max(dim=1)
        columns = (confidence_B, number_B, label_B, taken_for_B, taken_with_B)
        found = [Answer(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
        self._kept = sorted((*self._kept, *found))[: self._most]

    def measure(self, name: Callable[[int], str]) -> list[dict[str, Any]]:
        """The images, lowest confidence first, as plain values.

        Args:
            name: What people find an image by, from its number.
        """
        return [
            {"image": name(answer.number), **{key: value for key, value in answer._asdict().items() if key != "number"}}
            for answer in self._kept
        ]
