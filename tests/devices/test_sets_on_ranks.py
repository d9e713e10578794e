"""Sets and token caches do not know how many ranks made them, nor how often the ranks were stopped."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.devices.accidents import accident, hieramp_on
from tests.devices.conftest import ROOT
from tests.shards.making import contents


@pytest.mark.parametrize("name", ["predict", "tokenize"])
def test_two_ranks_make_the_bytes_of_one(commands, whole, tmp_path, name):
    run = hieramp_on(tmp_path, *commands[name], count=2)
    assert run.join() == [0, 0], run.said()
    output = commands[name][-1]
    assert contents(tmp_path / output) == contents(whole / output)
    if name == "predict":
        assert re.search(r"20 of 20 images, 2 of 2 shards by rank 0 of 2, which have \d of 4, ", run.said(0)), run.said(
            0
        )


def test_more_ranks_than_shards(commands, tmp_path):
    one_shard = [*commands["predict"], "--data.shard_size", "40"]
    for count in (1, 3):
        run = hieramp_on(tmp_path / str(count), *one_shard, count=count)
        assert run.join() == [0] * count, run.said()
    assert contents(tmp_path / "1/set") == contents(tmp_path / "3/set")


@pytest.mark.parametrize("name", ["predict", "tokenize"])
def test_another_number_of_ranks_goes_on(commands, whole, tmp_path, name):
    stop = accident(tmp_path, "SignalAt", signum=int(signal.SIGTERM), step=3)
    run = hieramp_on(tmp_path, *commands[name], *stop)
    assert run.join() == [128 + signal.SIGTERM], run.said()
    output = commands[name][-1]
    assert not (tmp_path / output / "manifest.json").exists()
    again = hieramp_on(tmp_path, *commands[name], count=2)
    assert again.join() == [0, 0], again.said()
    assert "shards are complete, going on" in again.said(0)
    assert contents(tmp_path / output) == contents(whole / output)


@pytest.mark.slow
def test_a_rank_that_fails_under_lightnings_own_launcher_ends_all(commands, tmp_path):
    fatal = accident(tmp_path, "RaiseAt", step=1, message="the scratch disk is gone", rank=1)
    devices = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    command = [sys.executable, "-m", "hieramp_lit", *commands["predict"], *fatal, *devices]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert run.returncode != 0
    assert "error: the scratch disk is gone" in run.stderr
    assert "Traceback" not in run.stderr
    assert time.monotonic() - start < 60
    time.sleep(0.2)
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_two_ranks_judge_a_student_as_one_does(tmp_path):
    judged = ["test", "--config", f"{ROOT}/configs/student/digits_teacher.yaml", "--trainer.accelerator", "cpu"]
    judged += ["--model.checkpoint", "asset://digits/teacher.safetensors"]
    found = []
    for count in (1, 2):
        run = hieramp_on(tmp_path / str(count), *judged, count=count)
        assert run.join() == [0] * count, run.said()
        (metrics,) = (tmp_path / str(count)).glob("runs/**/metrics.csv")
        (row,) = csv.DictReader(metrics.read_text().splitlines())
        found.append({name: float(value) for name, value in row.items() if name.startswith("test/")})
    assert found[0] == found[1]
    assert {"test/top1", "test/class_9"} <= set(found[0])
    assert 0.9 < found[0]["test/top1"] < 1
