"""The flat numbers of a trial, by hand."""

from typing import Any

import pytest

from hieramp_lit.distill.summary import schedule_numbers, stage_cost, summarize
from hieramp_lit.jobs import Cost
from hieramp_lit.report import aggregate
from tests.report.test_results import result

PATCH_NUMS = [1, 2, 3, 4, 5, 6, 8]  # coarse 1 2, mid 3 4, fine 5 6


def configuration(beta: list[float], rho: list[float]) -> dict[str, object]:
    return {"tokens": {"patch_nums": PATCH_NUMS, "vocab_size": 128}, "schedule": {"beta": beta, "rho": rho}}


def test_a_stage_has_the_value_of_its_scales_or_their_mean() -> None:
    numbers = schedule_numbers(configuration([0, 5, 5, 1, 2, 0, 0], [0, 0.1, 0.1, 0.2, 0.2, 0, 0]))
    assert [numbers[f"beta/{stage}"] for stage in ("coarse", "mid", "fine")] == [5, 1.5, 0]
    assert [numbers[f"rho/{stage}"] for stage in ("coarse", "mid", "fine")] == [0.1, 0.2, 0]
    assert [numbers[f"beta/{scale:02d}"] for scale in range(7)] == [0, 5, 5, 1, 2, 0, 0]
    assert len(numbers) == 2 * (3 + 7)


def test_off_is_zero_everywhere_and_sets_without_scales_have_no_schedule() -> None:
    off = schedule_numbers({"tokens": {"patch_nums": PATCH_NUMS, "vocab_size": 128}, "schedule": None})
    assert set(off.values()) == {0.0}
    assert len(off) == 20
    assert schedule_numbers({"data": {"name": "digits"}}) == {}


def test_accuracies_beside_random_real_images() -> None:
    real = aggregate([result(0.5, 0.6, seed=seed) for seed in (0, 1)])
    ours = aggregate([result(0.6, 0.7, seed=0), result(0.8, 0.9, seed=1)], real)
    inspected: dict[str, Any] = {"kid@x": 0.5, "vendi": None}
    numbers = summarize({}, {"student": ours, "real": real}, inspected, {"tune": 3.0}, {})
    assert numbers["student/top1_last"] == pytest.approx(0.7)
    assert numbers["student/top1_last_std_sample"] == pytest.approx(0.02**0.5)
    assert numbers["student/top1_last_std_population"] == pytest.approx(0.1)
    assert numbers["student/ior_last"] == pytest.approx(0.2)
    assert numbers["student/ior_best"] == pytest.approx(0.2)
    assert (numbers["student/n"], numbers["seconds/tune"], numbers["set/kid@x"]) == (2, 3.0, 0.5)
    assert "set/vendi" not in numbers


def test_one_seed_has_no_sample_deviation_and_without_real_images_there_is_no_improvement() -> None:
    numbers = summarize({}, {"student": aggregate([result(0.6)])}, {}, {}, {})
    assert "student/top1_last_std_sample" not in numbers
    assert numbers["student/top1_last_std_population"] == 0
    assert not [name for name in numbers if "ior" in name]


def test_costs_are_told_as_far_as_they_are_known() -> None:
    costs = {
        "tune": stage_cost(Cost(300, "GPU", 4, 70), 1800.0, None),
        "generate": stage_cost(Cost(200, "GPU", 2, 90), 900.0, 100),
        "real": stage_cost(Cost(100, "cpu (x)", 1), 10.0, 40),
        "students": stage_cost(Cost(), 50.0, None),  # of an earlier release
    }
    seconds = {name: cost["seconds"] for name, cost in costs.items()}
    numbers = summarize({}, {}, {}, seconds, costs)
    assert numbers == {
        "seconds/tune": 1800, "seconds/generate": 900, "seconds/real": 10, "seconds/students": 50,
        "cost/tune/peak_memory_bytes": 300, "cost/tune/devices": 4, "cost/tune/peak_device_memory_bytes": 70,
        "cost/generate/seconds_per_image": 9, "cost/generate/peak_memory_bytes": 200, "cost/generate/devices": 2,
        "cost/generate/peak_device_memory_bytes": 90,
        "cost/real/seconds_per_image": 0.25, "cost/real/peak_memory_bytes": 100, "cost/real/devices": 1,
        "cost/gpu_hours": 4 * 0.5 + 2 * 0.25,
    }  # fmt: skip
    assert "cost/gpu_hours" not in summarize({}, {}, {}, {}, {"real": costs["real"]})
