"""RDED: the most realistic crops of real images, tiled (Sun et al., arXiv:2312.03526, Sec. 4).

Of each class, random candidates are drawn; of each candidate, random square crops. A teacher says how realistic a crop
is: by its cross-entropy at the true class. The best crop of each candidate is kept, and the best of these are tiled,
``factor × factor`` of them in an image.

What the paper leaves to its code, or we chose ourselves:

- The teacher sees a crop in the middle of a frame of the channel means, so that it sees it in the size that it gets in
  the image.
- Candidates are the squares of `RealImages`; RDED crops whole photographs.
- Image *i* takes the crops of rank ``factor² · i`` to ``factor² · i + factor² − 1``; RDED deals them out in turn, which
  depends on the images per class. The set holds the same crops, and a smaller set is the beginning of a larger one.

Legend: ``N`` candidates of a class · ``M`` crops of a candidate · ``s`` side of a crop · ``S`` side of an image.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hieramp_lit.classes import ClassList
from hieramp_lit.generate.base import Generated, Generator
from hieramp_lit.generate.real import RealImages, images_of_each, refuse_other_classes, refuse_too_few
from hieramp_lit.seeds import stream
from hieramp_lit.students import Teacher
from hieramp_lit.students.network_input import NetworkInput
from hieramp_lit.students.views.augment import sample_crops
from hieramp_lit.students.views.resample import resized_crop

KEY = "model.generator"


class RDED(Generator):
    """Gives (class row, index, seed) an image of ``factor × factor`` crops, the most realistic ones first.

    The crops of a class are chosen when its first image is asked for, and kept until another class is.

    Args:
        data: Where candidates come from, see `RandomReal`.
        teacher: Judges the crops; it answers the classes of `data` in their order.
        image_size: Side of the images in pixels, a multiple of `factor`; also the teacher's input.
        factor: Crops along each side of an image.
        candidates: Images of a class that crops are taken from, at random; all, where a class has fewer. A class gives
            ``candidates // factor²`` images.
        crops: Crops of each candidate, of which the best is kept.
        min_scale: Smallest share of a candidate's area that a crop takes, in (0, 1]; the largest is 1.
        scoring_batch_size: Crops that the teacher sees at once. Not part of the set's identity.

    Raises:
        FileNotFoundError: If the teacher's checkpoint does not exist.
        ValueError: If a number is out of range, or the teacher does not fit.
    """

    def __init__(
        self,
        data: RealImages,
        teacher: Teacher,
        image_size: int,
        factor: int = 2,
        candidates: int = 300,
        crops: int = 5,
        min_scale: float = 0.08,
        scoring_batch_size: int = 100,
    ) -> None:
        for name, value in (
            ("image_size", image_size),
            ("factor", factor),
            ("candidates", candidates),
            ("crops", crops),
            ("scoring_batch_size", scoring_batch_size),
        ):
            if value < 1:
                raise ValueError(f"{KEY}.{name}={value}: give at least 1.")
        if image_size % factor:
            raise ValueError(f"{KEY}.image_size={image_size} must be a multiple of {KEY}.factor={factor}.")
        if not 0 < min_scale <= 1:
            raise ValueError(f"{KEY}.min_scale={min_scale} must be in (0, 1]; 1 takes whole images.")
        self.data = data
        self.teacher = teacher
        self.image_size = image_size
        self.factor = factor
        self.candidates = candidates
        self.crops = crops
        self.min_scale = min_scale
        self.scoring_batch_size = scoring_batch_size
        self._rows = data.rows()
        self._cls_of = {entry.row: entry.cls for entry in data.classes.entries}
        self._network, self._sha256 = teacher.load(len(data.classes), image_size, key=f"{KEY}.teacher")
        usual = NetworkInput()
        self._input = NetworkInput(teacher.mean or usual.mean, teacher.std or usual.std)
        self._chosen: tuple[tuple[int, int], Tensor] | None = None

    @property
    def name(self) -> str:
        """``rded``."""
        return "rded"

    def identity(self) -> dict[str, Any]:
        """The data, the teacher and how it sees images, and the numbers."""
        return {
            "data": self.data.identity(),
            "teacher": {
                "architecture": self.teacher.architecture,
                "sha256": self._sha256,
                "norm": self.teacher.norm,
                "rows": None if self.teacher.rows is None else list(self.teacher.rows),
                "mean": list(self._input.mean),
                "std": list(self._input.std),
            },
            "image_size": self.image_size,
            "factor": self.factor,
            "candidates": self.candidates,
            "crops": self.crops,
            "min_scale": self.min_scale,
        }

    def check_classes(self, classes: ClassList) -> None:
        """Refuse a plan whose class rows mean other classes than those of the images.

        Args:
            classes: The plan's.

        Raises:
            ValueError: Naming the rows that differ.
        """
        refuse_other_classes(classes, self.data.classes)

    def check_images_per_class(self, classes: ClassList, images_per_class: int) -> None:
        """Refuse a plan that takes more crops than some class has candidates.

        Args:
            classes: The plan's.
            images_per_class: The plan's.

        Raises:
            ValueError: Naming these classes and how many images their candidates give.
        """
        count, found = self.factor**2, images_of_each(classes, self._rows)
        remedy = f"An image takes {count} candidates, one crop of each. "
        if self.candidates < count * images_per_class:
            remedy += f"{KEY}.candidates={self.candidates} must be {count * images_per_class} at least. "
        available = [min(number, self.candidates) // count for number in found]
        refuse_too_few(classes, available, images_per_class, remedy)

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        """Tile one image for each (class row, index) under `seed`.

        Args:
            labels_B: Class rows, int64, shape ``(B,)``, on the device that the teacher is to work on.
            indices_B: Index of each image within its class, int64, shape ``(B,)``.
            seed: The set's seed.
            record_saliency: Ignored: there are no saliency maps.

        Raises:
            ValueError: If a class has too few crops for an index.
        """
        rows, indices = labels_B.tolist(), indices_B.tolist()
        images = torch.empty(len(rows), self.image_size, self.image_size, 3, dtype=torch.uint8)
        for row in dict.fromkeys(rows):
            best_N = self._best_crops(row, seed, labels_B.device)
            for place in (place for place, other in enumerate(rows) if other == row):
                images[place] = tiled(self._crops_of_image(best_N, row, indices[place]), self.factor).permute(1, 2, 0)
        return Generated(images=images)

    def _crops_of_image(self, best_N: Tensor, row: int, index: int) -> Tensor:
        count = self.factor**2
        if (index + 1) * count > len(best_N):
            available = int((self._rows == row).sum())
            raise ValueError(
                f"Class row {row}: image {index} takes the crops up to rank {(index + 1) * count}, and there are "
                f"{len(best_N)}, one from each candidate ({KEY}.candidates={self.candidates}, the class has "
                f"{available} images). Raise {KEY}.candidates if there are more images, or lower "
                "data.images_per_class."
            )
        return best_N[index * count : (index + 1) * count]

    def _best_crops(self, row: int, seed: int, device: torch.device) -> Tensor:
        """The best crop of each candidate, most realistic first, uint8, shape ``(N, 3, s, s)``."""
        if self._chosen is not None and self._chosen[0] == (row, seed):
            return self._chosen[1]
        members = (self._rows == row).nonzero().flatten()
        order = torch.randperm(len(members), generator=stream("rded candidates", seed, row))[: self.candidates]
        side = self.image_size // self.factor
        crops_NM = [self._crops(place, seed) for place in members[order].tolist()]
        every = torch.stack(crops_NM) if crops_NM else torch.empty(0, self.crops, 3, side, side, dtype=torch.uint8)
        loss_NM = self._losses(every.flatten(0, 1), row, device).view(every.shape[:2])
        loss_N, best_N = loss_NM.min(dim=1)
        kept = every[torch.arange(len(every)), best_N][loss_N.argsort(stable=True)]
        self._chosen = (row, seed), kept
        return kept

    def _crops(self, place: int, seed: int) -> Tensor:
        """Random crops of one candidate, as they will be stored: uint8, shape ``(M, 3, s, s)``."""
        image_13HW = self.data.pixels([place]).permute(0, 3, 1, 2)
        height, width = image_13HW.shape[-2:]
        squares, scale = (1.0, 1.0), (self.min_scale, 1.0)
        boxes = sample_crops(self.crops, height, width, scale, squares, stream("rded crops", seed, place))
        views = resized_crop(image_13HW.expand(self.crops, -1, -1, -1), boxes, self.image_size // self.factor)
        return views.mul_(255).round_().to(torch.uint8)

    def _losses(self, crops: Tensor, row: int, device: torch.device) -> Tensor:
        """The teacher's cross-entropy of each crop at its class in nats, float32 on the CPU, shape ``(crops,)``."""
        network = self._network.to(device)
        margin = self.image_size - self.image_size // self.factor
        near, far = margin // 2, margin - margin // 2
        losses = [torch.empty(0)]
        with torch.inference_mode():
            for part in torch.split(crops, self.scoring_batch_size) if len(crops) else ():
                image = self._input.make_(part.to(device).float().div_(255))
                logits = network(F.pad(image, (near, far, near, far))).float()
                target = torch.full((len(part),), self._cls_of[row], device=device)
                losses.append(F.cross_entropy(logits, target, reduction="none").cpu())
        return torch.cat(losses)


def tiled(crops: Tensor, factor: int) -> Tensor:
    """Put crops beside and below each other, row by row.

    Args:
        crops: Shape ``(factor², C, s, s)``.
        factor: Crops along each side.

    Returns:
        Shape ``(C, factor · s, factor · s)``.
    """
    channels, side = crops.shape[1], crops.shape[-1]
    grid = crops.view(factor, factor, channels, side, side)
    return grid.permute(2, 0, 3, 1, 4).reshape(channels, factor * side, factor * side)
