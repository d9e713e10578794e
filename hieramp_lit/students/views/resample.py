"""Cutting a box out of each image of a batch and resizing it to a square.

There are two ways, the fastest that were found for each kind of device. Milliseconds for 100 images of 224² on one core
of an AMD EPYC (AVX-512), bytes to float32: torch's own `interpolate`, image by image, 43; on bytes 41, but it rounds to
1/255; `grid_sample` 114; the two neighbours along each axis, gathered, 350; both axes as products with dense weights
519. So the CPU goes image by image. On CUDA that would be hundreds of small kernels, and one `grid_sample` does the
batch, unless pixels have to be averaged.

Legend: ``B`` batch · ``H W`` pixels of the input · ``S`` side of the output.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hieramp_lit.transfer import sent


class Crops(NamedTuple):
    """Boxes in pixels of the input, int64 on the CPU, each of shape ``(B,)``."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def whole(image_BCHW: Tensor) -> Crops:
    """Boxes that keep everything."""
    height, width = image_BCHW.shape[-2:]
    zero_B = torch.zeros(len(image_BCHW), dtype=torch.int64)
    return Crops(zero_B, zero_B, zero_B + height, zero_B + width)


def resized_crop(
    image_BCHW: Tensor,
    crops: Crops,
    size: int,
    antialias: bool = True,
    flip_B: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Cut a box out of each image and resize it bilinearly to a square; then flip those marked.

    Equals torchvision's `resized_crop` of each image (on CUDA within rounding of its float32 coordinates). What is
    drawn stays on the CPU until it is used, so that nothing here waits for the device.

    Args:
        image_BCHW: uint8 in 0…255 or float, shape ``(B, C, H, W)``.
        crops: One box an image, inside it.
        size: Side S of the output.
        antialias: Average source pixels where a box is larger than the output.
        flip_B: Which to mirror left to right, bool on the CPU, shape ``(B,)``; None mirrors none.
        out: Where to write the result; None takes new memory.

    Returns:
        Shape ``(B, C, S, S)``; float32 in [0, 1] for uint8 input, else like the input.
    """
    averages = antialias and bool((crops.height > size).any() or (crops.width > size).any())
    if image_BCHW.device.type == "cuda" and not averages:
        sampled = sample_batch(image_BCHW, crops, size, flip_B)
        return sampled if out is None else out.copy_(sampled)
    if out is None:
        dtype = torch.float32 if image_BCHW.dtype == torch.uint8 else image_BCHW.dtype
        out = image_BCHW.new_empty((*image_BCHW.shape[:2], size, size), dtype=dtype)
    mirrored = [False] * len(image_BCHW) if flip_B is None else flip_B.tolist()
    boxes = zip(*(field.tolist() for field in crops), strict=True)
    for k, ((top, left, height, width), mirror) in enumerate(zip(boxes, mirrored, strict=True)):
        box = _as_float(image_BCHW[k : k + 1, :, top : top + height, left : left + width])
        view = F.interpolate(box, (size, size), mode="bilinear", antialias=antialias, align_corners=False)
        out[k] = (view.flip(-1) if mirror else view)[0]
    return out


def sample_batch(image_BCHW: Tensor, crops: Crops, size: int, flip_B: Tensor | None = None) -> Tensor:
    """`resized_crop` without antialias, in one kernel: every output pixel lies between four of the input.

    Args:
        image_BCHW: uint8 in 0…255 or float, shape ``(B, C, H, W)``.
        crops: One box an image.
        size: Side S of the output.
        flip_B: Which to mirror, bool on the CPU, shape ``(B,)``.
    """
    batch, (height, width) = len(image_BCHW), image_BCHW.shape[-2:]
    row_BS = _centers(crops.top, crops.height, height, size)
    column_BS = _centers(crops.left, crops.width, width, size)
    if flip_B is not None:
        column_BS = torch.where(flip_B[:, None], column_BS.flip(1), column_BS)
    image = _as_float(image_BCHW)
    y_BS, x_BS = sent(torch.stack([row_BS, column_BS]).to(image.dtype), image.device)
    shape = (batch, size, size)
    grid_BSS2 = torch.stack([x_BS[:, None, :].expand(shape), y_BS[:, :, None].expand(shape)], dim=-1)
    return F.grid_sample(image, grid_BSS2, mode="bilinear", padding_mode="border", align_corners=False)


def _centers(start_B: Tensor, length_B: Tensor, full: int, size: int) -> Tensor:
    """Centres of the output's pixels along one axis, ``(B, S)``: -1 and 1 are the edges of the whole input.

    They stay half a pixel inside the box, so that the pixels at its edge go on outwards and none from beyond comes in.
    """
    length_B1 = length_B[:, None].double()
    center_BS = length_B1 / size * (torch.arange(size, dtype=torch.float64) + 0.5)
    center_BS = torch.minimum(center_BS.clamp(min=0.5), length_B1 - 0.5)
    return (center_BS + start_B[:, None]) * (2 / full) - 1


def _as_float(image: Tensor) -> Tensor:
    return image.float().div_(255) if image.dtype == torch.uint8 else image
