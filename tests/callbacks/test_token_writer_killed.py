"""kill -9 at any moment, then the same command: the cache is byte-identical to an uninterrupted one."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hieramp_lit.data import TokenCache
from hieramp_lit.data.tokens.cache import TokenCacheError
from hieramp_lit.var import Tokenizer
from tests.callbacks.token_killing import tokenize_and_kill
from tests.data.tokens.token_caches import contents, image_data, make_cache, write_images
from tests.tasks.tuning import write_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors"
    write_tokenizer(path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


def make(folder: Path, tokenizer: Path, images: Path) -> dict[str, bytes]:
    """Shards of 12 and 10 training and 6 validation samples, in batches of 4."""
    make_cache(folder, Tokenizer(str(tokenizer)), image_data(images), views=1, shard_size=12).verify()
    return contents(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tokenizer: Path, images: Path) -> dict[str, bytes]:
    """The uninterrupted cache."""
    return make(tmp_path_factory.mktemp("whole") / "cache", tokenizer, images)


def check_what_is_left(folder: Path, whole: dict[str, bytes]) -> None:
    """Whatever has its final name is whole, and only a whole cache can be opened."""
    left = contents(folder) if folder.exists() else {}
    for name, content in left.items():
        assert name.startswith(".") or content == whole[name], name
    if "manifest.json" not in left:
        with pytest.raises(TokenCacheError, match="no finished token cache"):
            TokenCache.open(folder)
    else:
        TokenCache.open(folder).verify()


@pytest.mark.parametrize("call", [0, 1, 3, 5, 7])
def test_killed_in_the_encoder(
    tmp_path: Path, tokenizer: Path, images: Path, whole: dict[str, bytes], call: int
) -> None:
    folder = tmp_path / "cache"
    assert tokenize_and_kill(folder, tokenizer, images, call=call) == -signal.SIGKILL
    check_what_is_left(folder, whole)
    assert len(list(folder.glob("*.tokens.npy"))) == call // 3  # three batches a shard
    assert make(folder, tokenizer, images) == whole


def test_killed_again_and_again(tmp_path: Path, tokenizer: Path, images: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "cache"
    for operation in (9, 6, 4, 15):
        assert tokenize_and_kill(folder, tokenizer, images, file_operation=operation) == -signal.SIGKILL
        check_what_is_left(folder, whole)
    assert make(folder, tokenizer, images) == whole


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_before_any_file_operation(
    tmp_path: Path, tokenizer: Path, images: Path, whole: dict[str, bytes]
) -> None:
    for operation in itertools.count():
        folder = tmp_path / str(operation)
        if tokenize_and_kill(folder, tokenizer, images, file_operation=operation) == 0:
            break
        check_what_is_left(folder, whole)
        assert make(folder, tokenizer, images) == whole, f"killed before file operation {operation}"
    # The lock; claim, three shards of three files, and two index files, each opened and renamed; two removals.
    assert operation >= 1 + 2 * (1 + 3 * 3 + 2) + 2
    assert contents(folder) == whole


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_killed_from_outside(tmp_path: Path, tokenizer: Path, images: Path) -> None:
    folder, config = tmp_path / "cache", ROOT / "configs/tokenize/folder.yaml"
    command = [
        *(sys.executable, "-m", "hieramp_lit", "tokenize", f"--config={config}", f"--model.output={folder}"),
        *(f"--model.tokenizer.checkpoint={tokenizer}", "--model.patch_nums=[1,2,4]", "--trainer.accelerator=cpu"),
        *(f"--data.images.train={images / 'train'}", f"--data.images.val={images / 'val'}"),
        *("--data.images.image_size=16", "--data.images.batch_size=1", "--data.images.num_workers=0"),
        *("--data.views=40", "--data.shard_size=11", "--trainer.logger=false"),
    ]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for shards in (2, 30):  # of 81
        process = subprocess.Popen(command, **quiet)
        while process.poll() is None and len(list(folder.glob("train-*.json"))) < shards:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
        assert not (folder / "manifest.json").exists()
    subprocess.run(command, check=True, **quiet)
    data = image_data(images, batch_size=1)
    make_cache(tmp_path / "whole", Tokenizer(str(tokenizer)), data, views=40, shard_size=11)
    assert contents(folder) == contents(tmp_path / "whole")
