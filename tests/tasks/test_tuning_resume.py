"""A fit that was cut short anywhere gives the weights of the fit that was not."""

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from tests.tasks.tuning import NoiseDataModule, same, trainer, tuning, weights, write_tokenizer

EVERY_STEP = {"every_n_train_steps": 1}
AFTER_VALIDATION = {"every_n_epochs": 1, "save_on_train_epoch_end": False}
AFTER_EPOCH = {"every_n_epochs": 1, "save_on_train_epoch_end": True}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("saving", [EVERY_STEP, AFTER_VALIDATION, AFTER_EPOCH], ids=["step", "validation", "epoch"])
@pytest.mark.parametrize(
    "run",
    [
        {"max_epochs": 2},
        {"max_epochs": 2, "accumulate_grad_batches": 2, "gradient_clip_val": 0.5},
        {"max_epochs": 2, "limit_train_batches": 3},
        {"max_epochs": 2, "val_check_interval": 2},
        {"max_steps": 8, "max_epochs": -1},
        {"max_steps": 8, "max_epochs": -1, "val_check_interval": 4, "check_val_every_n_epoch": None},
    ],
    ids=["epochs", "accumulate", "limit", "validate_inside", "steps", "validate_by_steps"],
)
def test_every_checkpoint_resumes_to_the_same_bits(tokenizer, tmp_path, run, saving):
    def fit(resume, *callbacks):
        task = tuning(tokenizer, label_dropout=0.5)
        trainer(*callbacks, **run).fit(task, NoiseDataModule(batch_size=4), ckpt_path=resume)
        return weights(task)

    storing = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{step}", auto_insert_metric_name=False, **saving)
    whole = fit(None, storing)
    checkpoints = sorted(tmp_path.glob("*.ckpt"), key=lambda path: int(path.stem))
    # of the many, the first, one in the middle, and the last but one: the last has nothing left to do
    chosen = {0, len(checkpoints) // 2, max(0, len(checkpoints) - 2)}
    assert all(same(fit(checkpoints[i]), whole) for i in chosen)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dropout_and_drop_path_matter_to_that_comparison(tokenizer):
    def fit(**changes):
        task = tuning(tokenizer, label_dropout=0.5, **changes)
        trainer(max_steps=2).fit(task, NoiseDataModule(batch_size=4))
        return weights(task)

    assert same(fit(), fit())
    assert not same(fit(), fit(seed=1))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_resuming_on_other_batches_in_mid_epoch_is_refused(tokenizer, tmp_path):
    storing = ModelCheckpoint(tmp_path, every_n_train_steps=3, filename="cut", save_top_k=-1)
    trainer(storing, max_steps=3).fit(tuning(tokenizer), NoiseDataModule(batch_size=4))
    with pytest.raises(ValueError, match=r"data\.batch_size"):
        trainer(max_steps=5).fit(tuning(tokenizer), NoiseDataModule(batch_size=5), ckpt_path=tmp_path / "cut.ckpt")
