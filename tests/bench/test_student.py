import json
from pathlib import Path

import pytest

from hieramp_lit.cli import main
from tests.bench.test_data import TINY


def test_the_students_step_is_timed_with_either_and_with_no_data_and_operations_are_counted():
    networks = ["--student", "convnet1_w4", "--teacher", "convnet1_w8", "--precision", "fp32"]
    main(["bench", "student", *TINY, *networks])
    report = json.loads(Path("out.json").read_text())
    steps, data = report["groups"]
    assert [row["name"] for row in steps["rows"]] == ["networks alone", "bank in memory", "DataLoader, 0 workers"]
    assert [row["name"] for row in data["rows"]] == ["bank in memory", "DataLoader, 0 workers"]
    assert data["reference"] == "DataLoader, 0 workers"
    # Multiplications and additions of the convolutions and the last layers, of 6 images: student's pass for its batch
    # norm, forward and backward (twice the forward, less the input's gradient), teacher's forward.
    convolution, last = 2 * 16 * 16 * 3 * 9, 2 * 8 * 8 * 10
    student, teacher = 4 * (convolution + last), 8 * (convolution + last)
    expected = 6 * (2 * student + (2 * student - 4 * convolution) + teacher)
    assert steps["rows"][0]["flops"] == pytest.approx(expected)
    assert report["matmul_flops_per_s"] > 0
    assert len(report["notes"]) == 2
