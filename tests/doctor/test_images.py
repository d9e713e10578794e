import math
from pathlib import Path

import pytest
import torch

from hieramp_lit.checkpoints import save
from hieramp_lit.data import DigitsDataModule, ImageBatch
from hieramp_lit.doctor.images import (
    Prediction,
    Reconstruction,
    codebook_use,
    few_samples,
    judge_codebook,
    judge_prediction,
    judge_reconstruction,
    predict,
    reconstruct,
)
from hieramp_lit.var import VAR, VQVAE, VQVAEArchitecture, load_var, load_vqvae
from tests.tasks.tuning import NoiseDataModule


@pytest.fixture(scope="module")
def var() -> VAR:
    return load_var("asset://digits/var.safetensors").eval()


@pytest.fixture(scope="module")
def vqvae(var: VAR) -> VQVAE:
    return load_vqvae("asset://digits/tokenizer.safetensors", var.scales).eval()


@pytest.fixture(scope="module")
def batch() -> ImageBatch:
    return few_samples(DigitsDataModule(), 12)


@pytest.fixture
def stranger(var: VAR, tmp_path: Path) -> VQVAE:
    """A tokenizer of the same sizes with other weights."""
    ours = load_vqvae("asset://digits/tokenizer.safetensors", var.scales)
    torch.manual_seed(1)
    save(tmp_path / "other.safetensors", VQVAEArchitecture.of(ours.state_dict()).build(var.scales).state_dict())
    return load_vqvae(str(tmp_path / "other.safetensors"), var.scales).eval()


def test_samples_are_spread_over_the_validation_images():
    data = NoiseDataModule(4)
    samples = data.val_samples()
    few = few_samples(data, 3)
    assert torch.equal(few.image, samples.images[[0, 2, 4]])
    assert torch.equal(few_samples(data, 100).label, samples.labels)


def test_a_trained_pair_is_well(vqvae: VQVAE, var: VAR, batch: ImageBatch):
    tokens, found = reconstruct(vqvae, batch.image)
    assert torch.equal(tokens[5:6], vqvae.encode(batch.image[5:6] / 127.5 - 1))
    findings = [judge_reconstruction(found, 12), judge_codebook(codebook_use(vqvae, tokens), tokens, 128)]
    findings += judge_prediction(predict(vqvae, var, tokens, batch.label), 128)
    assert [finding.status for finding in findings] == ["ok"] * 4
    assert len(findings[2].facts["accuracy"]) == len(var.scales)


def test_reconstruction_is_the_peak_signal_to_noise_ratio(vqvae: VQVAE, batch: ImageBatch):
    pixels = batch.image.double() / 127.5 - 1
    tokens, found = reconstruct(vqvae, batch.image)
    error_B = (vqvae.decode(tokens).double() - pixels).square().flatten(1).mean(1)
    assert found.psnr == pytest.approx((10 * (4 / error_B).log10()).mean().item(), rel=1e-4)
    flat_B = pixels.flatten(2).var(dim=2, correction=0).mean(1)
    assert found.flat_psnr == pytest.approx((10 * (4 / flat_B).log10()).mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("psnr", "flat", "status"),
    [(10.9, 10, "warning"), (11, 10, "ok"), (29, 99, "warning"), (30, 99, "ok"), (25, 24.1, "warning")],
)
def test_a_reconstruction_must_be_more_than_colours_or_good(psnr: float, flat: float, status: str):
    assert judge_reconstruction(Reconstruction(psnr, flat), 4).status == status


def test_a_tokenizer_without_trained_weights_shows(stranger: VQVAE, var: VAR, batch: ImageBatch):
    tokens, found = reconstruct(stranger, batch.image)
    assert judge_reconstruction(found, 12).status == "warning"
    (finding,) = judge_prediction(predict(stranger, var, tokens, batch.label), 128)
    assert finding.status == "warning"
    assert "belongs together" in finding.remedy
    assert finding.facts["loss"] > finding.facts["guessing"] == math.log(128)


def test_labels_of_other_classes_show(vqvae: VQVAE, var: VAR, batch: ImageBatch):
    tokens, _ = reconstruct(vqvae, batch.image)
    findings = judge_prediction(predict(vqvae, var, tokens, (batch.label + 3) % 10), 128)
    assert [finding.status for finding in findings] == ["ok", "warning"]
    assert "data.class_rows" in findings[1].remedy


def test_a_collapsed_codebook_shows(vqvae: VQVAE):
    tokens = torch.full((12, vqvae.scales.total), 7)
    found = judge_codebook(codebook_use(vqvae, tokens), tokens, 128)
    assert found.status == "warning"
    assert found.facts["used"] == [1] * len(vqvae.scales)


@pytest.mark.parametrize("broken", ["loss", "unconditional_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_losses_that_are_no_numbers_are_an_error(broken: str, value: float):
    losses = {"loss": torch.ones(3), "unconditional_loss": torch.full((3,), 2.0)}
    assert [finding.status for finding in judge_prediction(Prediction(torch.ones(2), **losses), 128)] == ["ok", "ok"]
    losses[broken][1] = value
    (finding,) = judge_prediction(Prediction(torch.ones(2), **losses), 128)
    assert finding.status == "error"


def test_a_reconstruction_without_numbers_is_an_error():
    assert judge_reconstruction(Reconstruction(math.nan, 10), 4).status == "error"
