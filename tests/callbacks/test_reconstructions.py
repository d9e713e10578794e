"""Sheets of reconstructions while a tokenizer is trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hieramp_lit.callbacks import Reconstructions, RunLogger
from hieramp_lit.generate import to_uint8
from hieramp_lit.shards.contact_sheet import draw_grid
from hieramp_lit.tasks import TokenizerTraining
from hieramp_lit.var import Scales, load_vqvae
from tests.tasks.tuning import (
    PATCH_NUMS,
    TOKENIZER,
    NoiseDataModule,
    NoiseSamples,
    same,
    trainer,
    tuning,
    weights,
    write_tokenizer,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def fit(folder, *callbacks):
    """Weights, losses and the folder of pictures of four steps with a validation amid."""
    task = TokenizerTraining(TOKENIZER, PATCH_NUMS, export=str(folder / "tokenizer.safetensors"))
    logger = RunLogger(str(folder), "run")
    run = trainer(*callbacks, logger=logger, max_steps=4, val_check_interval=2, check_val_every_n_epoch=None)
    run.fit(task, NoiseDataModule(4))
    drawn = torch.rand(1).item()
    return (weights(task, "vqvae"), dict(run.callback_metrics), drawn), Path(logger.log_dir) / "samples"


def test_the_training_does_not_notice_and_the_sheet_is_of_its_weights(tmp_path):
    torch.manual_seed(0)
    (without, losses, drawn), _ = fit(tmp_path / "without")
    torch.manual_seed(0)
    (looked, also, drawn_too), folder = fit(tmp_path / "with", Reconstructions(images=3))
    assert same(looked, without)
    assert drawn_too == drawn
    assert also == losses
    assert sorted(path.name for path in folder.iterdir()) == ["step-000002.png", "step-000004.png"]

    images = NoiseSamples(7).images[[0, 2, 4]]
    vqvae = load_vqvae(str(tmp_path / "with/tokenizer.safetensors"), Scales(PATCH_NUMS)).eval()
    with torch.no_grad():
        back = to_uint8(vqvae.decode(vqvae.encode(images / 127.5 - 1))).numpy()
    rows = [list(images.permute(0, 2, 3, 1).numpy()), list(back)]
    expected = draw_grid({"step 4": rows}, ["image", "reconstruction"], cell=96)
    with Image.open(folder / "step-000004.png") as sheet:
        difference = np.abs(np.asarray(sheet).astype(int) - np.asarray(expected).astype(int))
    assert difference.max() <= 1  # decoded with channels last, which may round a pixel otherwise


def test_other_tasks_and_impossible_numbers_are_refused(tmp_path):
    task = tuning(write_tokenizer(tmp_path / "tokenizer.safetensors"))
    with pytest.raises(ValueError, match="Reconstructions belongs to the task TokenizerTraining"):
        Reconstructions().check(trainer(), task)
    with pytest.raises(ValueError, match=r"Reconstructions\.images=0"):
        Reconstructions(images=0)
    assert "ImageDataModule" in Reconstructions().check(trainer(), TokenizerTraining(TOKENIZER, PATCH_NUMS))
