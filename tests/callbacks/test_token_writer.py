import errno
import itertools
import json
import logging
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.data import DigitsDataModule, TokenCache, TokenizationPlan
from hieramp_lit.data.tokens.cache import TokenCacheError
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.tasks import Tokenization
from hieramp_lit.var import Tokenizer
from tests.callbacks.token_killing import Counting
from tests.data.tokens.token_caches import contents, flip_a_byte, image_data, make_cache, quiet_trainer, write_images
from tests.tasks.tuning import PATCH_NUMS, write_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, images: Path) -> dict[str, bytes]:
    """The files of an uninterrupted cache: two views of 22 training samples in shards of 8, 8, 6, and 6 more."""
    folder = tmp_path_factory.mktemp("whole") / "cache"
    make_cache(folder, tokenizer, image_data(images)).verify()
    return contents(folder)


class Maker:
    """Makes the cache, and keeps the task to see what it did."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.made: list[Counting] = []

    def __call__(self, *arguments: Any) -> Counting:
        self.made.append(Counting(*arguments, **self.changes))
        return self.made[-1]

    @property
    def calls(self) -> int:
        return self.made[-1].calls if self.made else 0


def test_made_twice_is_byte_identical(tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any) -> None:
    make_cache(tmp_path / "cache", tokenizer, image_data(images))
    assert contents(tmp_path / "cache") == whole
    assert {name for name in whole if name.startswith(".")} == set()


@pytest.mark.parametrize("batch_size", [1, 8])
def test_tokens_do_not_depend_on_the_batch_size(
    tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any, batch_size: int
) -> None:
    make_cache(tmp_path / "cache", tokenizer, image_data(images, batch_size=batch_size, num_workers=1))
    assert contents(tmp_path / "cache") == whole


def test_tokens_do_not_depend_on_the_precision(tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any) -> None:
    make_cache(tmp_path / "cache", tokenizer, image_data(images), precision="bf16-mixed")
    assert contents(tmp_path / "cache") == whole


def test_the_manifest_tells_people_what_it_is(whole: dict[str, bytes], tokenizer: Tokenizer) -> None:
    manifest = json.loads(whole["manifest.json"])
    assert manifest["format"] == {"name": "hieramp-tokens", "version": 1}
    assert manifest["identity"]["tokenizer"] == {"sha256": tokenizer.sha256(), "patch_nums": [1, 2, 4]}
    assert manifest["identity"]["train"]["crop"]["short_side"] == 18
    assert manifest["samples"] == {"train": 22, "val": 6}
    assert (manifest["views"], manifest["tokens_per_sample"], len(manifest["shards"])) == (2, 21, 7)
    assert "torch" in manifest["versions"]


def test_the_same_command_again_makes_nothing(tmp_path: Path, tokenizer: Tokenizer, images: Path) -> None:
    folder, maker = tmp_path / "cache", Maker()
    make_cache(folder, tokenizer, image_data(images))
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    make_cache(folder, tokenizer, image_data(images), task=maker)
    assert maker.calls == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("lost", "batches"),
    [
        ("train-view01-000001.tokens.npy", 2),
        ("train-view01-000001.labels.npy", 2),
        ("train-view01-000001.json", 2),
        ("manifest.json", 0),
        ("classes.json", 0),
    ],
)
def test_only_what_is_missing_is_made_again(
    tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any, lost: str, batches: int
) -> None:
    folder, maker = tmp_path / "cache", Maker()
    make_cache(folder, tokenizer, image_data(images))
    (folder / lost).unlink()
    make_cache(folder, tokenizer, image_data(images), task=maker)
    assert maker.calls == batches
    assert contents(folder) == whole


def test_a_damaged_shard_is_made_again(tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any) -> None:
    folder, maker = tmp_path / "cache", Maker()
    make_cache(folder, tokenizer, image_data(images))
    flip_a_byte(folder / "train-view01-000001.tokens.npy")
    with pytest.warns(UserWarning, match=r"train-view01-000001\.tokens\.npy"):
        make_cache(folder, tokenizer, image_data(images), task=maker)
    assert maker.calls == 2
    assert contents(folder) == whole


@pytest.mark.parametrize("fail_at", [0, 1, 2, 5, 12])
def test_an_exception_leaves_no_shard_that_looks_complete_and_the_run_goes_on(
    tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any, fail_at: int
) -> None:
    folder = tmp_path / "cache"
    with pytest.raises(RuntimeError, match="the encoder broke"):
        make_cache(folder, tokenizer, image_data(images), task=Maker(fail_at=fail_at))
    left = contents(folder)
    assert {name for name in left if name.startswith(".")} == {".identity.json"}
    assert all(left[name] == whole[name] for name in left if not name.startswith("."))
    assert sum(name.endswith(".json") and not name.startswith(".") for name in left) == fail_at // 2
    with pytest.raises(TokenCacheError, match="no finished token cache"):
        TokenCache.open(folder)
    again = Maker()
    make_cache(folder, tokenizer, image_data(images), task=again)
    assert contents(folder) == whole
    assert again.calls == 14 - 2 * (fail_at // 2)


def test_a_run_cut_short_is_continued(tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any) -> None:
    with pytest.raises(TokenCacheError, match="no finished"):
        make_cache(tmp_path / "cache", tokenizer, image_data(images), limit_predict_batches=3)
    make_cache(tmp_path / "cache", tokenizer, image_data(images))
    assert contents(tmp_path / "cache") == whole


OTHERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"views": 3}, {}, "views: folder 2, this run 3"),
    ({"shard_size": 9}, {}, "shard_size: folder 8, this run 9"),
    ({}, {"seed": 1}, r"train\.crop\.seed: folder 0, this run 1"),
    ({}, {"flip": True}, r"train\.crop\.flip: folder false, this run true"),
    ({}, {"short_side": 19}, r"train\.crop\.short_side: folder 18, this run 19"),
    ({}, {"val": None}, r"val\.images\.sha256: folder"),
    ({"patch_nums": (1, 3, 4)}, {}, r"tokenizer\.patch_nums\[1\]: folder 2, this run 3"),
    ({"patch_nums": (1, 2, 8)}, {"image_size": 32}, "image_size: folder 16, this run 32"),
]


@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize(("change", "of_images", "message"), OTHERS, ids=[message for *_, message in OTHERS])
def test_another_cache_is_refused_by_what_differs_and_nothing_is_touched(
    tmp_path: Path,
    tokenizer: Tokenizer,
    images: Path,
    change: dict[str, Any],
    of_images: dict[str, Any],
    message: str,
    state: str,
) -> None:
    folder = tmp_path / "cache"
    if state == "finished":
        make_cache(folder, tokenizer, image_data(images))
    else:
        with pytest.raises(RuntimeError, match="broke"):
            make_cache(folder, tokenizer, image_data(images), task=Maker(fail_at=3))
    before = contents(folder)
    with pytest.raises(TokenCacheError, match=message) as error:
        make_cache(folder, tokenizer, image_data(images, **of_images), **change)
    assert "another `model.output`" in str(error.value)
    assert contents(folder) == before


def test_another_tokenizer_is_refused_by_name(tmp_path: Path, tokenizer: Tokenizer, images: Path) -> None:
    make_cache(tmp_path / "cache", tokenizer, image_data(images))
    other = write_tokenizer(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(TokenCacheError, match=rf"tokenizer\.sha256: folder \"{tokenizer.sha256()[:30]}"):
        make_cache(tmp_path / "cache", other, image_data(images))


def test_other_files_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    root = write_images(tmp_path / "images")
    make_cache(tmp_path / "cache", tokenizer, image_data(root))
    (root / "train" / "dog" / "12.png").unlink()
    with pytest.raises(TokenCacheError, match=r"train\.images\.count: folder 22, this run 21"):
        make_cache(tmp_path / "cache", tokenizer, image_data(root))


def test_what_stands_in_the_folder_already_is_not_overwritten(
    tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any
) -> None:
    for name in ("classes.json", "train-view00-000000.tokens.npy"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(whole[name])
        with pytest.raises(TokenCacheError, match=rf"unknown origin.*{name}"):
            make_cache(folder, tokenizer, image_data(images))
        assert contents(folder) == {name: whole[name]}
    other = tmp_path / "other"
    make_cache(other, tokenizer, image_data(images, seed=1))
    (other / "manifest.json").unlink()
    with pytest.raises(TokenCacheError, match=r"unknown origin.*train-view00-000000\.json"):
        make_cache(other, tokenizer, image_data(images))
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenCacheError, match="is a file"):
        make_cache(tmp_path / "file", tokenizer, image_data(images))


def test_images_of_another_size_are_refused_before_the_folder_is_claimed(
    tmp_path: Path, tokenizer: Tokenizer, images: Path
) -> None:
    with pytest.raises(ValueError, match=r"images of 32 pixels.*take 16.*image_size"):
        make_cache(tmp_path / "cache", tokenizer, image_data(images, image_size=32))
    assert not (tmp_path / "cache").exists()


def test_a_second_command_is_refused_while_the_first_one_lives(
    tmp_path: Path, tokenizer: Tokenizer, images: Path
) -> None:
    lock = FolderLock(tmp_path / "cache", first=True)
    with pytest.raises(ShardError, match="being written by another command"):
        make_cache(tmp_path / "cache", tokenizer, image_data(images))
    lock.release()
    make_cache(tmp_path / "cache", tokenizer, image_data(images))


def test_a_full_disk_keeps_what_was_complete_and_says_how_to_go_on(
    tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hieramp_lit.callbacks import token_writer

    write, calls = token_writer.write_shard, itertools.count()

    def full(*arguments: Any) -> Any:
        if next(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(token_writer, "write_shard", full)
        with pytest.raises(OSError, match=r"model\.output=.*No space left on device.*same command again") as error:
            make_cache(tmp_path / "cache", tokenizer, image_data(images))
    assert error.value.errno == errno.ENOSPC
    make_cache(tmp_path / "cache", tokenizer, image_data(images))
    assert contents(tmp_path / "cache") == whole


def test_tokenization_needs_its_plan(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="needs the data module TokenizationPlan, got DigitsDataModule"):
        quiet_trainer().predict(Tokenization(tokenizer, str(tmp_path), PATCH_NUMS), DigitsDataModule())


def test_tokens_are_not_kept_in_memory(tmp_path: Path, tokenizer: Tokenizer, images: Path) -> None:
    task, plan = Tokenization(tokenizer, str(tmp_path / "cache"), PATCH_NUMS), TokenizationPlan(image_data(images))
    assert not quiet_trainer().predict(task, plan, return_predictions=True)


def test_says_how_far_it_is_and_where_the_cache_is(
    tmp_path: Path,
    tokenizer: Tokenizer,
    images: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    make_cache(tmp_path / "cache", tokenizer, image_data(images))
    assert "train-view01-000000: 30 of 50 images encoded" in caplog.text
    assert f"The token cache is complete: {tmp_path / 'cache'}" in caplog.text
    assert "22 training images × 2 views, 6 validation images, 21 tokens each" in caplog.text


def test_the_work_is_listed_once(
    tmp_path: Path, tokenizer: Tokenizer, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    listing = TokenizationPlan.predict_dataloader
    monkeypatch.setattr(TokenizationPlan, "predict_dataloader", lambda plan: listed.append(plan) or listing(plan))
    make_cache(tmp_path / "cache", tokenizer, image_data(images))
    assert len(listed) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_make_the_cache_of_one(tmp_path: Path, tokenizer: Tokenizer, images: Path, whole: Any) -> None:
    folder, config = tmp_path / "cache", ROOT / "configs/tokenize/folder.yaml"
    with pytest.raises(RuntimeError, match="broke"):  # the two then share six shards, three each
        make_cache(folder, tokenizer, image_data(images), task=partial(Counting, fail_at=3))
    command = [
        *(sys.executable, "-m", "hieramp_lit", "tokenize", f"--config={config}", f"--model.output={folder}"),
        *(f"--model.tokenizer.checkpoint={tokenizer.checkpoint}", "--model.patch_nums=[1,2,4]"),
        *("--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.logger=false"),
        *(f"--data.images.train={images / 'train'}", f"--data.images.val={images / 'val'}", "--data.views=2"),
        *("--data.images.image_size=16", "--data.images.batch_size=4", "--data.images.num_workers=0"),
        "--data.shard_size=8",
    ]
    subprocess.run(command, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert contents(folder) == whole
