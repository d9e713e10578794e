"""A fit on stored images that was cut short in mid-epoch goes on to the weights of the fit that was not."""

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.data import CIFARDataModule, WebDatasetDataModule
from tests.data.image_sets import write_cifar
from tests.data.web.web_sets import write_shards
from tests.tasks.tuning import same, trainer, tuning, weights, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


@pytest.fixture(params=["listed", "stream", "cifar"])
def make(request, tmp_path, monkeypatch):
    """A way to the same data module again and again."""
    sizes = {"image_size": 16, "batch_size": 4, "num_workers": 0}
    if request.param == "cifar":
        write_cifar(tmp_path, monkeypatch, per_batch=5)
        return lambda: CIFARDataModule(str(tmp_path), validation="train_split", flip=True, **sizes)
    shards = write_shards(tmp_path / "shards", classes=10)
    if request.param == "listed":
        return lambda: WebDatasetDataModule(shards, "digits", val=shards, **sizes)
    way = {"stream": True, "epoch_samples": 22, "readers": 2, "shuffle": 3}
    return lambda: WebDatasetDataModule(
        f"pipe:cat {shards}/train-{{0000..0003}}.tar", "digits", val=shards, **way, **sizes
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fit_cut_short_in_mid_epoch_goes_on_exactly(make, tokenizer, tmp_path):
    def fit(resume, *callbacks):
        task = tuning(tokenizer, label_dropout=0.5)
        trainer(*callbacks, max_epochs=2, val_check_interval=2).fit(task, make(), ckpt_path=resume)
        return weights(task), task.trainer.global_step

    storing = ModelCheckpoint(
        tmp_path, save_top_k=-1, every_n_train_steps=1, filename="{step}", auto_insert_metric_name=False
    )
    whole, steps = fit(None, storing)
    for at in (1, steps // 2 + 1):
        resumed, end = fit(tmp_path / f"{at}.ckpt")
        assert end == steps
        assert same(resumed, whole)
