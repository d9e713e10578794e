import io
import logging
import re
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from rich.console import Console

from hieramp_lit.callbacks import generation_progress
from hieramp_lit.data import GenerationPlan
from hieramp_lit.tasks import Generation
from tests.shards.making import NoiseGenerator, make_set


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """Lightning's logger keeps its lines to itself where nothing else logs when it is imported."""
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in log.messages if " images, " in message]


def test_lines_tell_images_shards_speed_and_time_left(
    tmp_path: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 20))  # each look at the clock is 20 seconds later
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    make_set(tmp_path / "set")
    shown = lines(log)
    assert len(shown) == 7
    assert [line.split(" images,")[0] for line in shown] == [f"{n} of 20" for n in (4, 6, 10, 12, 16, 18, 20)]
    assert [re.findall(r"(\d) of 4 shards", line) for line in shown] == [[n] for n in "0112234"]
    assert all(re.search(r"\d\.\d images/min", line) for line in shown)
    assert all(re.search(r"\d:\d\d:\d\d left", line) for line in shown[:-1])
    assert "left" not in shown[-1]


def test_a_quick_run_shows_one_line(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    make_set(tmp_path / "set")
    assert len(lines(log)) == 1


def test_a_continued_run_counts_what_remains(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="broke"):
        make_set(tmp_path / "set", NoiseGenerator(fail_at=4))
    log.clear()
    make_set(tmp_path / "set")
    assert "2 of 4 shards are complete" in log.text
    assert lines(log)[-1].startswith("8 of 8 images, 2 of 2 shards")


def test_nothing_to_do_shows_nothing(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    make_set(tmp_path / "set")
    log.clear()
    make_set(tmp_path / "set")
    assert not lines(log)


def test_a_batch_size_is_fitted_once(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    class Fitting(NoiseGenerator):
        asked = 0

        def fitting_batch_size(self, most: int) -> int:
            self.asked += 1
            return min(4, most)

    generator = Fitting()
    make_set(tmp_path / "set", generator, batch_size="auto")
    assert generator.asked == 1
    assert log.messages.count("data.batch_size=auto: 4 images at once.") == 1


@pytest.mark.parametrize("breaks", [False, True])
def test_one_bar_in_a_terminal_and_the_terminal_is_left_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], breaks: bool
) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=200)
    monkeypatch.setattr(generation_progress, "Console", lambda **_: terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_model_summary=False)
    bar = trainer.progress_bar_callback
    assert bar is not None
    generator = NoiseGenerator(fail_at=5 if breaks else None)
    plan = GenerationPlan("digits", images_per_class=2, shard_size=6, batch_size=4)
    if breaks:
        with pytest.raises(RuntimeError, match="broke"):
            trainer.predict(Generation(generator, str(tmp_path)), plan)
    else:
        trainer.predict(Generation(generator, str(tmp_path)), plan)
        assert "20/20" in screen.getvalue()
        assert "4 of 4 shards" in screen.getvalue()
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h") == 1  # cursor hidden, shown
    assert "Predicting" not in "".join(capsys.readouterr())  # Lightning's bar
    assert bar.is_enabled
