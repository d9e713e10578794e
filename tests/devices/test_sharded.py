"""A network shared out over two ranks takes the steps of one; its checkpoints resume, and load everywhere."""

import signal

import pytest
import torch

from hieramp_lit.callbacks.run_logger import replaced
from hieramp_lit.checkpoints import read_tensors
from hieramp_lit.tasks.tokenizer_of import recorded_tokenizer
from hieramp_lit.trainer import WholeCheckpointIO
from hieramp_lit.var import load_var
from tests.devices.accidents import accident, hieramp_on
from tests.devices.conftest import ROOT
from tests.devices.ranks import on_ranks
from tests.devices.test_tuning_on_ranks import assert_close
from tests.devices.tunings import Fit, fit, sharded_fits, sharded_on_one
from tests.tasks.tuning import NoiseDataModule, same, trainer, tuning, weights, write_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sharded")


@pytest.fixture(scope="module")
def tokenizer(folder):
    return write_tokenizer(folder / "tokenizer.safetensors")


@pytest.fixture(scope="module")
def results(folder, tokenizer) -> dict[str, Fit]:
    return on_ranks(folder / "ranks", sharded_fits, tokenizer, folder)[0]


def test_it_takes_the_steps_of_one_process(tokenizer, results):
    assert_close(fit(tokenizer, 8), results["whole"])


def test_it_has_no_pictures_and_says_so(folder, results):
    assert not (folder / "ranks/samples").exists()
    assert "TuningSamples draws nothing in this run" in (folder / "ranks/rank-0.out").read_text()


def test_it_resumes_to_the_same_bits(results):
    whole, resumed = results["whole"], results["resumed"]
    assert resumed.rates == whole.rates[3:]
    assert resumed.losses[-1].keys() == whole.losses[-1].keys() != set()
    assert same(resumed.weights, whole.weights)


def test_it_resumes_on_another_number_of_ranks(folder, tokenizer, results):
    (on_one,) = on_ranks(folder / "one", sharded_on_one, tokenizer, folder / "step=3.ckpt", count=1)
    for name, value in results["whole"].weights.items():
        torch.testing.assert_close(value, on_one.weights[name], rtol=1e-3, atol=1e-4, msg=name)


def test_without_the_strategy_its_checkpoints_are_refused_by_name(folder, tokenizer, results):
    run = trainer(max_epochs=2)
    run.strategy.checkpoint_io = WholeCheckpointIO()
    with pytest.raises(ValueError, match=r"last\.ckpt is of a sharded network.*fsdp\.yaml.*model\.checkpoint"):
        run.fit(tuning(tokenizer), NoiseDataModule(4), ckpt_path=folder / "last.ckpt")


def test_its_checkpoints_are_folders_that_every_loader_reads(folder, tokenizer, results):
    last = folder / "last.ckpt"
    assert last.is_dir()
    assert {name.split(".")[0] for name in read_tensors(last)} == {"var"}  # and no tokenizer
    assert same(load_var(str(last)).state_dict(), results["whole"].weights)
    assert same(weights(tuning(tokenizer, checkpoint=str(last))), results["whole"].weights)
    assert not same(load_var(str(folder / "step=2.ckpt")).state_dict(), results["whole"].weights)
    assert recorded_tokenizer(last) == recorded_tokenizer(folder / "export.safetensors") == tokenizer.sha256()
    assert not list(folder.glob(".*"))  # nothing is left of writing aside


def test_its_export_is_the_whole_network(folder, results):
    exported = load_var(str(folder / "export.safetensors")).state_dict()
    assert same(exported, results["whole"].weights)
    assert all(isinstance(value, torch.Tensor) for value in exported.values())


def test_the_command_stops_and_goes_on(commands, whole, tmp_path):
    overlay = ["--config", f"{ROOT}/configs/overlays/fsdp.yaml", "--trainer.accelerator", "cpu"]
    fit = [*commands["fit"], "--data.batch_size", "2"]
    stop = accident(tmp_path, "SignalAt", signum=int(signal.SIGTERM), step=4)
    run = hieramp_on(tmp_path, *fit, *stop, *overlay, count=2)
    assert run.join() == [128 + signal.SIGTERM, 0], run.said()
    (last,) = tmp_path.rglob("last.ckpt")
    last.rename(last.with_name(replaced("last.ckpt")))  # as a kill leaves it that comes while a newer one replaces it
    again = hieramp_on(tmp_path, *fit, *overlay, "--ckpt_path", "last", count=2)
    assert again.join() == [0, 0], again.said()
    assert f"Going on from {replaced('last.ckpt')}" in again.said().replace(f"{last.parent.relative_to(tmp_path)}/", "")
    ours, theirs = (read_tensors(folder / "weights.safetensors") for folder in (tmp_path, whole))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4, msg=name)
