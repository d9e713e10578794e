"""Tuning from cached tokens is tuning from the images: the same losses, step by step, and it resumes as exactly."""

import shutil
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from hieramp_lit.data import TokenDataModule
from hieramp_lit.var import Tokenizer
from tests.data.tokens.token_caches import flip_a_byte, image_data, make_cache, write_images
from tests.tasks.tuning import architecture, same, trainer, tuning, weights, write_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

VIEWS = 3
BATCHES = 5  # of four images, in an epoch of 22


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Images, a tokenizer and the cache that it makes of them, in batches of another size than training's."""
    root = tmp_path_factory.mktemp("tokens")
    tokenizer = write_tokenizer(root / "tokenizer.safetensors")
    images = image_data(write_images(root / "images"), batch_size=5, flip=True, seed=3)
    make_cache(root / "cache", tokenizer, images, views=VIEWS)
    return root


@pytest.fixture(scope="module")
def tokenizer(root):
    return Tokenizer(str(root / "tokenizer.safetensors"))


def images(root, seed=3, batch_size=4):
    return image_data(root / "images", batch_size=batch_size, flip=True, seed=seed)


def tokens(root, seed=3, batch_size=4):
    return TokenDataModule(str(root / "cache"), batch_size=batch_size, seed=seed)


class Losses(Callback):
    """Keeps what was logged: a line a step, and one a validation."""

    def __init__(self):
        self.train, self.val = [], []

    def on_train_batch_end(self, trainer, *_):
        self.train.append({k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith("train/")})

    def on_validation_end(self, trainer, *_):
        self.val.append({k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith("val/")})


def fit(tokenizer, data, *callbacks, resume=None, task=None, **run):
    losses = Losses()
    task = task or tuning(tokenizer, label_dropout=0.3)
    trainer(losses, *callbacks, **{"max_epochs": VIEWS, **run}).fit(task, data, ckpt_path=resume)
    return losses, task


@pytest.mark.parametrize(
    "run",
    [{}, {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5}, {"precision": "bf16-mixed"}],
    ids=["plain", "accumulate", "bf16"],
)
def test_losses_equal_those_from_the_images_bit_for_bit(root, tokenizer, run):
    from_images, task = fit(tokenizer, images(root), **run)
    from_tokens, other = fit(tokenizer, tokens(root), **run)
    steps = BATCHES // run.get("accumulate_grad_batches", 1)  # whole ones alone
    assert len(from_images.train) == steps * run.get("accumulate_grad_batches", 1) * VIEWS
    assert len(from_images.val) == VIEWS
    assert from_tokens.train == from_images.train
    assert from_tokens.val == from_images.val
    assert same(weights(task), weights(other))


def test_after_the_last_view_the_first_comes_again(root, tokenizer):
    from_images, _ = fit(tokenizer, images(root), max_epochs=VIEWS + 1)
    from_tokens, _ = fit(tokenizer, tokens(root), max_epochs=VIEWS + 1)
    seen = BATCHES * VIEWS
    assert from_tokens.train[:seen] == from_images.train[:seen]
    assert all(a != b for a, b in zip(from_tokens.train[seen:], from_images.train[seen:], strict=True))


def test_another_seed_is_another_order(root, tokenizer):
    assert fit(tokenizer, tokens(root, seed=4))[0].train != fit(tokenizer, tokens(root))[0].train


@pytest.mark.parametrize("started_on", ["tokens", "images"])
def test_a_fit_that_was_cut_short_gives_the_same_bits(root, tokenizer, tmp_path, started_on):
    storing = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_top_k=-1, filename="{step}")
    whole, task = fit(tokenizer, {"tokens": tokens, "images": images}[started_on](root), storing)
    for cut in (1, 7, 10, 13):
        rest, resumed = fit(tokenizer, tokens(root), resume=tmp_path / f"step={cut}.ckpt")
        assert rest.train == whole.train[cut:]
        assert same(weights(resumed), weights(task))


def test_neither_image_nor_encoder_is_in_memory(root, tokenizer, monkeypatch):
    monkeypatch.setattr("PIL.Image.open", lambda *_: pytest.fail("an image was opened"))
    monkeypatch.setattr(type(tokenizer), "load", lambda *_: pytest.fail("the whole tokenizer was loaded"))
    _, task = fit(tokenizer, tokens(root), max_steps=2)
    (found,) = trainer().validate(task, tokens(root), verbose=False)
    assert "val/token_loss" in found
    own = dict(task.tokenizer.named_parameters())
    assert {name.split(".")[1] for name in own} == {"embedding", "quant_resi"}
    assert not any(parameter.requires_grad for parameter in own.values())


def test_images_after_tokens_load_the_encoder(root, tokenizer):
    _, task = fit(tokenizer, tokens(root), max_steps=1)
    assert task.tokenizer.vqvae is None
    (from_images,) = trainer().validate(task, images(root), verbose=False)
    assert task.tokenizer.vqvae is not None
    (from_tokens,) = trainer().validate(task, tokens(root), verbose=False)
    assert from_tokens == from_images


