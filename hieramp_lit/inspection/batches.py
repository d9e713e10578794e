"""Batches of decoded images: a few are read ahead on several threads, and no more are held.

Legend: ``B`` batch · ``S`` side in pixels · ``L`` tokens of all scales.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hieramp_lit.data.images.source import planes
from hieramp_lit.inspection.images import LabelledImage, LabelledImages, squared
from hieramp_lit.jobs import available_cores, in_order
from hieramp_lit.shards import ShardError

MOST_THREADS = 16
AHEAD = 4
"""Images that each thread reads ahead."""


class Batch(NamedTuple):
    """Images of one data set.

    Attributes:
        images: By side S: RGB, uint8 in 0…255, shape ``(B, 3, S, S)``.
        label: Class in the set that is inspected, int64, shape ``(B,)``.
        number: Number of each image in its data set, int64, shape ``(B,)``.
        tokens: Codebook indices, int64, shape ``(B, L)``; None without.
    """

    images: Mapping[int, Tensor]
    label: Tensor
    number: Tensor
    tokens: Tensor | None


def batches(images: LabelledImages, sides: Sequence[int], batch_size: int) -> Iterator[Batch]:
    """All images of a data set, in order.

    Args:
        images: The data set; its images are squares already.
        sides: Sides in pixels that networks want; other squares are brought to them by Lanczos.
        batch_size: B; the last batch may hold fewer.

    Raises:
        ShardError: If some images have tokens and others none, or others a different number.
        ValueError: If an image cannot be read.
    """
    threads = min(MOST_THREADS, available_cores())
    decoded = in_order((partial(_sized, call, sides) for call in images.calls()), threads, AHEAD * threads)
    while some := list(islice(decoded, batch_size)):
        image_B = [image for image, _ in some]
        yield Batch(
            images={side: torch.from_numpy(np.stack([sized[side] for _, sized in some])) for side in sides},
            label=torch.tensor([image.cls for image in image_B]),
            number=torch.tensor([image.number for image in image_B]),
            tokens=_tokens(image_B, images),
        )


def _sized(call: Callable[[], LabelledImage], sides: Sequence[int]) -> tuple[LabelledImage, dict[int, np.ndarray]]:
    image = call()
    return image, {side: planes(squared(image.image, side, image.number)) for side in sides}


def _tokens(image_B: Sequence[LabelledImage], images: LabelledImages) -> Tensor | None:
    found = [image.tokens for image in image_B if image.tokens is not None]
    if not found:
        return None
    if len({tokens.shape for tokens in found}) > 1 or len(found) < len(image_B):
        names = f"{images.name(image_B[0].number)} … {images.name(image_B[-1].number)}"
        raise ShardError(
            f"Of the images {names} some have tokens and others none or another number. `hieramp verify` names every "
            "fault of the set."
        )
    return torch.from_numpy(np.stack(found).astype(np.int64))
