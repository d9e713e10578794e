"""kill -9 at any moment, then the same command: the set is byte-identical to an uninterrupted one."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hieramp_lit.data import GenerationPlan
from hieramp_lit.shards import ShardError, ShardSet
from hieramp_lit.tasks import AmplifiedGeneration
from hieramp_lit.var import Tokenizer
from tests.callbacks.killing import run_and_kill
from tests.shards.making import NoiseGenerator, contents, make_set, quiet_trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The uninterrupted set."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    make_set(folder, save_saliency=True)
    return contents(folder)


def check_what_is_left(folder: Path, whole: dict[str, bytes]) -> None:
    """Whatever has its final name is whole, and only a whole set can be opened."""
    left = contents(folder) if folder.exists() else {}
    for name, content in left.items():
        assert name.startswith(".") or content == whole[name], name
    if "manifest.json" not in left:
        with pytest.raises(ShardError, match="not a finished"):
            ShardSet.open(folder)
    else:
        ShardSet.open(folder).verify()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_before_any_file_operation(tmp_path: Path) -> None:
    make_set(tmp_path / "whole", images_per_class=1, save_saliency=True)  # two shards
    whole = contents(tmp_path / "whole")
    for operation in itertools.count():
        folder = tmp_path / str(operation)
        if run_and_kill(folder, file_operation=operation, images_per_class=1) == 0:
            break
        check_what_is_left(folder, whole)
        make_set(folder, images_per_class=1, save_saliency=True)
        assert contents(folder) == whole, f"killed before file operation {operation}"
    # Claim, two shards with sidecars and five index files, each opened and renamed; the claim's removal.
    assert operation >= 2 * (1 + 2 * 2 + 5) + 1
    assert contents(folder) == whole


@pytest.mark.parametrize("call", [0, 1, 3, 6])
def test_killed_in_the_generator(tmp_path: Path, whole: dict[str, bytes], call: int) -> None:
    folder = tmp_path / "set"
    assert run_and_kill(folder, call=call) == -signal.SIGKILL
    check_what_is_left(folder, whole)
    again = NoiseGenerator()
    make_set(folder, again, save_saliency=True)
    assert contents(folder) == whole
    # Two batches a shard; the thread that writes may not have come to the end of the last one.
    shards = call // 2
    assert len(again.made) in {20 - 6 * shards, 20 - 6 * max(0, shards - 1)}


def test_killed_again_and_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "set"
    for operation in (12, 9, 7, 20):
        run_and_kill(folder, file_operation=operation)
        check_what_is_left(folder, whole)
    make_set(folder, save_saliency=True)
    assert contents(folder) == whole


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_killed_from_outside(tmp_path: Path, tiny_var: Path, tiny_tokenizer: Path) -> None:
    folder = tmp_path / "set"
    command = [
        *(sys.executable, "-m", "hieramp_lit", "predict", "--trainer.accelerator=cpu", "--trainer.logger=false"),
        *("--model=AmplifiedGeneration", f"--model.checkpoint={tiny_var}", f"--model.output={folder}"),
        f"--model.tokenizer.checkpoint={tiny_tokenizer}",
        *("--data=GenerationPlan", "--data.classes=digits", "--data.images_per_class=40"),
        *("--data.shard_size=20", "--data.batch_size=4"),
    ]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    plan = GenerationPlan("digits", images_per_class=40, shard_size=20, batch_size=4)

    def generate(output: Path) -> None:
        quiet_trainer().predict(AmplifiedGeneration(str(tiny_var), Tokenizer(str(tiny_tokenizer)), str(output)), plan)

    for shards in (2, 11):  # of 20
        process = subprocess.Popen(command, **quiet)
        while process.poll() is None and len(list(folder.glob("train-*.json"))) < shards:
            time.sleep(0.002)
        assert process.poll() is None, "the run ended before it could be killed"
        os.kill(process.pid, signal.SIGSTOP)  # it lives, so nobody else may write
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        before = contents(folder)
        with pytest.raises(ShardError, match=rf"{re.escape(str(folder))}.*\(process {process.pid} on "):
            generate(folder)
        assert contents(folder) == before
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / "manifest.json").exists()
    subprocess.run(command, check=True, **quiet)
    generate(tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")
    ShardSet.open(folder).verify()
