"""What tokenizer and VAR make of a few of the user's images: reconstruction, codes in use, token accuracy, labels.

Legend: ``B`` images · ``K`` scales · ``L`` tokens of all scales · ``V`` codebook size.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from hieramp_lit.classes import ClassList
from hieramp_lit.data.batches import ImageBatch, TokenBatch
from hieramp_lit.data.images.crop import ResizeCrop, var_short_side
from hieramp_lit.data.images.folder import list_images
from hieramp_lit.data.images.reading import read_image
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.data.pixels import to_unit_range
from hieramp_lit.doctor.findings import Finding
from hieramp_lit.losses.token_cross_entropy import token_cross_entropy
from hieramp_lit.metrics.codebook import CodebookStatistics, CodebookUsage
from hieramp_lit.metrics.scale_mean import ScaleMean
from hieramp_lit.var import VAR, VQVAE

AT_ONCE = 4
LEAST_GAIN = 1.0
"""Decibels that a reconstruction should be above a picture of the image's mean colour."""
GOOD = 30.0
"""Decibels that are good in any case, e.g. for images that have one colour."""
COLLAPSED = 0.05
"""Share of the codes that could occur; fewer in use are a codebook that has collapsed, or images that are all alike."""
LEAST_BELOW_GUESSING = 0.1
"""Nats that a trained VAR's loss should be below that of guessing each token."""
SIGNIFICANT = 3.0
"""Standard errors by which a loss must be worse to be called so."""


class Reconstruction(NamedTuple):
    """How the tokenizer gives images back.

    Attributes:
        psnr: Peak signal-to-noise ratio, dB, mean over the images.
        flat_psnr: That of a picture of each image's mean colour.
    """

    psnr: float
    flat_psnr: float


class Prediction(NamedTuple):
    """How VAR predicts the images' tokens, each given the true coarser ones.

    Attributes:
        accuracy: Share of tokens that are its most probable guess, per scale, shape ``(K,)``.
        loss: Nats a token under the image's label, shape ``(B,)``.
        unconditional_loss: The same without the label.
    """

    accuracy: Tensor
    loss: Tensor
    unconditional_loss: Tensor


