"""Finding results, and refusing what is none."""

from pathlib import Path

import pytest

from hieramp_lit.report.collecting import collect
from tests.report.made_results import configuration, inspection, result, trial, write


def test_folders_are_searched_and_joined_cells_stand_for_their_seeds() -> None:
    write(result([0.4, 0.5]), "runs/cell/result.json")
    write(result([0.4]), "runs/cell/seed-0/result.json")
    write(result([0.3], ipc=1), "runs/alone/seed-0/result.json")
    write(inspection(9.0, "var", configuration(None)), "runs/deep/er/inspect.json")
    write({"anything": 1}, "runs/other.json")
    found = collect([Path("runs")])
    assert sorted(one.source for one in found.measured) == [
        "runs/alone/seed-0/result.json",
        "runs/cell/result.json",
        "runs/deep/er/inspect.json",
    ]
    assert found.left_out == ()


def test_what_is_broken_in_a_folder_is_told_and_the_rest_is_shown() -> None:
    write(result([0.4]), "runs/a/result.json")
    Path("runs/b").mkdir()
    Path("runs/b/result.json").write_text("{")
    write(trial(None), "runs/c/result.json")
    found = collect([Path("runs")])
    assert [one.source for one in found.measured] == ["runs/a/result.json"]
    assert len(found.left_out) == 2
    assert "runs/b/result.json cannot be read as JSON" in found.left_out[0]
    assert "runs/c/result.json holds no number" in found.left_out[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "no object, but a list"),
        ({"schema": 9}, "schema 9, this release reads 1"),
        ({"schema": 1, "cells": []}, "neither students' results nor an inspection"),
        ({"bench": "tune"}, "hieramp bench tune"),
        ({"bench": "generate"}, "damaged, or not by this release"),
        ({"schema": 1, "per_seed": []}, "damaged, or not by this release"),
        (result([0.5]) | {"summary": {}}, "damaged, or not by this release"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(content: object, message: str) -> None:
    with pytest.raises(ValueError, match=rf"wrong\.json.*{message}"):
        collect([write(content, "wrong.json")])


def test_a_result_without_its_schedule_is_of_an_older_release() -> None:
    old = result([0.5])
    del old["set"]["configuration"]
    with pytest.raises(ValueError, match=r"result\.json.*no set\.configuration.*Train the student again"):
        collect([write(old)])


def test_absent_files_and_empty_folders_are_named() -> None:
    with pytest.raises(ValueError, match=r"absent\.json cannot be read"):
        collect([Path("absent.json")])
    Path("empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: there is no result\.json"):
        collect([Path("empty")])
