"""Tuning takes the same steps on one process and on two, with whichever batches a step is put together from."""

import json

import pytest
import torch

from tests.devices.ranks import on_ranks
from tests.devices.tunings import EXPORTED, Fit, fit, fits, run_test
from tests.tasks.tuning import write_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def on_two(tokenizer, folder):
    return on_ranks(folder, fits, tokenizer)


def assert_close(one: Fit, other: Fit) -> None:
    """AdamW divides by the gradient's size, so that rounding of tiny gradients shows: 1e-4 after four steps of 1e-2."""
    assert one.rates == other.rates
    assert len(one.rates) == 4
    for ours, theirs in zip(one.losses, other.losses, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    for name, value in one.weights.items():
        torch.testing.assert_close(value, other.weights[name], rtol=1e-3, atol=1e-4, msg=name)


def test_two_ranks_take_the_steps_of_one(tokenizer, on_two):
    alone = fit(tokenizer, 8)
    (first, _), (second, _) = on_two
    assert (alone.accumulated, first.accumulated) == (1, 2)
    assert_close(alone, first)
    assert all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())
    assert first.losses == second.losses
    # and the comparison would notice: other labels dropped, other steps
    assert_differ(alone, fit(tokenizer, 8, seed=1))
    assert_differ(alone, fit(tokenizer, 8, label_dropout=0.0))


def test_drop_path_too_belongs_to_the_image(tokenizer, on_two):
    alone = fit(tokenizer, 8, drop_path_rate=0.4)
    assert_close(alone, on_two[0][1])
    assert_differ(alone, on_two[0][0])


def test_one_of_two_ranks_draws_pictures(folder, on_two):
    drawn = {path.name for path in (folder / "samples").iterdir()}
    assert drawn == {f"{name}-{step:06d}.png" for name in ("step", "maps", "real") for step in (3, 4)}


def test_two_ranks_find_of_class_tokens_what_one_does(tokenizer, folder, on_two, tmp_path):
    run_test(tokenizer, folder / EXPORTED, 7)
    alone, together = (json.loads((place / "class_tokens.json").read_text()) for place in (tmp_path, folder))
    assert alone["n"] == together["n"] == 7  # four images of one rank, three of the other
    for ours, theirs in zip(alone["scales"], together["scales"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_accumulated_batches_take_the_steps_of_one_large_batch(tokenizer):
    whole = fit(tokenizer, 8, drop_path_rate=0.4)
    parts = fit(tokenizer, 1, drop_path_rate=0.4)
    assert parts.accumulated == 8
    assert_close(whole, parts)


def assert_differ(one: Fit, other: Fit) -> None:
    with pytest.raises(AssertionError):
        assert_close(one, other)


def test_a_global_batch_that_does_not_divide_names_the_numbers(tokenizer):
    with pytest.raises(ValueError, match=r"model\.global_batch=8 .* data\.batch_size=3 × 1 device") as refused:
        fit(tokenizer, 3)
    assert "1, 2, 4, 8" in str(refused.value)


def test_one_rule_or_the_other(tokenizer):
    from tests.tasks.tuning import NoiseDataModule, trainer, tuning

    task = tuning(tokenizer, global_batch=8)
    with pytest.raises(ValueError, match=r"trainer\.accumulate_grad_batches=3.*asks for 2"):
        trainer(max_steps=1, accumulate_grad_batches=3).fit(task, NoiseDataModule(4))