def few_samples(data: LightningDataModule, number: int) -> ImageBatch | TokenBatch:
    """Validation samples of a data module, spread evenly over them where they can be chosen, else the first ones.

    Args:
        data: Built, not set up.
        number: At most so many.

    Raises:
        ValueError: If there are none.
    """
    data.prepare_data()
    data.setup("validate")
    if isinstance(data, SampledDataModule):
        samples = data.val_samples()
        count = min(number, len(samples))
        chosen = [SampleKey(0, place * len(samples) // count) for place in range(count)]
        if chosen:
            batch: ImageBatch | TokenBatch = samples[chosen]
            return batch
    batches: list[ImageBatch | TokenBatch] = []
    for batch in data.val_dataloader():
        batches.append(batch)
        if sum(len(taken.label) for taken in batches) >= number:
            break
    if not batches:
        raise ValueError(f"data: {type(data).__name__} has no validation images to try.")
    joined = [torch.cat(parts)[:number] for parts in zip(*batches, strict=True)]
    return type(batches[0])(*joined)


def folder_samples(folder: Path, classes: ClassList, side: int, number: int) -> ImageBatch:
    """Images of class folders, spread evenly over them, cropped as tuning's validation images.

    Args:
        folder: Has a sub-folder for some of the classes.
        classes: Where to find each sub-folder's class row.
        side: Of the images in pixels.
        number: At most so many.

    Raises:
        ValueError: If a sub-folder is no class, or has no images.
        UnreadableImageError: If one that is tried cannot be read.
    """
    files, crop = list_images(folder, classes, "row", key="--folder"), ResizeCrop(side, var_short_side(side))
    count = min(number, len(files))
    chosen = [files[place * len(files) // count] for place in range(count)]
    pixels = [torch.from_numpy(np.array(crop(read_image(file.path), SampleKey(0, 0)))) for file in chosen]
    return ImageBatch(torch.stack(pixels).permute(0, 3, 1, 2), torch.tensor([file.label for file in chosen]))


@torch.no_grad()
def reconstruct(vqvae: VQVAE, image_BCHW: Tensor) -> tuple[Tensor, Reconstruction]:
    """Encode and decode.

    Args:
        vqvae: On any device.
        image_BCHW: Pixels, uint8.

    Returns:
        Tokens, int64, shape ``(B, L)``, and how well they give the images back.
    """
    tokens, psnr, flat = [], [], []
    device = vqvae.quantize.embedding.weight.device
    for part in torch.split(image_BCHW, AT_ONCE):
        pixels = to_unit_range(part.to(device), torch.float32)
        tokens_BL = vqvae.encode(pixels)
        psnr.append(_psnr(vqvae.decode(tokens_BL), pixels))
        flat.append(_psnr(pixels.mean(dim=(2, 3), keepdim=True), pixels))
        tokens.append(tokens_BL)
    return torch.cat(tokens), Reconstruction(torch.cat(psnr).mean().item(), torch.cat(flat).mean().item())


@torch.no_grad()
def predict(vqvae: VQVAE, var: VAR, tokens_BL: Tensor, label_B: Tensor) -> Prediction:
    """Teacher-forced answers, with and without the images' labels.

    Args:
        vqvae: Tokenizer.
        var: On the same device, in eval mode.
        tokens_BL: True tokens, int64.
        label_B: Class rows, int64.
    """
    accuracy = ScaleMean(var.scales.lengths).to(tokens_BL.device)
    losses, blind = [], []
    for tokens, label in zip(
        *(torch.split(part, AT_ONCE) for part in (tokens_BL, label_B.to(tokens_BL.device))), strict=True
    ):
        inputs = vqvae.teacher_input(tokens)
        logits = var(label, inputs).token_logits
        accuracy.update(logits.argmax(dim=-1) == tokens)
        losses.append(token_cross_entropy(logits, tokens).mean(dim=1))
        without = var(torch.full_like(label, var.num_classes), inputs).token_logits
        blind.append(token_cross_entropy(without, tokens).mean(dim=1))
    return Prediction(accuracy.compute(), torch.cat(losses), torch.cat(blind))


def codebook_use(vqvae: VQVAE, tokens_BL: Tensor) -> CodebookStatistics:
    """How many codes the images use at each scale."""
    usage = CodebookUsage(vqvae.scales, vqvae.vocab_size).to(tokens_BL.device)
    usage.update(tokens_BL)
    return usage.statistics()


def judge_reconstruction(found: Reconstruction, images: int) -> Finding:
    """Warn of a tokenizer that gives back no more than colours; one that gives back no numbers is an error."""
    text = f"PSNR {found.psnr:.1f} dB over {images} images; their mean colours alone have {found.flat_psnr:.1f} dB"
    if not math.isfinite(found.psnr):
        return _not_finite("reconstruction", f"images come back with pixels that are not finite, PSNR {found.psnr} dB")
    facts = {"psnr_db": found.psnr, "mean_colour_psnr_db": found.flat_psnr, "images": images}
    if found.psnr < min(found.flat_psnr + LEAST_GAIN, GOOD):
        remedy = "the tokenizer does not know such images, or has no trained weights: give another, or train one"
        return Finding("reconstruction", "warning", text, remedy, facts)
    return Finding("reconstruction", "ok", text, facts=facts)


def judge_codebook(found: CodebookStatistics, tokens_BL: Tensor, vocab_size: int) -> Finding:
    """Warn of a codebook of which next to nothing is used."""
    used = [int(number) for number in found.used]
    possible = min(vocab_size, tokens_BL.numel())
    together = len(set(tokens_BL.flatten().tolist()))
    text = f"{together} of {vocab_size} codes in {tokens_BL.numel()} tokens; per scale {_listed(used)}, perplexity "
    text += _listed([f"{value:.1f}" for value in found.perplexity.tolist()])
    facts = {"used": used, "perplexity": found.perplexity.tolist(), "used_together": together}
    if together < max(2, COLLAPSED * possible):
        remedy = "the codebook has collapsed, or the images are all alike: look at them, or train another tokenizer"
        return Finding("codebook", "warning", text, remedy, facts)
    return Finding("codebook", "ok", text, facts=facts)


def judge_prediction(found: Prediction, vocab_size: int) -> list[Finding]:
    """Warn of a VAR that does not know the tokenizer's tokens, and of labels that make its answers worse.

    Losses that are not finite are an error.
    """
    loss, guessing = found.loss.mean().item(), math.log(vocab_size)
    accuracy = [f"{value:.2f}" for value in found.accuracy.tolist()]
    text = (
        f"given the true coarser tokens, it guesses {_listed(accuracy)} of those of each scale; loss {loss:.2f} nats a "
    )
    text += f"token, {guessing:.2f} by guessing"
    losses = torch.stack([found.loss, found.unconditional_loss])
    if not losses.isfinite().all():
        with_label, without = losses.mean(dim=1).tolist()
        return [_not_finite("tokenizer and VAR", f"loss {with_label} nats a token with labels, {without} without")]
    facts = {"accuracy": found.accuracy.tolist(), "loss": loss, "guessing": guessing}
    if loss > guessing - LEAST_BELOW_GUESSING:
        remedy = (
            "the VAR does not know these tokens: it was trained on another tokenizer's, or not at all. Give the pair "
            "that belongs together"
        )
        return [Finding("tokenizer and VAR", "warning", text, remedy, facts)]
    worse_B = found.loss - found.unconditional_loss
    mean, error = worse_B.mean().item(), (worse_B.std() / math.sqrt(len(worse_B))).item() if len(worse_B) > 1 else 0.0
    said = f"with the images' labels the loss is {loss:.3f}, without {found.unconditional_loss.mean().item():.3f}"
    numbers = {"difference": mean, "standard_error": error}
    labels = Finding("labels", "ok", said, facts=numbers)
    if mean > SIGNIFICANT * error and mean > 0:
        remedy = (
            "labels that help no image are perhaps another class's rows: look at data.classes and data.class_rows. New "
            "classes, before they are tuned, are no fault"
        )
        labels = Finding("labels", "warning", said, remedy, numbers)
    return [Finding("tokenizer and VAR", "ok", text, facts=facts), labels]


def _not_finite(check: str, text: str) -> Finding:
    remedy = "weights are damaged: download, train or export them again, or take an earlier checkpoint"
    return Finding(check, "error", text, remedy)


def _psnr(image_BCHW: Tensor, true_BCHW: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in [-1, 1], dB; at most 100."""
    error_B = (image_BCHW - true_BCHW).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error_B.clamp(min=4e-10))


def _listed(values: Sequence[object]) -> str:
    return " ".join(map(str, values))
