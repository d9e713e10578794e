"""What is remembered of stages."""

import os
from pathlib import Path

import pytest

from hieramp_lit.files import write_json
from hieramp_lit.stages import Stage
from hieramp_lit.stages.records import StageRecords


@pytest.mark.parametrize(
    ("name", "seconds"), [("real abc", 9.9), ("real students abc", 28.9), ("students abc", None), ("real", None)]
)
def test_a_stage_is_expected_to_take_what_the_last_of_its_kind_took(
    tmp_path: Path, name: str, seconds: float | None
) -> None:
    for age, (kind, took) in enumerate({"real-f2": 9.9, "real-students-f0": 28.9, "real-f1": 5.0}.items()):
        record = tmp_path / "stages" / f"{kind}.json"
        record.parent.mkdir(exist_ok=True)
        write_json(record, {"seconds": took})
        os.utime(record, (0, 1000 - age + (500 if "students" in kind else 0)))
    assert StageRecords(tmp_path).estimate(Stage(name, ("fit",), tmp_path)) == seconds
