import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hieramp_lit.callbacks.batch_progress import BatchProgress
from hieramp_lit.callbacks.training_progress import TrainingProgress
from hieramp_lit.data.batches import ImageBatch


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Task(LightningModule):
    """A step takes five seconds, a batch holds four images."""

    def __init__(self, clock: Clock, fail_at: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.clock = clock
        self.fail_at = fail_at

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        if self.global_step == self.fail_at:
            raise RuntimeError("broke")
        self.clock.now += 5
        self.log("train/loss", torch.tensor(0.25))
        return (self.weight * batch.image.float().mean()).sum()

    def predict_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        self.clock.now += 5
        return torch.zeros(4)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class JudgedTask(Task):
    """A batch of validation takes two seconds."""

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        self.clock.now += 2
        self.log("val/top1", torch.tensor(0.5), on_epoch=True, batch_size=4)

    test_step = validation_step


def loader(batches: int) -> DataLoader[ImageBatch]:
    images = [ImageBatch(torch.zeros(4, 3, 2, 2), torch.zeros(4)) for _ in range(batches)]
    return DataLoader(images, batch_size=None)  # type: ignore[arg-type]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    log.addHandler(caplog.handler)
    yield caplog
    log.removeHandler(caplog.handler)


def told(lines: pytest.LogCaptureFixture) -> list[str]:
    return list(dict.fromkeys(line for line in lines.messages if "images/s" in line or "images/min" in line))


def trainer_with(clock: Clock, every: float = 10.0, console: Console | None = None, **options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu", logger=False, enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=[TrainingProgress(every, clock, console), BatchProgress(every, clock, console)],
        **{"enable_progress_bar": False, "enable_checkpointing": False, "max_epochs": 3} | options,
    )  # fmt: skip


def test_lines_of_a_fit_by_hand(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    trainer_with(clock).fit(JudgedTask(clock), loader(2), loader(3))
    # 5 s: step 1 · 10 s: step 2, not due · 10–16 s: validation, due at its third batch · 21 s: not due · 26 s: due …
    assert told(lines) == [
        "epoch 1 of 3, step 1 of 6, train/loss 0.25, 48.0 images/min, 0:00:25 left",
        "3 of 3 batches of validation in 0:00:06, 2.0 images/s",
        "epoch 2 of 3, step 4 of 6, train/loss 0.25, val/top1 0.5, 48.0 images/min, 0:00:13 left",
        "epoch 3 of 3, step 5 of 6, train/loss 0.25, val/top1 0.5, 48.0 images/min, 0:00:07 left",
        "step 6 of 6 after 0:00:48, 48.0 images/min",
    ]


def test_images_of_all_batches_of_a_step_count(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    trainer_with(clock, max_epochs=1, accumulate_grad_batches=2).fit(Task(clock), loader(4))
    assert told(lines)[0] == "epoch 1 of 1, step 1 of 2, train/loss 0.25, 48.0 images/min, 0:00:10 left"


def test_a_resumed_fit_has_its_own_pace(tmp_path: Path, lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    first = trainer_with(clock, max_epochs=2)
    first.fit(Task(clock), loader(2))
    first.save_checkpoint(tmp_path / "a.ckpt")
    lines.clear()
    clock.now = 0
    trainer_with(clock, max_epochs=4).fit(Task(clock), loader(2), ckpt_path=tmp_path / "a.ckpt")
    assert told(lines)[0].startswith("epoch 3 of 4, step 5 of 8")
    assert told(lines)[0].endswith("48.0 images/min, 0:00:15 left")
    assert told(lines)[-1] == "step 8 of 8 after 0:00:20, 48.0 images/min"


def test_without_an_end_no_time_is_left(lines: pytest.LogCaptureFixture) -> None:
    class Endless(Task):
        def on_train_batch_end(self, *_: Any) -> None:
            self.trainer.should_stop = True

    clock = Clock()
    trainer_with(clock, max_epochs=-1).fit(Endless(clock), loader(2))
    assert told(lines)[0] == "epoch 1, step 1, train/loss 0.25, 48.0 images/min"


def test_a_log_is_never_longer_than_its_time(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    trainer_with(clock, every=1000).fit(JudgedTask(clock), loader(50), loader(3))
    assert len(told(lines)) == 2


@pytest.mark.parametrize("verb", ["test", "validate"])
def test_lines_of_a_test_by_hand(lines: pytest.LogCaptureFixture, verb: str) -> None:
    clock = Clock()
    getattr(trainer_with(clock), verb)(JudgedTask(clock), loader(9), verbose=False)
    assert told(lines) == [
        "1 of 9 batches measured, 0:00:16 left, 2.0 images/s",
        "6 of 9 batches measured, 0:00:06 left, 2.0 images/s",
        "9 of 9 batches measured in 0:00:18, 2.0 images/s",
    ]


def test_encoding_is_told_of_and_generating_left_to_its_own_display(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    trainer_with(clock).predict(Task(clock), loader(2), return_predictions=False)
    assert told(lines)[-1] == "2 of 2 batches encoded in 0:00:10, 48.0 images/min"


@pytest.mark.parametrize("fail_at", [None, 2])
def test_lightnings_bar_is_off_without_a_terminal_and_put_back(
    fail_at: int | None, lines: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    trainer = trainer_with(clock, console=Console(file=io.StringIO()), enable_progress_bar=True)
    if fail_at is None:
        trainer.fit(Task(clock), loader(2))
    else:
        with pytest.raises(RuntimeError, match="broke"):
            trainer.fit(Task(clock, fail_at), loader(2))
    assert len(told(lines)) == (4 if fail_at is None else 1)
    assert "Epoch" not in "".join(capsys.readouterr())
    assert trainer.progress_bar_callback is not None
    assert trainer.progress_bar_callback.is_enabled


@pytest.mark.parametrize("fail_at", [None, 3])
def test_a_terminal_has_one_bar_of_the_whole_run(
    fail_at: int | None, lines: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, screen = Clock(), io.StringIO()
    terminal = Console(file=screen, force_terminal=True, force_interactive=True, width=200)
    trainer = trainer_with(clock, console=terminal, enable_progress_bar=True)
    if fail_at is None:
        trainer.fit(JudgedTask(clock), loader(2), loader(3))
        assert "step 6 of 6 after 0:00:48, 48.0 images/min" in screen.getvalue()
    else:
        with pytest.raises(RuntimeError, match="broke"):
            trainer.fit(JudgedTask(clock, fail_at), loader(2), loader(3))
    shown = screen.getvalue()
    assert "epoch 1 of 3, step 2 of 6, train/loss 0.25, 48.0 images/min, 0:00:20 left" in shown
    assert "2 of 3 batches of validation, 0:00:02 left, 2.0 images/s" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # cursor hidden, shown
    assert not told(lines)
    assert "Epoch" not in "".join(capsys.readouterr())
