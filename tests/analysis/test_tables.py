"""Token analyses for a terminal: the numbers that were counted, in the order that the titles name."""

import io

from rich.console import Console

from hieramp_lit.analysis import TokenMaps, analyze_tokens
from hieramp_lit.analysis.changes import Change, Changes
from hieramp_lit.analysis.tables import show
from hieramp_lit.var import Scales
from tests.analysis.synthetic import random_tokens, write_set


def test_shares_of_classes_stand_as_the_title_says(tmp_path):
    analyses = {
        "ours": analyze_tokens(write_set(tmp_path / "set", random_tokens(5, 8, 0)), TokenMaps(Scales((1, 2)), 8))
    }
    entropy, coverage = Change(rise=7, fall=1, stay=2, mean=0.5), Change(rise=0, fall=3, stay=1, mean=-0.5)
    stages = {"entropy": {"coarse": entropy}, "coverage": {"coarse": coverage}}
    shown = io.StringIO()
    Console(file=shown, width=200).print(show(analyses, {"ours": Changes({}, stages, ())}, "plain", []))
    told = " ".join(shown.getvalue().split())
    assert "beside “plain”: % of classes that rise / stay / fall" in told
    assert "70 / 20 / 10" in told
    assert "0 / 25 / 75" in told
