import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hieramp_lit.bench import tune
from hieramp_lit.bench.tune import IMAGES, TOKENS, TRANSFORMER


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.set_defaults(device="cpu", repeats=1, warmup=1)
    tune.add_arguments(parser)
    return parser.parse_args(["--depth", "1", "--ch", "32", *arguments])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_shows_every_way_for_both_choices_of_what_learns(tmp_path: Path):
    report = tune.run(options())
    assert [group.title for group in report.groups] == ["trainable: all", "trainable: class_tokens"]
    for group in report.groups:
        rows = {timing.candidate.name: timing for timing in group.timings}
        assert list(rows) == [TRANSFORMER, TOKENS, IMAGES]
        assert group.ratios()[0] == 1
        assert rows[TRANSFORMER].candidate.flops == rows[TOKENS].candidate.flops < rows[IMAGES].candidate.flops
        assert rows[TRANSFORMER].peak_bytes is None
        assert rows[IMAGES].peak_bytes > rows[TOKENS].peak_bytes > 2**20
    every, alone = (group.timings[0].candidate.flops for group in report.groups)
    assert every == pytest.approx(1.5 * alone)
    report.write(tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["settings"]["batch_size"] == 1
    assert len(report.notes) == 2


@pytest.mark.parametrize("trainable", ["all", "class_tokens"])
def test_every_way_teaches_what_learns_and_only_images_take_the_encoder(tmp_path: Path, trainable: Any):
    cpu, tokenizer = torch.device("cpu"), tune.write_tokenizer(tmp_path / "tokenizer.safetensors", 32)
    cache = tune.write_cache(tmp_path / "cache", tokenizer, 2)
    task = tune.make_task(trainable, options(), cpu, tokenizer)
    optimizer = tune.make_optimizer(task)
    learns = {name for name, parameter in task.var.named_parameters() if parameter.requires_grad}
    assert (learns == {name for name, _ in task.var.class_token_parameters()}) == (trainable == "class_tokens")
    for source in (TRANSFORMER, TOKENS, IMAGES):
        steps = tune.Steps(task, optimizer, source, cache, 2, torch.float32)
        assert (task.tokenizer.vqvae is not None) == (source == IMAGES)
        before = {name: value.clone() for name, value in task.var.named_parameters()}
        steps()
        changed = {name for name, value in task.var.named_parameters() if not torch.equal(value, before[name])}
        assert changed == learns
        assert all(parameter.grad is None for parameter in task.var.parameters())


@pytest.mark.parametrize("wrong", ["0", "-1"])
def test_impossible_batch_sizes_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=rf"--batch-size {wrong}"):
        tune.run(options("--batch-size", wrong))
