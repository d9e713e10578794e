"""While VAR is tuned: images of the same seeds with the weights so far, and what class tokens look at.

Legend: ``B`` images · ``l`` tokens of one scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from hieramp_lit.amplify import Amplification
from hieramp_lit.callbacks.sample_sheets import Picture, SampleSheets
from hieramp_lit.classes import ClassList
from hieramp_lit.data.batches import ImageBatch, TokenBatch
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.generate.base import Generated
from hieramp_lit.generate.real_maps import maps_of_tokens
from hieramp_lit.generate.var import VARGenerator, to_uint8
from hieramp_lit.shards.contact_sheet import draw_grid
from hieramp_lit.var import VAR, VQVAE, Sampling, Scales
from hieramp_lit.var.half import var_in

if TYPE_CHECKING:
    from hieramp_lit.tasks.class_token_tuning import ClassTokenTuning

MOST_ROWS = 8
CELL = 96
Pixels = NDArray[np.uint8]


class Real(NamedTuple):
    """Validation images to look at, on the CPU.

    Attributes:
        pixels: RGB, uint8, shape ``(B, H, W, 3)``.
        tokens: Their tokens, int64, shape ``(B, L)``.
        label: Class rows, int64, shape ``(B,)``.
    """

    pixels: Tensor
    tokens: Tensor
    label: Tensor


class TuningSamples(SampleSheets):
    """Sheets of images and strips of class-token maps while `ClassTokenTuning` runs, see `SampleSheets`.

    An image is a function of weights, class row, index and seed, so the sheets of all steps show the same images as
    they become. They are made with the weights as they are, in float32, whatever the training's precision is.

    ``step-000150.png``: rows are classes, columns images; with `amplification` beside them the amplified ones.
    ``maps-000150.png``: the first image of each class and, coarse to fine, its class tokens' maps (block before the
    last, conditional half). ``real-000150.png``: the same of validation images under the unconditional row, which knows
    no label: what each scale looks at in reality.

    The tokenizer's decoder is needed: where tokens come from a cache, the whole tokenizer is loaded at the first sheet
    and stays (436 MB for the published one; the log tells how much). A network that is shared out over devices (FSDP2)
    is not gathered for pictures: there are none then, and a warning says so.

    Args:
        rows: Class rows; null takes eight, evenly spaced among the data's classes.
        images_per_class: Columns of the sheet, at least 1.
        real_images: Validation images to show maps of, evenly spaced; 0 shows none.
        every_n_steps: Optimizer steps between sheets; null draws one at every validation. One comes at the end anyway.
            0 draws none at all.
        seed: Of the images.
        sampling: Guidance and filtering.
        amplification: Also amplify the same images like this; null leaves them plain.
        batch_size: Images made at once: bounds the memory (VAR-d16 at 256²: 180 MB of cache an image, and its decoder).

    Raises:
        ValueError: If a number is out of range; at the start of the fit, if a row or the amplification does not fit the
            network.
    """

    def __init__(
        self,
        rows: list[int] | None = None,
        images_per_class: int = 1,
        real_images: int = 4,
        every_n_steps: int | None = None,
        seed: int = 0,
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
        amplification: Amplification | None = None,
        batch_size: int = 4,
    ) -> None:
        super().__init__(every_n_steps)
        for name, value, least in (
            ("images_per_class", images_per_class, 1),
            ("real_images", real_images, 0),
            ("seed", seed, 0),
            ("batch_size", batch_size, 1),
        ):
            if value < least:
                raise ValueError(f"TuningSamples.{name}={value}: expected {least} or more.")
        if rows is not None and not rows:
            raise ValueError("TuningSamples.rows=[]: name at least one class row, or leave it null.")
        self.rows = rows
        self.images_per_class = images_per_class
        self.real_images = real_images
        self.seed = seed
        self.sampling = sampling
        self.amplification = amplification
        self.batch_size = batch_size
        self._real: Real | None = None

    def check(self, trainer: Trainer, pl_module: LightningModule) -> str | None:
        """Why there can be no sheets: a network that is shared out.

        Raises:
            ValueError: If the task is another, or rows or amplification do not fit its network.
        """
        task = _as_task(pl_module)
        self._real = None
        too_high = [row for row in self.rows or () if not 0 <= row < task.var.num_classes]
        if too_high:
            raise ValueError(
                f"TuningSamples.rows names {too_high}: this VAR has the class rows 0 to {task.var.num_classes - 1}."
            )
        if self.amplification is not None:
            self.amplification.schedule(task.var.scales, task.var.depth, task.var.class_token_scales)
        if isinstance(task.var, FSDPModule):
            return (
                "the network is shared out over the devices (FSDP2), and no device has all of it. `hieramp predict` "
                "makes images of a checkpoint."
            )
        if not task.var.class_token_scales:
            rank_zero_info("TuningSamples: plain VAR has no class tokens, so there are sheets of images and no maps.")
        return None

    def pictures(self, trainer: Trainer, pl_module: LightningModule) -> list[Picture]:
        """Sheet and maps of the weights as they are now."""
        task = _as_task(pl_module)
        vqvae = _whole_tokenizer(task)
        var = var_in(task.var, torch.float32).eval()  # a tree of its own: the task's modules keep their mode
        names = self._names(trainer, task.var)
        has_maps = bool(var.class_token_scales)
        plain = self._images(vqvae, var, list(names), None, has_maps)
        blocks = {f"step {trainer.global_step}": plain}
        if self.amplification is not None:
            blocks["amplified"] = self._images(vqvae, var, list(names), self.amplification, False)
        grid = {title: self._in_rows(one.images) for title, one in blocks.items()}
        pictures = [Picture("step", "images", draw_grid(grid, list(names.values()), cell=CELL))]
        if not has_maps:
            return pictures
        first = slice(None, None, self.images_per_class)
        maps = {place: map_2Bl[: len(plain.images)][first] for place, map_2Bl in (plain.saliency or {}).items()}
        images = plain.images[first].cpu().numpy()
        pictures.append(Picture("maps", "maps", _strips(list(names.values()), images, maps, var.scales)))
        real = self._real_images(trainer, task, vqvae)
        if real is not None:
            teacher_input = task.tokenizer.teacher_input(real.tokens.to(task.device))
            unconditional_B = torch.full((len(real.label),), var.num_classes, device=task.device)
            real_maps = maps_of_tokens(var, teacher_input, unconditional_B)
            titles = [f"real {_short(_name(trainer, row))}" for row in real.label.tolist()]
            pictures.append(Picture("real", "real", _strips(titles, real.pixels.numpy(), real_maps, var.scales)))
        return pictures

    def _images(
        self, vqvae: VQVAE, var: VAR, rows: Sequence[int], amplification: Amplification | None, record: bool
    ) -> Generated:
        """Images of all rows and indices, a few at a time; maps are those of the conditional half alone."""
        generator = VARGenerator(vqvae, var, self.sampling, amplification, decode_batch_size=self.batch_size)
        labels = torch.tensor(rows).repeat_interleave(self.images_per_class)
        indices = torch.arange(self.images_per_class).repeat(len(rows))
        parts = zip(torch.split(labels, self.batch_size), torch.split(indices, self.batch_size), strict=True)
        try:
            made = [generator.generate(*part, self.seed, record_saliency=record) for part in parts]
        finally:
            generator.release()
        images = torch.cat([one.images for one in made])
        if not record:
            return Generated(images)
        conditional = [{place: map_2Bl.chunk(2)[0] for place, map_2Bl in (one.saliency or {}).items()} for one in made]
        return Generated(images, saliency={p: torch.cat([maps[p] for maps in conditional]) for p in conditional[0]})

    def _in_rows(self, images: Tensor) -> list[list[Pixels]]:
        pixels = images.cpu().numpy()
        return [list(pixels[i : i + self.images_per_class]) for i in range(0, len(pixels), self.images_per_class)]

    def _names(self, trainer: Trainer, var: VAR) -> dict[int, str]:
        """Class rows to draw, and what they are called."""
        if self.rows is not None:
            rows = list(dict.fromkeys(self.rows))
        else:
            classes = _classes(trainer)
            every = sorted(classes.rows) if classes is not None else list(range(var.num_classes))
            count = min(MOST_ROWS, len(every))
            rows = [every[place * len(every) // count] for place in range(count)]
        return {row: _short(_name(trainer, row)) for row in rows}

    def _real_images(self, trainer: Trainer, task: ClassTokenTuning, vqvae: VQVAE) -> Real | None:
        """Evenly spaced validation images, read once; None where there are none to be had."""
        data = getattr(trainer, "datamodule", None)
        if not self.real_images or not isinstance(data, SampledDataModule):
            return None
        if self._real is None:
            samples = data.val_samples()
            count = min(self.real_images, len(samples))
            batch: Any = samples[[SampleKey(0, place * len(samples) // count) for place in range(count)]]
            if isinstance(batch, TokenBatch):
                tokens = batch.tokens.long()
                pixels = to_uint8(vqvae.decode(tokens.to(task.device))).cpu()
            elif isinstance(batch, ImageBatch):
                tokens = task.tokenizer.encode(batch.image.to(task.device)).cpu()
                pixels = batch.image.permute(0, 2, 3, 1)
            else:
                return None
            self._real = Real(pixels, tokens, batch.label)
        return self._real


def _as_task(module: LightningModule) -> ClassTokenTuning:
    from hieramp_lit.tasks.class_token_tuning import ClassTokenTuning  # tasks import callbacks: a circle else

    if not isinstance(module, ClassTokenTuning):
        raise ValueError(
            f"trainer.callbacks: TuningSamples belongs to the task ClassTokenTuning, this one is "
            f"{type(module).__name__}. Leave it out."
        )
    return module


def _whole_tokenizer(task: ClassTokenTuning) -> VQVAE:
    """With its decoder, on the task's device; loaded when first asked for."""
    if task.tokenizer.vqvae is not None:
        return task.tokenizer.vqvae
    vqvae = task.tokenizer.load_encoder()
    held = sum(one.numel() * one.element_size() for one in vqvae.parameters())
    rank_zero_info(
        f"TuningSamples: the tokenizer's decoder is loaded, which takes {held / 2**20:.0f} MiB on {task.device}."
    )
    return vqvae


