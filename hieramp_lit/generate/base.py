"""What every generator answers: images for (class row, index, seed), and of nothing else.

Legend: ``B`` batch · ``L`` tokens of all scales · ``l`` tokens of one scale · ``c`` latent channels · ``h w`` latent
side · ``H W`` pixels.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from hieramp_lit.classes import ClassList


class Generated(NamedTuple):
    """Images of one call and, where the generator has them, what they were made from.

    Attributes:
        images: RGB, uint8 in 0…255, shape ``(B, H, W, 3)``.
        tokens: Codebook indices of all scales, int64, shape ``(B, L)``; None for generators without tokens.
        f_hat: Accumulated latent feature, float32, shape ``(B, c, h, w)``; None without tokens.
        saliency: ``{(block, scale): (2B, l) float32}``, conditional half first; None unless asked for.
        masks: Salient positions, ``{(block, scale): (2B, l) bool}``; None unless asked for.
    """

    images: Tensor
    tokens: Tensor | None = None
    f_hat: Tensor | None = None
    saliency: dict[tuple[int, int], Tensor] | None = None
    masks: dict[tuple[int, int], Tensor] | None = None


@runtime_checkable
class KnowsClasses(Protocol):
    """A generator that knows which class each row is, and so can refuse a plan that thinks otherwise."""

    def check_classes(self, classes: ClassList) -> None:
        """Refuse a class list whose rows mean other classes.

        Raises:
            ValueError: Naming the rows that differ.
        """


@runtime_checkable
class CountsImages(Protocol):
    """A generator that has only so many images of a class, and so can refuse a plan that asks for more."""

    def check_images_per_class(self, classes: ClassList, images_per_class: int) -> None:
        """Refuse a plan that some class has too few images for, before the first of them is made.

        Raises:
            ValueError: Naming these classes, how many images they have, and what to do.
        """


@runtime_checkable
class FitsMemory(Protocol):
    """A generator that knows how many images it can make at once."""

    def fitting_batch_size(self, most: int) -> int:
        """Images that fit into the free memory of its device with a margin, at most `most`.

        Raises:
            ValueError: If not even one fits.
        """


@runtime_checkable
class Generator(Protocol):
    """Anything that makes the images of a distilled set."""

    @property
    def name(self) -> str:
        """Name in manifests and tables, e.g. ``hieramp``, ``var``, ``random_real``."""

    def identity(self) -> dict[str, Any]:
        """What decides the images apart from class, index and seed: plain JSON values, without paths or devices.

        For VAR: weights' sha256 (generator and tokenizer), schedule (β and ρ per scale, rule, blocks), sampling.
        """

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        """Make one image for each (class row, index) under `seed`.

        Args:
            labels_B: Class rows, int64, shape ``(B,)``, on the generator's device.
            indices_B: Index of each image within its class, int64, shape ``(B,)``.
            seed: The set's seed, ``0 <= seed < 2**63``.
            record_saliency: Also return saliency maps and masks, where the generator has any.
        """
