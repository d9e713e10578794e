import argparse
import json
from pathlib import Path

import pytest
import torch

from hieramp_lit.bench import generate
from hieramp_lit.bench.generate import AMPLIFIED, BASELINE, BASELINE_KEPT, CLASS_TOKENS, PLAIN
from hieramp_lit.bench.machine import chosen_device


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.set_defaults(device="cpu", repeats=1, warmup=1)
    generate.add_arguments(parser)
    return parser.parse_args(["--depth", "2", "--ch", "32", *arguments])


def test_shows_all_rows_of_every_batch_size_side_by_side(tmp_path: Path):
    report = generate.run(options("--batch-sizes", "1", "2", "--baseline", "--precision", "bf16", "--profile"))
    assert [group.title for group in report.groups] == ["batch 1", "batch 2"]
    for group, batch in zip(report.groups, (1, 2), strict=True):
        rows = {timing.candidate.name: timing for timing in group.timings}
        assert list(rows) == [PLAIN, CLASS_TOKENS, AMPLIFIED, BASELINE_KEPT, BASELINE]
        assert {timing.candidate.work for timing in group.timings} == {batch}
        assert rows[PLAIN].candidate.flops < rows[CLASS_TOKENS].candidate.flops == rows[BASELINE].candidate.flops
    report.write(tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["settings"]["precision"] == "bf16"
    assert written["machine"]["versions"]["torch"] == torch.__version__
    for profile, batch in zip(written["profiles"], (1, 2), strict=True):
        assert profile["title"] == f"amplified, batch {batch}"
        assert profile["limit_s"] == batch * rows[AMPLIFIED].candidate.flops / 2 / written["matmul_flops_per_s"]
        assert profile["seconds"]["convolutions"] > 0
    first = written["groups"][0]["rows"]
    assert first[0]["ratio"] == 1
    assert first[4]["ratio"] == pytest.approx(first[4]["seconds"][0] / first[0]["seconds"][0])
    assert first[4]["peak_bytes"] > 0
    assert len(report.notes) == 6


def test_rows_share_their_weights_and_the_fast_ones_compute_in_the_asked_precision():
    arguments, cpu = options("--precision", "fp16"), torch.device("cpu")
    rows = generate.fast_generators(arguments, cpu)
    plain = generate.baseline(arguments, cpu)
    assert rows[PLAIN].var.class_token_scales == ()
    assert rows[CLASS_TOKENS].var.class_token_scales == tuple(range(10))
    assert rows[CLASS_TOKENS].schedule.off
    assert rows[AMPLIFIED].schedule == plain.schedule
    assert plain.var.compute_dtype == torch.float32
    for name in (PLAIN, CLASS_TOKENS, AMPLIFIED):
        assert rows[name].dtype == torch.float16
        assert torch.equal(rows[name].var.blocks[0].ffn.fc1.weight, plain.var.blocks[0].ffn.fc1.weight.half())


def test_without_a_baseline_there_is_none():
    report = generate.run(options("--batch-sizes", "1"))
    assert BASELINE not in [timing.candidate.name for timing in report.groups[0].timings]


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="--batch-sizes"):
        generate.run(options("--batch-sizes", "0"))
    with pytest.raises(ValueError, match=r"--device tpu3"):
        chosen_device("tpu3")