def _classes(trainer: Trainer) -> ClassList | None:
    classes = getattr(getattr(trainer, "datamodule", None), "classes", None)
    return classes if isinstance(classes, ClassList) else None


def _name(trainer: Trainer, row: int) -> str:
    classes = _classes(trainer)
    known = {} if classes is None else {entry.row: entry.name for entry in classes.entries}
    return known.get(row, f"row {row}")


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _strips(titles: Sequence[str], images: Pixels, maps: Mapping[tuple[int, int], Tensor], scales: Scales) -> Any:
    """Each image with its maps of the last recorded block, shape ``(B, l)``, coarse to fine."""
    # matplotlib, whose colours these are, takes a third of a second to import
    from hieramp_lit.analysis.saliency import StripRow, draw_strips

    last = max(block for block, _ in maps)
    of_scale = {scale: map_Bl.double().cpu().numpy() for (block, scale), map_Bl in maps.items() if block == last}
    rows = []
    for place, (title, image) in enumerate(zip(titles, images, strict=True)):
        grids = []
        for scale in range(len(scales)):
            map_Bl = of_scale.get(scale)
            side = 0 if map_Bl is None else math.isqrt(map_Bl.shape[1])
            grids.append(None if map_Bl is None else map_Bl[place].reshape(side, side))
        rows.append(StripRow(title, image, grids))
    return draw_strips(rows)
