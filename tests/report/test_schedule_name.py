"""Schedules in the paper's words: what a set records leads back to what was asked for."""

import pytest

from hieramp_lit.amplify import Amplification
from hieramp_lit.report.paper import paper_cells
from hieramp_lit.report.schedule_name import FINAL, OFF, name_schedule
from tests.report.made_results import configuration

STAGES = ("coarse", "mid", "fine")


def name(amplification: Amplification | None, **changes) -> str:
    return name_schedule(configuration(amplification, **changes)).name


def test_all_of_table_3() -> None:
    names = {OFF: name(None)}
    for beta, rho in ((5, 0.3), (5, 0.7), (3, 0.5), (7, 0.5), (5, 0.5)):
        for stages in ((stage,) for stage in STAGES):
            names[f"{stages[0]} {beta} {round(100 * rho)}%"] = name(Amplification(beta=beta, rho=rho, stages=stages))
        names[f"full {beta} {round(100 * rho)}%"] = name(Amplification(beta=beta, rho=rho))
    assert all(expected == got for expected, got in names.items())
    assert set(names) == {cell.setting for cell in paper_cells() if cell.table == "3"}


def test_all_of_table_4() -> None:
    names = []
    for weak in (0.1, 0.5):
        for stage in STAGES:
            names.append(name(Amplification(beta=dict.fromkeys(STAGES, 5.0) | {stage: weak}, rho=0.5)))
    assert names == [cell.setting for cell in paper_cells() if cell.table == "4"]


def test_the_default_is_the_final_schedule() -> None:
    assert name_schedule(configuration(Amplification())) == (FINAL, ())


@pytest.mark.parametrize("patch_nums", [(1, 2, 3, 4, 5, 6, 8), (1, 2, 3, 4)])
def test_stages_of_another_number_of_scales(patch_nums: tuple[int, ...]) -> None:
    assert name(Amplification(beta=2, rho=0.25, stages=["mid"]), patch_nums=patch_nums) == "mid 2 25%"
    assert name(Amplification(), patch_nums=patch_nums) == FINAL


@pytest.mark.parametrize(
    ("amplification", "expected"),
    [
        (Amplification(beta=2, stages=["coarse", "fine"]), "coarse+fine 2 50%"),
        (Amplification(beta={"coarse": 1, "mid": 2, "fine": 3}, rho=0.3), "C-M-F 1-2-3 ρ 30%"),
        (Amplification(beta={"coarse": 1, "fine": 3}, rho=0.5, stages=["coarse", "fine"]), "C-M-F 1-0-3"),
        (
            Amplification(beta=2, rho={"coarse": 0.1, "mid": 0.2, "fine": 0.3}),
            "C-M-F 2-2-2 ρ 10%-20%-30%",
        ),
        (Amplification(scales=[1]), "by scale 5/50% 0/0% 0/0% 0/0% 0/0% 0/0% 0/0% 0/0% 0/0%"),
    ],
)
def test_schedules_that_the_paper_does_not_have(amplification: Amplification, expected: str) -> None:
    found = name_schedule(configuration(amplification))
    assert found.name == expected
    assert found.name not in {cell.setting for cell in paper_cells()}


def test_what_else_is_not_as_in_the_paper_is_said() -> None:
    amplification = Amplification(rule="post_softmax", blocks=[3], saliency="unconditional", rounding="floor")
    others = name_schedule(configuration(amplification, cfg=2.0)).others
    assert others == ("cfg 2.0", "rule post_softmax", "blocks [3]", "rounding floor", "saliency unconditional")


def test_rules_that_differ_in_their_sums_alone_have_names_of_their_own() -> None:
    names = [
        name_schedule(configuration(Amplification(rule="post_softmax", renormalize=kept))).others
        for kept in (True, False)
    ]
    assert names == [("rule post_softmax",), ("rule post_softmax", "not renormalized")]


def test_models_of_other_sizes_have_other_blocks_and_sampling() -> None:
    small = configuration(Amplification(blocks=[2]), patch_nums=(1, 2, 3, 4), cfg=2.0)
    assert name_schedule(small).others == ()


def test_another_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match=r"set\.configuration has no 'tokens'"):
        name_schedule({"imported": {}})
