import json
import math
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from hieramp_lit.amplify import Amplification, StageValues
from hieramp_lit.var import Scales

TEN = Scales((1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
ALL = tuple(range(10))


def resolve(model: Scales = TEN, **arguments):
    return Amplification(**arguments).schedule(model, 16, tuple(range(len(model))))


def test_the_default_is_the_papers_final_configuration():
    schedule = resolve()
    assert schedule.betas == (0, *[5.0] * 9)
    assert schedule.rhos == (0, *[0.5] * 9)
    assert schedule.blocks == (14,)


def test_stages_mappings_and_lists_resolve_to_one_number_a_scale():
    assert resolve(stages=["mid"]).betas == (0, 0, 0, 0, 5, 5, 5, 0, 0, 0)
    assert resolve(beta={"coarse": 1, "fine": 3}).betas == (0, 1, 1, 1, 0, 0, 0, 3, 3, 3)
    assert resolve(beta=StageValues(coarse=1.0), rho=StageValues(coarse=0.2, mid=0.3)).rhos == (0, *[0.2] * 3, *[0] * 6)
    betas = [9.0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert resolve(beta=betas).betas == (0, *betas[1:])
    assert resolve(scales=[2, 9], stages=["mid"]).betas == (0, 0, 5, 0, 0, 0, 0, 0, 0, 5)
    assert resolve(blocks=[-1, 0, 15]).blocks == (0, 15)


def test_other_scale_counts_are_cut_in_thirds():
    seven = Scales((1, 2, 3, 4, 5, 6, 8))
    assert resolve(seven, beta={"coarse": 1, "mid": 2, "fine": 3}).betas == (0, 1, 1, 2, 2, 3, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"rho": 0},
        {"beta": 0},
        {"stages": []},
        {"scales": []},
        {"rule": "post_softmax", "beta": 1.0},
        {"rule": "post_softmax", "beta": 1.0, "renormalize": False},
        {"beta": StageValues()},
        {"rho": StageValues()},
    ],
)
def test_every_way_of_saying_off_is_off(arguments):
    schedule = resolve(**arguments)
    assert schedule.off
    assert not any(schedule.active(k) for k in ALL)
    identity = 1.0 if arguments.get("rule") == "post_softmax" else 0.0
    assert set(schedule.betas) == {identity}


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"rho": 1.1}, "rho"),
        ({"rho": -0.1}, "rho"),
        ({"rho": math.nan}, "rho"),
        ({"rho": {"coarse": 2.0}}, "rho"),
        ({"rho": {"course": 0.5}}, "rho"),
        ({"beta": math.nan}, "beta"),
        ({"beta": math.inf}, "beta"),
        ({"beta": [1.0, math.nan]}, "beta"),
        ({"beta": -1.0, "rule": "post_softmax"}, "beta"),
        ({"stages": ["start"]}, "stages"),
        ({"stages": ["coarse"], "beta": {"mid": 3.0}}, "beta"),
        ({"stages": ["mid", "fine"], "rho": {"coarse": 0.5, "mid": 0.5}}, "rho"),
        ({"stages": "coarse"}, "stages"),
        ({"beta": {"coarse": 3.0}, "rho": {"mid": 0.5}}, "beta"),
        ({"beta": {"coarse": 3.0, "fine": 1.0}, "rho": {"coarse": 0.5, "mid": 0.5}}, "beta"),
        ({"scales": [0]}, "scales"),
        ({"blocks": []}, "blocks"),
        ({"rule": "bias"}, "rule"),
        ({"rounding": "ceil"}, "rounding"),
        ({"saliency": "mine"}, "saliency"),
    ],
)
def test_impossible_values_are_refused_at_once_by_name(arguments, key):
    with pytest.raises(ValueError, match=rf"amplification\.{key}"):
        Amplification(**arguments)


@pytest.mark.parametrize(
    ("arguments", "scales", "key"),
    [
        ({"beta": [1.0, 2.0]}, TEN, r"amplification\.beta has 2 numbers, this VAR has 10"),
        ({"scales": [10]}, TEN, r"amplification\.scales"),
        ({"scales": [1], "beta": {"coarse": 5.0, "fine": 9.0}}, TEN, r"amplification\.beta names \['fine'\]"),
        ({"blocks": [16]}, TEN, r"amplification\.blocks"),
        ({"blocks": [-17]}, TEN, r"amplification\.blocks"),
        ({}, Scales((1, 2)), r"amplification\.stages.*\['mid', 'fine'\] hold no scale"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_name(arguments, scales, key):
    with pytest.raises(ValueError, match=key):
        resolve(scales, **arguments)


def test_a_scale_without_class_token_is_refused_but_only_if_it_is_amplified():
    with pytest.raises(ValueError, match=r"scales \[3\] have no class token"):
        Amplification(scales=[2, 3]).schedule(TEN, 16, (1, 2))
    assert not Amplification(scales=[1, 2]).schedule(TEN, 16, (1, 2)).off
    assert Amplification(rho=0).schedule(TEN, 16, ()).off


class Holder:
    def __init__(self, amplification: Amplification | None = Amplification()) -> None:  # noqa: B008
        self.amplification = amplification


def parse(*arguments: str) -> Amplification | None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Holder, "model")
    return parser.instantiate(parser.parse_args(list(arguments))).model.amplification


def test_a_stage_is_a_dotted_key_on_the_command_line_and_overrides_the_scalar():
    assert parse("--model.amplification.beta.coarse=3").beta == StageValues(coarse=3.0)
    both = parse(
        "--model.amplification.beta.coarse=3", "--model.amplification.beta.fine=1", "--model.amplification.rho=.2"
    )
    assert (both.beta, both.rho) == (StageValues(coarse=3.0, fine=1.0), 0.2)
    assert parse("--model.amplification.rho=[0,0.1,0.2]").rho == [0, 0.1, 0.2]
    assert parse("--model.amplification=null") is None


def test_a_stage_is_a_dotted_key_in_a_flat_json_file_and_later_files_win(tmp_path: Path):
    base, sweep = tmp_path / "base.yaml", tmp_path / "trial.json"
    base.write_text("model:\n  amplification:\n    beta: 5\n    rho: {coarse: 0.1, mid: 0.2}\n")
    sweep.write_text(json.dumps({"model.amplification.beta.mid": 2.5, "model.amplification.rho.mid": 0.9}))
    trial = parse("--config", str(base), "--config", str(sweep))
    assert trial.beta == StageValues(mid=2.5)
    assert trial.rho == StageValues(coarse=0.1, mid=0.9)
    assert parse("--config", str(sweep), "--config", str(base)).beta == 5


@pytest.mark.parametrize(
    "argument", ["beta.corse=3", "rho.0=0.7", "rho=1.5", "rule=bias", "strength=5", "stages=[early]"]
)
def test_a_wrong_key_or_value_on_the_command_line_is_refused(argument: str):
    with pytest.raises(Exception, match=r"amplification|strength|rho|rule|stages"):
        parse(f"--model.amplification.{argument}")
