import argparse
import json
from pathlib import Path

import pytest
import torch

from hieramp_lit.bench import generate
from hieramp_lit.bench.generate import AMPLIFIED, BASELINE, CLASS_TOKENS, PLAIN
from hieramp_lit.bench.machine import chosen_device


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.set_defaults(device="cpu", repeats=1, warmup=1)
    generate.add_arguments(parser)
    return parser.parse_args(["--depth", "2", "--ch", "32", *arguments])


def test_shows_all_rows_of_every_batch_size_side_by_side(tmp_path: Path):
    report = generate.run(options("--batch-sizes", "1", "2", "--baseline", "--precision", "bf16"))
    assert [group.title for group in report.groups] == ["batch 1", "batch 2"]
    for group, batch in zip(report.groups, (1, 2), strict=True):
        rows = {timing.candidate.name: timing for timing in group.timings}
        assert list(rows) == [PLAIN, CLASS_TOKENS, AMPLIFIED, BASELINE]
        assert {timing.candidate.work for timing in group.timings} == {batch}
        assert rows[PLAIN].candidate.flops < rows[CLASS_TOKENS].candidate.flops == rows[BASELINE].candidate.flops
    report.write(tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["settings"]["precision"] == "bf16"
    assert written["machine"]["versions"]["torch"] == torch.__version__
    first = written["groups"][0]["rows"]
    assert first[0]["ratio"] == 1
    assert first[3]["ratio"] == pytest.approx(first[3]["seconds"][0] / first[0]["seconds"][0])
    assert len(report.notes) == 4


def test_rows_share_their_weights_and_the_fast_ones_compute_in_the_asked_precision():
    arguments = options("--precision", "fp16")
    from hieramp_lit.var import VARArchitecture

    architecture = VARArchitecture(depth=2)
    vqvae, var = generate._models(architecture, arguments, torch.device("cpu"))
    rows = generate._generators(vqvae, var, architecture, torch.float16, "none", 8)
    assert rows[PLAIN].var.class_token_scales == ()
    assert rows[CLASS_TOKENS].var.class_token_scales == tuple(range(10))
    assert rows[CLASS_TOKENS].schedule.off
    assert not rows[AMPLIFIED].schedule.off
    for name in (PLAIN, CLASS_TOKENS, AMPLIFIED):
        assert rows[name].dtype == torch.float16
        half = rows[name].var.blocks[0].ffn.fc1.weight
        assert torch.equal(half, var.blocks[0].ffn.fc1.weight.half())
    assert rows[BASELINE].var.compute_dtype == torch.float32


def test_without_a_baseline_there_is_none():
    report = generate.run(options("--batch-sizes", "1"))
    assert BASELINE not in [timing.candidate.name for timing in report.groups[0].timings]


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="--batch-sizes"):
        generate.run(options("--batch-sizes", "0"))
    with pytest.raises(ValueError, match=r"--device tpu3"):
        chosen_device("tpu3")
