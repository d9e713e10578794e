import json
from pathlib import Path

import numpy as np
import pytest

from hieramp_lit.report.page import Column, Commands, Facts, Figure, Note, Picture, Report, Section, Table, as_json
from tests.report.page.sample import sample_report


def _of(block):
    return as_json(Report("t", "s", [Section("one", "One", [block], "lead")]))["sections"][0]["blocks"][0]


def test_it_is_json_and_comes_back_as_it_was():
    content = as_json(sample_report())
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_every_section_and_block_is_there_in_order():
    report = sample_report()
    content = as_json(report)
    assert [section["id"] for section in content["sections"]] == [section.id for section in report.sections]
    for told, section in zip(content["sections"], report.sections, strict=True):
        assert (told["title"], told["lead"]) == (section.title, section.lead)
        assert [block["kind"] for block in told["blocks"]] == [type(block).__name__.lower() for block in section.blocks]


def test_what_each_kind_says():
    table = Table("t", "Table", [Column("a", 1, True), Column("b")], [[1.25, None], [2, "x"]], "caption", folded=True)
    told = {
        "id": "t",
        "title": "Table",
        "caption": "caption",
        "columns": [{"title": "a", "numeric": True}, {"title": "b", "numeric": False}],
        "rows": [[1.25, None], [2, "x"]],
    }
    assert _of(table) == {"kind": "table", **told}
    figure = Figure("f", "Figure", "alt", "caption", {"bars": (1, 2.5)}, lambda: pytest.fail("drawn"), table)
    assert _of(figure)["numbers"] == {"bars": [1, 2.5]}
    assert _of(figure)["table"] == told
    assert _of(Facts("Facts", [("a", "b")])) == {"kind": "facts", "title": "Facts", "rows": [["a", "b"]]}
    assert _of(Commands("Again", ["ls", "pwd"])) == {"kind": "commands", "title": "Again", "lines": ["ls", "pwd"]}
    assert _of(Note("gone", "missing")) == {"kind": "note", "note": "missing", "text": "gone"}


def test_pictures_are_told_not_shown():
    (picture,) = [block for block in sample_report().sections[1].blocks[:1] if isinstance(block, Picture)]
    told = _of(picture)
    assert (told["width"], told["height"], told["alt"]) == (400, 400, picture.alt)
    assert len(told["numbers"]["keys"]) == 100


def test_numbers_of_arrays_and_those_json_does_not_know():
    numbers = {
        "mean": np.float32(0.5),
        "all": np.arange(3),
        7: float("nan"),
        "top": [float("inf"), -float("inf")],
        "ok": True,
    }
    figure = Figure("f", "", "", "", numbers, lambda: pytest.fail("drawn"))
    assert _of(figure)["numbers"] == {"mean": 0.5, "all": [0, 1, 2], "7": "nan", "top": ["inf", "-inf"], "ok": True}


def test_what_is_no_json_value_is_refused_by_its_place():
    figure = Figure("bars", "", "", "", {"sets": [{"path": Path("x")}]}, lambda: pytest.fail("drawn"))
    with pytest.raises(TypeError, match="bars: numbers: sets: 0: path: PosixPath"):
        _of(figure)
