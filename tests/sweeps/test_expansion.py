"""Trials of a sweep: W&B's grid, seeded draws that follow their distributions, ids that mean the same everywhere."""

import itertools
import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hieramp_lit.sweeps import SweepFile, SweepFileError, Trial, expand, read_distribution


def parameters(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [dict(trial.parameters) for trial in trials]


class TestGrid:
    def test_is_the_cartesian_product_in_the_files_order(self, sweep: Callable[..., SweepFile]) -> None:
        found = expand(sweep({"b": {"values": [3, 1]}, "a": {"value": "x"}, "c": {"min": 0, "max": 2}}))
        assert parameters(found) == [{"b": b, "a": "x", "c": c} for b in (3, 1) for c in (0, 1, 2)]

    def test_any_json_value_is_one_choice(self, sweep: Callable[..., SweepFile]) -> None:
        values = [None, True, False, 0.1, "null", [1, [2.5, None]], {"beta": {"coarse": 5}, "stages": ["coarse"]}]
        assert [trial["a"] for trial in parameters(expand(sweep({"a": {"values": values}})))] == values

    def test_nested_parameters_become_mappings(self, sweep: Callable[..., SweepFile]) -> None:
        found = expand(
            sweep({"o": {"parameters": {"lr": {"values": [1, 2]}, "d": {"parameters": {"e": {"value": 3}}}}}})
        )
        assert parameters(found) == [{"o": {"lr": lr, "d": {"e": 3}}} for lr in (1, 2)]

    def test_a_value_given_twice_is_one_trial(self, sweep: Callable[..., SweepFile]) -> None:
        assert parameters(expand(sweep({"a": {"values": [1, 2, 1.0]}}))) == [{"a": 1}, {"a": 2}]

    def test_ends_at_the_most_trials(self, sweep: Callable[..., SweepFile]) -> None:
        values = {"a": {"values": [1, 2, 3, 4]}}
        assert parameters(expand(sweep(values), max_trials=2)) == [{"a": 1}, {"a": 2}]
        assert len(expand(sweep(values, run_cap=3))) == 3
        assert len(expand(sweep(values, run_cap=3), max_trials=2)) == 2
        assert len(expand(sweep(values), max_trials=9)) == 4

    def test_refuses_a_range(self, sweep: Callable[..., SweepFile]) -> None:
        with pytest.raises(SweepFileError, match=r"parameters\.a: a grid needs values"):
            expand(sweep({"a": {"min": 0.0, "max": 1.0}}))


class TestDraws:
    RANGES = {"a": {"min": 0.0, "max": 1.0}, "n": {"min": 1, "max": 1000}}  # noqa: RUF012

    def test_are_the_same_for_a_seed_and_others_for_another(self, sweep: Callable[..., SweepFile]) -> None:
        drawn = sweep(self.RANGES, method="random")
        assert parameters(expand(drawn, 4)) == parameters(expand(drawn, 4))
        assert parameters(expand(drawn, 4, seed=1)) != parameters(expand(drawn, 4))

    def test_more_begin_with_the_same(self, sweep: Callable[..., SweepFile]) -> None:
        drawn = sweep(self.RANGES, method="random")
        assert parameters(expand(drawn, 9))[:4] == parameters(expand(drawn, 4))

    def test_a_further_parameter_changes_no_other(self, sweep: Callable[..., SweepFile]) -> None:
        before = parameters(expand(sweep(self.RANGES, method="random"), 3))
        after = parameters(expand(sweep({"z": {"values": [1, 2]}, **self.RANGES}, method="random"), 3))
        assert [{name: trial[name] for name in self.RANGES} for trial in after] == before

    def test_end_where_all_choices_are_drawn(self, sweep: Callable[..., SweepFile]) -> None:
        found = expand(sweep({"a": {"values": [1, 2]}, "b": {"values": [3, 4]}}, method="random"), 50)
        assert sorted((t["a"], t["b"]) for t in parameters(found)) == list(itertools.product((1, 2), (3, 4)))

    def test_need_a_number(self, sweep: Callable[..., SweepFile]) -> None:
        with pytest.raises(SweepFileError, match="--max-trials"):
            expand(sweep(self.RANGES, method="random"))
        assert len(expand(sweep(self.RANGES, method="random", run_cap=5))) == 5

    def test_bayes_says_what_can_be_done_instead(self, sweep: Callable[..., SweepFile]) -> None:
        file = sweep(self.RANGES, method="bayes", metric={"name": "a", "goal": "maximize"})
        with pytest.raises(SweepFileError, match=r"wandb sweep.*--method random"):
            expand(file, 3)
        assert len(expand(file, 3, method="random")) == 3

    @staticmethod
    def many(specification: dict[str, Any]) -> list[Any]:
        rng = random.Random(0)
        return [read_distribution(specification).draw(rng) for _ in range(4000)]

    def test_uniform(self) -> None:
        drawn = self.many({"min": -1.0, "max": 3.0})
        assert -1 <= min(drawn) < -0.98
        assert 2.98 < max(drawn) <= 3
        assert statistics.mean(drawn) == pytest.approx(1, abs=0.06)

    def test_int_uniform_includes_both_ends(self) -> None:
        drawn = self.many({"min": 2, "max": 5})
        assert set(drawn) == {2, 3, 4, 5}
        assert all(isinstance(number, int) for number in drawn)

    def test_q_uniform_takes_multiples(self) -> None:
        drawn = self.many({"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.1})
        assert set(drawn) == {round(0.1 * n, 1) for n in range(11)}
        ends = sum(number in (0.0, 1.0) for number in drawn) / len(drawn)
        assert ends == pytest.approx(0.1, abs=0.02)  # half a step each

    def test_log_uniform_values_is_even_in_the_logarithm(self) -> None:
        drawn = self.many({"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0})
        assert min(drawn) >= 1e-4
        assert max(drawn) <= 1
        assert statistics.median(math.log10(number) for number in drawn) == pytest.approx(-2, abs=0.1)

    def test_normal(self) -> None:
        drawn = self.many({"distribution": "normal", "mu": 3, "sigma": 2})
        assert statistics.mean(drawn) == pytest.approx(3, abs=0.1)
        assert statistics.stdev(drawn) == pytest.approx(2, abs=0.1)

    def test_categorical_and_constant(self) -> None:
        drawn = self.many({"values": ["a", "b", "c", "d"]})
        assert all(drawn.count(letter) == pytest.approx(1000, abs=120) for letter in "abcd")
        assert set(self.many({"distribution": "constant", "value": 7})) == {7}


class TestTrial:
    def test_id_is_of_the_meaning(self) -> None:
        here = Trial({"a": {"x": 5.0, "y": [1, 2.0]}, "b": None})
        assert here.id == Trial({"b": None, "a": {"y": [1.0, 2], "x": 5}}).id
        others = [
            {"a": {"x": 5, "y": [2, 1]}, "b": None},
            {"a": {"x": 5, "y": [1, 2]}},
            {"b": False},
            {"b": 0},
            {"b": "0"},
        ]
        assert len({here.id, *(Trial(other).id for other in others)}) == 6

    def test_id_stays(self) -> None:
        """Folders of earlier versions are found again."""
        assert Trial({"generate.model.amplification": None}).id == "480512e5a6"

    def test_flat_names_every_leaf(self) -> None:
        trial = Trial({"a.b": {"c": {"d": 1}, "e": [2]}, "f": {}, "g": None})
        assert trial.flat() == {"a.b.c.d": 1, "a.b.e": [2], "f": {}, "g": None}
