"""What the data modules of stored images share: crops, labels, images that cannot be read, holding out."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, TypeVar, get_args

import torch.distributed
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hieramp_lit.classes import ClassList
from hieramp_lit.data.images.crop import Filter, ResizeCrop, evaluation_short_side, var_short_side
from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.data.images.source import ImageSamples, ImageSource
from hieramp_lit.data.images.unreadable import MOST_NAMED, REMEDY, named
from hieramp_lit.data.module import ImageDataModule
from hieramp_lit.data.splits import stratified_split

Label = Literal["row", "cls"]
ShortSide = Literal["var", "evaluation"] | int
IfUnreadable = Literal["error", "skip"]
AnySource = TypeVar("AnySource", bound=ImageSource)


class Crops(NamedTuple):
    """How images become squares.

    Attributes:
        train: Of training images, random.
        val: Of validation images, in the centre.
    """

    train: ResizeCrop
    val: ResizeCrop

    @classmethod
    def of(
        cls,
        image_size: int,
        short_side: ShortSide,
        flip: bool,
        seed: int,
        filter: Filter | None = None,
        padding: int = 0,
    ) -> "Crops":
        """The crops that a data module's arguments name.

        Raises:
            ValueError: If a number or word is out of range.
        """
        sides = {"var": var_short_side(image_size), "evaluation": evaluation_short_side(image_size)}
        if isinstance(short_side, str) and short_side not in sides:
            raise ValueError(f"data.short_side={short_side!r}: expected {', '.join(sides)} or a number of pixels.")
        side = sides[short_side] if isinstance(short_side, str) else short_side
        kernel = filter or ("bilinear" if short_side == "evaluation" else "lanczos")
        train = ResizeCrop(image_size, side, random=True, flip=flip, seed=seed, filter=kernel, padding=padding)
        return cls(train, ResizeCrop(image_size, side, filter=kernel))


class SourceDataModule(ImageDataModule):
    """Images of a source for training and of another, or of a part that is held out, for validation.

    Args:
        classes: Class list of the images.
        crops: How they become squares.
        label: `row`, what generators take, or `cls`, what students learn.
        unreadable: What to do about images that cannot be read: `error` or `skip`.
        check: Decode every image once before training.
        val_fraction: Share of the training images to hold out where there are no others.
        batch_size: Images per batch and device.
        num_workers: Processes that decode, per device; 0 decodes in the main process.
        seed: Decides order, crops and the held-out images.

    Raises:
        ValueError: If a number or word is out of range.
    """

    tested: ClassVar[str] = "validation images"

    def __init__(
        self,
        classes: ClassList,
        crops: Crops,
        label: Label,
        unreadable: IfUnreadable,
        check: bool,
        val_fraction: float,
        batch_size: int,
        num_workers: int,
        seed: int,
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        if not 0 < val_fraction < 1:
            raise ValueError(f"data.val_fraction={val_fraction}: expected a share above 0 and below 1.")
        if label not in get_args(Label) or unreadable not in get_args(IfUnreadable):
            raise ValueError(
                f"data.label={label!r}, data.unreadable={unreadable!r}: expected 'row' or 'cls', and 'error' or 'skip'."
            )
        self.classes = classes
        self.crops = crops
        self.label: Label = label
        self.unreadable: IfUnreadable = unreadable
        self.check = check
        self._val_fraction = val_fraction
        self._train: ImageSource | None = None
        self._val: ImageSource | None = None

    @property
    def all_known_readable(self) -> bool:
        """Whether every image that `setup` leaves can be read, or stops the run: no batch will lack one."""
        return self.check or self.unreadable == "error"

    @abstractmethod
    def open_train(self) -> ImageSource:
        """The training images."""

    @abstractmethod
    def open_val(self) -> ImageSource | None:
        """The validation images; None holds out some of the training images."""

    def setup(self, stage: str) -> None:
        """List the images that the stage needs, check them, and split them, once.

        Raises:
            UnreadableImageError: If images cannot be read and that is an error, or none of a class is left.
            ValueError: If files are missing, or holding out would take all images of a class.
        """
        if self._val is None:
            val = self.open_val()
            self._val = self._readable(val) if val is not None else None
        if self._train is None and (self._val is None or stage == "fit"):
            train = self._readable(self.open_train())
            if self._val is None:
                train, self._val = self._split(train)
            self._train = train

    def train_samples(self) -> ImageSamples:
        """Training images, cropped at random."""
        return ImageSamples(
            self._opened(self._train), self.crops.train, "error" if self.unreadable == "error" else "replace"
        )

    def val_samples(self) -> ImageSamples:
        """Validation images, cropped in the centre."""
        return self.evaluated(self._opened(self._val))

    def test_samples(self) -> ImageSamples:
        """The validation images."""
        return self.val_samples()

    def evaluated(self, source: ImageSource) -> ImageSamples:
        """Images of a source, cropped in the centre."""
        return ImageSamples(source, self.crops.val, "error" if self.unreadable == "error" else "omit")

    def names_of(self, labels: Collection[int]) -> list[str]:
        """WordNet ids or names of the classes that have these labels, in the order of the class list."""
        entries = [entry for entry in self.classes.entries if getattr(entry, self.label) in labels]
        return [entry.wnid or entry.name for entry in entries]

    def _opened(self, source: ImageSource | None) -> ImageSource:
        if source is None:
            raise RuntimeError("Call `setup` before asking for images; a Trainer does.")
        return source

    def _split(self, train: ImageSource) -> tuple[ImageSource, ImageSource]:
        labels: Sequence[int] = train.labels.tolist()
        held_out = max(1, round(self._val_fraction * len(train)))
        kept, out = stratified_split(labels, held_out, "folder", self.seed)
        lost = sorted(set(labels) - {labels[place] for place in kept})
        if lost:
            raise ValueError(
                f"data.val_fraction={self._val_fraction} holds out all images of classes labelled {lost[:12]}: none "
                "would be trained on. Lower it, add images, or give `data.val`."
            )
        unjudged = self.names_of(set(labels) - {labels[place] for place in out})
        if unjudged:
            rank_zero_info(
                f"data.val_fraction={self._val_fraction} holds out no image of {len(unjudged)} of the "
                f"{len(self.classes)} classes: {unjudged[:MOST_NAMED]}. What is measured says nothing of them. Raise "
                "it, add images, or give `data.val`."
            )
        return train.subset(kept), train.subset(out)

    def _readable(self, source: ImageSource) -> ImageSource:
        """A source without the images that cannot be read, where they are to be known beforehand.

        Processes share the work, and all learn what each has found.
        """
        if not self.check:
            return source
        rank_zero_info(f"Checking {len(source)} images (`data.check: false` does without) …")
        if self._world_size == 1 or not torch.distributed.is_initialized():
            return self._without(source, source.unreadable(range(len(source))))
        mine = source.unreadable(range(self._rank, len(source), self._world_size))
        everywhere: list[dict[int, str]] = [{} for _ in range(self._world_size)]
        torch.distributed.all_gather_object(everywhere, mine)
        return self._without(source, {place: part[place] for part in everywhere for place in part})

    def _without(self, source: AnySource, reasons: Mapping[int, str]) -> AnySource:
        """Some images less, with a warning, or an error."""
        if not reasons:
            return source
        lines = [reasons[place] for place in sorted(reasons)]
        found = f"{len(reasons)} of {len(source)} images cannot be read:\n{named(lines)}"
        if self.unreadable == "error":
            raise UnreadableImageError(f"{found}\n{REMEDY}")
        if len(reasons) == len(source):
            raise UnreadableImageError(f"{found}\nNothing is left.")
        kept = source.subset([place for place in range(len(source)) if place not in reasons])
        lost = self.names_of(set(source.labels.tolist()) - set(kept.labels.tolist()))
        if lost:
            raise UnreadableImageError(
                f"{found}\nNo image is left of {len(lost)} of the {len(self.classes)} classes: {lost[:MOST_NAMED]}. "
                "Repair some of them, or leave the classes out of `data.classes`."
            )
        rank_zero_warn(f"{found}\nThey are left out.")
        return kept