def test_a_test_of_the_tokens_is_one_of_the_images(root, tokenizer):
    _, task = fit(tokenizer, tokens(root), max_steps=1)
    (from_tokens,) = trainer().test(task, tokens(root), verbose=False)
    (from_images,) = trainer().test(task, images(root), verbose=False)
    assert from_tokens == from_images
    assert "test/class_accuracy_unconditional/02" in from_tokens


def test_images_without_the_encoder_are_an_error_that_says_what_to_do(root, tokenizer):
    with pytest.raises(RuntimeError, match="load_encoder"):
        tuning(tokenizer).losses(next(iter(images_set_up(root).train_dataloader())))


def images_set_up(root):
    data = images(root)
    data.setup("fit")
    return data


class TestRefusals:
    def test_the_cache_of_another_tokenizer_by_name(self, root, tmp_path):
        other = write_tokenizer(tmp_path / "other.safetensors", seed=1)
        with pytest.raises(ValueError, match=rf"data\.path=.*model\.tokenizer\.checkpoint has {other.sha256()}"):
            fit(other, tokens(root))

    def test_also_in_validation(self, root, tmp_path):
        other = write_tokenizer(tmp_path / "other.safetensors", seed=1)
        with pytest.raises(ValueError, match=r"model\.tokenizer\.checkpoint"):
            trainer().validate(tuning(other), tokens(root))

    def test_a_cache_of_other_scales(self, root, tokenizer):
        task = tuning(tokenizer, var=architecture(patch_nums=(1, 3, 4)))
        with pytest.raises(ValueError, match=r"patch_nums \[1, 2, 4\], model\.var\.patch_nums is \[1, 3, 4\]"):
            fit(tokenizer, tokens(root), task=task)

    def test_class_rows_beyond_the_label_embedding(self, root, tokenizer):
        task = tuning(tokenizer, var=architecture(num_classes=1))
        with pytest.raises(ValueError, match=r"model\.var\.num_classes=1"):
            fit(tokenizer, tokens(root), task=task)

    def test_resuming_on_other_batches_in_mid_epoch(self, root, tokenizer, tmp_path):
        storing = ModelCheckpoint(tmp_path, every_n_train_steps=3, filename="cut", save_top_k=-1)
        fit(tokenizer, tokens(root), storing, max_steps=3)
        with pytest.raises(ValueError, match=r"data\.batch_size"):
            fit(tokenizer, tokens(root, batch_size=5), resume=tmp_path / "cut.ckpt")

    @pytest.mark.parametrize("started_on", ["tokens", "images"])
    @pytest.mark.parametrize(
        ("other", "named"),
        [
            ({"seed": 4}, r"crop\.seed \(data\.seed\): checkpoint 3, now 4"),
            ({"short_side": 19}, r"crop\.short_side \(data\.short_side\): checkpoint 18, now 19"),
            ({"renamed": True}, r"images\.sha256 \(data\.train"),
        ],
        ids=["seed", "short_side", "images"],
    )
    def test_resuming_in_mid_epoch_on_a_cache_of_other_images_or_crops(
        self, root, tokenizer, tmp_path, started_on, other, named
    ):
        storing = ModelCheckpoint(tmp_path, every_n_train_steps=3, filename="cut", save_top_k=-1)
        fit(tokenizer, {"tokens": tokens, "images": images}[started_on](root), storing, max_steps=3)
        folder = Path(shutil.copytree(root / "images", tmp_path / "images"))
        crops = {"flip": True, "seed": 3, **other}
        if crops.pop("renamed", False):
            (folder / "train" / "cat" / "00.png").rename(folder / "train" / "cat" / "90.png")
        make_cache(tmp_path / "cache", tokenizer, image_data(folder, **crops))
        with pytest.raises(ValueError, match=named):
            fit(tokenizer, TokenDataModule(str(tmp_path / "cache"), 4, seed=3), resume=tmp_path / "cut.ckpt")

    @pytest.mark.parametrize("kind", ["tokens", "labels"])
    def test_a_cache_with_one_wrong_byte(self, root, tokenizer, tmp_path, kind):
        damaged = Path(shutil.copytree(root / "cache", tmp_path / "cache"))
        flip_a_byte(damaged / f"train-view01-000002.{kind}.npy")
        with pytest.raises(ValueError, match=rf"data\.path=.*train-view01-000002\.{kind}\.npy.*hieramp tokenize"):
            fit(tokenizer, TokenDataModule(str(damaged), 4, seed=3))

    def test_a_folder_that_is_no_cache(self, root):
        with pytest.raises(ValueError, match=r"data\.path"):
            TokenDataModule(str(Path(root) / "images"))
