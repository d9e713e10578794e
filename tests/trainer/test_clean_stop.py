"""Signals while a run lasts, in this process."""

import os
import signal

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.checkpoints import save
from hieramp_lit.jobs import RunStoppedError
from hieramp_lit.trainer import CleanStop
from hieramp_lit.trainer.clean_stop import SIGNALS
from tests.tasks.tuning import NoiseDataModule, trainer, tuning, write_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


class Kill(Callback):
    """Sends signals to this process when one hook is called for the n-th time."""

    def __init__(self, hook, *signums, call=0):
        self.calls = 0

        def send(*_):
            if self.calls == call:
                for signum in signums:
                    os.kill(os.getpid(), signum)
            self.calls += 1

        setattr(self, hook, send)


class Steps(Callback):
    """Counts the batches of training."""

    count = 0

    def on_train_batch_start(self, *_):
        self.count += 1


def handlers():
    return [signal.getsignal(signum) for signum in SIGNALS]


@pytest.fixture
def heard():
    """SIGUSR1s that reached who listened before a run."""
    received = []
    before = signal.signal(signal.SIGUSR1, lambda signum, _: received.append(signum))
    yield received
    signal.signal(signal.SIGUSR1, before)


def test_handlers_are_given_back(tokenizer, heard):
    before = handlers()
    trainer(CleanStop(), max_steps=2).fit(tuning(tokenizer), NoiseDataModule(4))
    assert handlers() == before
    with pytest.raises(RunStoppedError):
        trainer(CleanStop(), Kill("on_train_batch_start", signal.SIGTERM)).fit(tuning(tokenizer), NoiseDataModule(4))
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert heard == [signal.SIGUSR1] * 2
    assert handlers() == before


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize(
    ("verb", "hook"),
    [
        ("fit", "on_train_start"),
        ("fit", "on_sanity_check_start"),
        ("fit", "on_sanity_check_end"),
        ("predict", "on_predict_start"),
        ("validate", "on_validation_start"),
        ("test", "on_test_start"),
    ],
)
def test_a_signal_before_the_first_step_or_batch_ends_the_run(tokenizer, tmp_path, signum, verb, hook):
    steps, told = Steps(), Kill(hook, signum)  # comes before CleanStop, so that Lightning has the signals
    run = trainer(told, CleanStop(), steps, ModelCheckpoint(tmp_path), max_epochs=1, num_sanity_val_steps=1)
    task = tuning(tokenizer)
    task.test_step = task.predict_step = task.validation_step
    data = NoiseDataModule(4)
    data.predict_dataloader = data.val_dataloader
    with pytest.raises(RunStoppedError, match=r"stopped\. Nothing was done yet: run the same command again\.") as stop:
        getattr(run, verb)(task, data)
    assert (stop.value.exit_code, steps.count) == (128 + signum, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("heard")
def test_a_signal_while_a_fit_is_built_is_not_lost(tokenizer):
    with pytest.raises(RunStoppedError, match="SIGUSR1: stopped"):
        trainer(CleanStop(), Kill("on_fit_start", signal.SIGUSR1)).fit(tuning(tokenizer), NoiseDataModule(4))


def test_a_signal_amid_an_accumulation_waits_for_its_step(tokenizer, tmp_path):
    steps, told = Steps(), Kill("on_train_batch_start", signal.SIGTERM, call=2)
    run = trainer(CleanStop(), ModelCheckpoint(tmp_path), told, steps, max_epochs=1, accumulate_grad_batches=2)
    with pytest.raises(RunStoppedError, match=r"stopped after step 2.*last\.ckpt") as stop:
        run.fit(tuning(tokenizer), NoiseDataModule(4))
    assert steps.count == 4
    assert stop.value.exit_code == 143
    assert (tmp_path / "last.ckpt").is_file()


def test_a_signal_in_validation_waits_for_the_next_step(tokenizer, tmp_path):
    steps, told = Steps(), Kill("on_validation_batch_start", signal.SIGUSR1)
    run = trainer(CleanStop(), ModelCheckpoint(tmp_path), told, steps, max_epochs=1, val_check_interval=2)
    with pytest.raises(RunStoppedError, match="SIGUSR1: stopped after step 3"):
        run.fit(tuning(tokenizer), NoiseDataModule(4))
    assert steps.count == 3


def test_a_run_without_checkpoints_says_that_nothing_is_saved(tokenizer):
    with pytest.raises(RunStoppedError, match=r"Nothing is saved.*trainer\.callbacks") as stop:
        trainer(CleanStop(), Kill("on_train_batch_start", signal.SIGINT)).fit(tuning(tokenizer), NoiseDataModule(4))
    assert stop.value.exit_code == 130


def test_the_second_ctrl_c_ends_at_once(tokenizer, tmp_path):
    twice = Kill("on_train_batch_start", signal.SIGINT, signal.SIGINT)
    with pytest.raises(RunStoppedError, match="Ended at once"):
        trainer(CleanStop(), ModelCheckpoint(tmp_path), twice).fit(tuning(tokenizer), NoiseDataModule(4))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_judging_stops_after_a_batch(tokenizer, tmp_path, verb):
    name = "validation" if verb == "validate" else verb
    told = Kill(f"on_{name}_batch_start", signal.SIGTERM)
    save(tmp_path / "var.safetensors", tuning(tokenizer).var.state_dict())
    task = tuning(tokenizer, checkpoint=str(tmp_path / "var.safetensors"))
    with pytest.raises(RunStoppedError, match=r"SIGTERM: stopped\. Run the same command again"):
        getattr(trainer(CleanStop(), told), verb)(task, NoiseDataModule(1), verbose=False)
    assert told.calls == 1
