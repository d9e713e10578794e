"""What ends a run early says so, names what to do, and leaves what was good as it was."""

import time

import pytest

from hieramp_lit.checkpoints import read_tensors
from tests.devices.accidents import accident, hieramp_on
from tests.shards.making import contents
from tests.tasks.tuning import same


@pytest.mark.parametrize(("what", "save_every", "good"), [("loss", 2, 6), ("weight", 1, 7)])
def test_what_is_not_finite_ends_the_fit_and_reaches_no_checkpoint(commands, whole, tmp_path, what, save_every, good):
    poison = accident(tmp_path, "Poison", save_every, what=what, step=7)
    run = hieramp_on(tmp_path, *commands["fit"], *poison)
    assert run.join() == [1], run.said()
    said = run.said()
    assert "Traceback" not in said
    if what == "loss":
        assert "The training loss is nan at step 8 (epoch 0, batch 7), samples " in said
    else:
        assert "A weight is not finite after step 8" in said
    checkpoint = tmp_path / f"runs/token_tuning/digits/version_0/checkpoints/step={good}.ckpt"
    assert f"{checkpoint.relative_to(tmp_path)}: go on from there with --ckpt_path" in said.replace(f"{tmp_path}/", "")
    assert not (tmp_path / "weights.safetensors").exists()
    again = hieramp_on(tmp_path, *commands["fit"], "--ckpt_path", str(checkpoint))
    assert again.join() == [0], again.said()
    assert same(*(read_tensors(folder / "weights.safetensors") for folder in (tmp_path, whole)))


@pytest.mark.parametrize(("stage", "knob"), [("fit", "model.checkpointing: true"), ("predict", "decode_batch_size")])
def test_too_little_memory_names_the_knobs(commands, tmp_path, stage, knob):
    short = accident(tmp_path, "RaiseAt", step=1, message="CUDA out of memory. Tried to allocate 2.00 GiB.")
    run = hieramp_on(tmp_path, *commands[stage], *short)
    assert run.join() == [1]
    said = run.said()
    assert "Traceback" not in said
    assert "error: CUDA out of memory. Tried to allocate 2.00 GiB.\nToo little memory, in " in said
    assert "  - data.batch_size" in said
    assert knob in said


@pytest.mark.parametrize("message", ["the scratch disk is gone", "kill"])
@pytest.mark.parametrize("stage", ["fit", "predict"])
def test_a_rank_that_dies_ends_the_run_soon_and_loses_nothing(commands, whole, tmp_path, stage, message):
    fatal = accident(tmp_path, "RaiseAt", step=2, message=message, rank=1, save_every=1 if stage == "fit" else 0)
    start = time.monotonic()
    run = hieramp_on(tmp_path, *commands[stage], *fatal, "--data.batch_size", "2", count=2)
    codes = run.join(40)
    assert time.monotonic() - start < 30
    assert codes[0] == 1
    assert codes[1] in (1, -9), run.said()
    assert "Traceback" not in run.said()
    assert "ended, because another process of this run ended first" in run.said(0)
    assert "the system may have killed it, most often for want of host memory: see `dmesg`" in run.said(0)
    assert ("error: " + message in run.said(1)) == (message != "kill")
    again = hieramp_on(tmp_path, *commands[stage], *(["--ckpt_path", "last"] if stage == "fit" else []))
    assert again.join() == [0], again.said()
    if stage == "predict":
        assert contents(tmp_path / "set") == contents(whole / "set")


def test_the_refusal_of_rank_0_is_what_users_see(commands, tmp_path, whole):
    run = hieramp_on(tmp_path, *commands["predict"], "--model.output", str(whole / "set"), "--data.seed", "5", count=2)
    assert run.join() == [1, 1]
    assert "Traceback" not in run.said()
    errors = [line for line in run.said().splitlines() if line.startswith("error: ")]
    assert errors
    assert all("another configuration" in line for line in errors), errors
