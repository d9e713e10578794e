from pathlib import Path

import pytest

from hieramp_lit.report.content.read_sweep import read_sweep
from hieramp_lit.report.content.sweep_grid import axes_of, parameter_panels, strength_of, strength_panels, unit_of
from tests.report.content.made import SCHEDULE, numbers_of, of_schedule, sweep, swept

EVERY = ["coarse", "mid", "fine"]


def made(*trials, **options):
    return read_sweep(sweep(trials, **options), Path("sweep.json"))


TABLE3 = (
    of_schedule("off", [], 0, 0, 0.5),
    of_schedule("c53", ["coarse"], 5, 0.3, 0.61),
    of_schedule("c57", ["coarse"], 5, 0.7, 0.62),
    of_schedule("c35", ["coarse"], 3, 0.5, 0.63),
    of_schedule("f55", ["fine"], 5, 0.5, 0.64),
    of_schedule("a75", EVERY, 7, 0.5, 0.65),
)


def test_every_number_is_in_its_cell():
    panels, most = strength_panels(made(*TABLE3))
    assert [(panel.title, panel.rows, panel.columns) for panel in panels] == [
        (title, [30.0, 50.0, 70.0], [3.0, 5.0, 7.0]) for title in ("coarse", "fine", "all stages")
    ]
    assert panels[0].values == [[None, pytest.approx(61), None], [pytest.approx(63), None, None],
                                [None, pytest.approx(62), None]]  # fmt: skip
    assert panels[1].values == [[None] * 3, [None, pytest.approx(64), None], [None] * 3]
    assert panels[2].values[1] == [None, None, pytest.approx(65)]
    assert most == 1


def test_a_cell_of_several_trials_is_their_mean():
    twice = [swept(f"s{seed}", {"students.seed": seed, SCHEDULE: {"beta": 5}}, numbers_of(EVERY, 5, 0.5, top1))
             for seed, top1 in ((0, 0.4), (1, 0.6))]  # fmt: skip
    panels, most = strength_panels(made(*twice, of_schedule("c", ["coarse"], 3, 0.5, 0.1)))
    assert panels[1].values[0] == [None, pytest.approx(50)]
    assert most == 2


def test_the_off_trial_and_strengths_of_their_own_have_no_cell():
    of_stages = numbers_of(EVERY, 5, 0.5, 0.9) | {"beta/01": 0.1, "beta/coarse": 0.1}
    read = made(*TABLE3, swept("own", {SCHEDULE: {"beta": {"coarse": 0.1}}}, of_stages))
    assert strength_of(read.trials[-1]) is None
    assert strength_of(read.trials[0]) is None
    values = [
        value for panel in strength_panels(read)[0] for line in panel.values for value in line if value is not None
    ]
    assert sorted(values) == pytest.approx([61, 62, 63, 64, 65])


def test_schedules_are_coordinates_of_stages_beta_and_rho():
    axes = {axis.title: list(axis.values) for axis in axes_of(made(*TABLE3))}
    assert axes == {
        "amplified stages": ["off", "coarse", "coarse", "coarse", "fine", "all stages"],
        "β": [0.0, 5.0, 5.0, 3.0, 5.0, 7.0],
        "ρ, %": pytest.approx([0, 30, 70, 50, 50, 50]),
    }


def test_searches_with_a_beta_for_each_stage_are_coordinates_of_each():
    def drawn(name, beta):
        chosen = {f"{SCHEDULE}.beta.{stage}": beta for stage in EVERY}
        return swept(
            name, chosen, numbers_of(EVERY, beta, 0.5, beta / 10) | {"beta/coarse": beta / 2, "beta/01": beta / 2}
        )

    axes = {axis.title: list(axis.values) for axis in axes_of(made(drawn("a", 2.0), drawn("b", 4.0)))}
    assert axes == {"β coarse": [1.0, 2.0], "β mid": [2.0, 4.0], "β fine": [2.0, 4.0]}


def test_a_trial_without_numbers_has_none_on_the_axes_of_the_schedule():
    axes = axes_of(made(*TABLE3, swept("x", {SCHEDULE: {"beta": 9}}, None, "failed", "boom")))
    assert [axis.values[-1] for axis in axes] == [None, None, None]


@pytest.mark.parametrize("count", [5, 60])
def test_a_beta_and_rho_drawn_from_ranges_make_no_panel(count):
    drawn = [of_schedule(str(n), ["coarse"], 1 + n / 7, 1 / (n + 2), n / 100) for n in range(count)]
    read = made(*drawn)
    assert strength_panels(read) == ([], 0)
    assert parameter_panels(read, axes_of(read)) == []


def test_a_grid_of_beta_and_rho_that_is_half_done_makes_its_panel():
    grid = [of_schedule(f"{n}", ["coarse"], 1 + n % 6, (1 + n // 6) / 10, 0.5) for n in range(18)]
    corner = of_schedule("last", ["coarse"], 6, 0.6, 0.5)
    (panel,) = strength_panels(made(*grid, corner))[0]
    assert (len(panel.rows), len(panel.columns)) == (4, 6)


TEACHERS = [
    swept(f"{teacher}-{student}", {"students.model.teacher": teacher, "students.model.student": student},
          {"student/top1_last": top1})
    for teacher, student, top1 in (("r18", "r18", 0.1), ("r18", "mv2", 0.2), ("mv2", "r18", 0.3), ("mv2", "mv2", 0.4))
]  # fmt: skip


def test_two_other_parameters_make_one_panel():
    read = made(*TEACHERS)
    (panel,) = parameter_panels(read, axes_of(read))
    assert (panel.row_title, panel.column_title) == ("teacher", "student")
    assert (panel.rows, panel.columns) == (["r18", "mv2"], ["r18", "mv2"])
    assert panel.values == [[pytest.approx(10), pytest.approx(20)], [pytest.approx(30), pytest.approx(40)]]
    assert strength_panels(read) == ([], 0)


def test_a_third_parameter_makes_a_panel_each_value():
    twice = [swept(f"{one['id']}{epochs}", one["parameters"] | {"epochs": epochs}, {"student/top1_last": epochs / 1000})
             for epochs in (300, 400, 500) for one in TEACHERS]  # fmt: skip
    read = made(*twice)
    panels = parameter_panels(read, axes_of(read))
    assert len(panels) == 2
    assert panels[0].title == "teacher r18"
    assert panels[0].columns == [300.0, 400.0, 500.0]
    assert panels[0].values[0] == [pytest.approx(30), pytest.approx(40), pytest.approx(50)]


def test_draws_from_ranges_make_no_panel():
    drawn = [swept(str(n), {"a": n / 7, "b": -n / 3}, {"student/top1_last": n / 10}) for n in range(6)]
    read = made(*drawn)
    assert parameter_panels(read, axes_of(read)) == []


@pytest.mark.parametrize(
    ("metric", "factor"),
    [("student/top1_last", 100), ("student/ior_last", 100), ("set/token_coverage/fine", 100), ("set/fid@x", 1),
     ("set/token_entropy/coarse", 1), (None, 1)],
)  # fmt: skip
def test_shares_are_shown_in_per_cent(metric, factor):
    assert unit_of(metric)[0] == factor
