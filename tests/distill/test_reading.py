"""Values of a trial arrive as they were typed, and later ones win."""

import json
from pathlib import Path
from typing import Any

import pytest

from hieramp_lit.distill import TrialRefusedError, read_command_line
from hieramp_lit.distill.reading import latest, nested
from tests.distill.trials import trial_of, write_trial


def values(*arguments: str) -> dict[str, Any]:
    settings, rest = read_command_line(arguments)
    assert not rest
    return {setting.key: setting.value for setting in settings}


def test_nested_and_dotted_keys_are_one(tmp_path: Path) -> None:
    write_trial(tmp_path / "a.yaml", {"generate": {"model": {"amplification.beta": {"coarse": 3}}}})
    write_trial(tmp_path / "b.yaml", {"generate.model": {"amplification": {"beta.coarse": 3}}})
    assert (
        values("--config", "a.yaml") == values("--config", "b.yaml") == {"generate.model.amplification.beta.coarse": 3}
    )


@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize(
    "value", [1e-05, 3, 3.0, True, False, None, "text", "resnet18 modified", [0.5, None, [1, "a"]], [], {}]
)
def test_values_survive_in_files(value: Any, kind: str, tmp_path: Path) -> None:
    file = write_trial(tmp_path / f"trial.{kind}", {"generate.model.x": value})
    (found,) = values(f"--config={file}").values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [1e-05, 3, True, None, [0.5, None, [1, "a"]], "text"])
def test_values_survive_as_flags(value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    assert values("--generate.model.x", text) == values(f"--generate.model.x={text}") == {"generate.model.x": value}


def test_later_ones_win_in_the_order_of_the_command_line(tmp_path: Path) -> None:
    file = write_trial(tmp_path / "trial.yaml", {"generate": {"data": {"seed": 1}}})
    assert values("--generate.data.seed", "2", "--config", str(file)) == {"generate.data.seed": 1}
    assert values("--config", str(file), "--generate.data.seed", "2") == {"generate.data.seed": 2}


@pytest.mark.parametrize(
    ("first", "then", "both"),
    [
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a.x": 1, "a.y": 3}),  # mappings merge
        ({"a": {"x": 1}}, {"a": {}}, {"a.x": 1}),
        ({"a": None}, {"a": {}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),  # lists replace
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),  # null replaces
        ({"a": {"x": 1}}, {"a": 5}, {"a": 5}),
        ({"a": 5}, {"a": {"x": 1}}, {"a": 5, "a.x": 1}),  # the stage's parser makes it a.x alone
        ({"a": None}, {"a": {"x": 1}}, {"a": None, "a.x": 1}),
    ],
)
def test_merging(first: Any, then: Any, both: dict[str, Any], tmp_path: Path) -> None:
    one = write_trial(tmp_path / "one.yaml", {"generate": {"model": first}})
    other = write_trial(tmp_path / "other.json", {"generate": {"model": then}})
    found = values("--config", str(one), "--config", str(other))
    assert found == {f"generate.model.{key}": value for key, value in both.items()}


def test_a_section_that_was_switched_off_stays_off_and_one_that_is_switched_on_again_is_on() -> None:
    assert trial_of("--real", "null").real is None
    again = trial_of("--real", "null", "--real.config", "[configs/generate/digits_rded.yaml]").real
    assert again is not None
    assert again.config == ("configs/generate/digits_rded.yaml",)


def test_off_is_a_section_and_no_truth_value(tmp_path: Path) -> None:
    (tmp_path / "trial.yaml").write_text("off: {}\nreport: True\nwandb: {mode: off}")
    assert values("--config", "trial.yaml") == {"off": {}, "report": True, "wandb.mode": "off"}
    assert trial_of("--config", "trial.yaml", "--wandb=null").off == ()
    assert trial_of("--off=null").off is None
    assert trial_of("--report=true").report
    assert not trial_of("--report=null").report


def test_an_empty_section_is_on_and_clears_nothing() -> None:
    assert trial_of().inspect is None
    assert trial_of("--inspect", "{}").inspect == ()
    (kept,) = trial_of("--inspect.reference", "digits", "--inspect", "{}").inspect or ()
    assert kept.value == "digits"


def test_own_sections_become_mappings() -> None:
    settings, _ = read_command_line(["--wandb", "null", "--wandb.project", "p", "--wandb.tags", "[a]"])
    assert nested([setting for setting in latest(settings) if len(setting.path) > 1], within=1) == {
        "project": "p",
        "tags": ["a"],
    }


def test_what_is_not_the_trials_is_left() -> None:
    assert read_command_line(["--out", "here", "--dry-run", "--name", "x"])[1] == ["--out", "here", "--dry-run"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"generator": {}}, "unknown section 'generator'"),
        ([1], "no mapping"),
        ({"generate": {3: 4}}, "holds the key 3"),
        ({"generate..model": 1}, "holds the key 'generate..model'"),
    ],
)
def test_what_no_trial_says_is_refused(content: Any, says: str, tmp_path: Path) -> None:
    import yaml

    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(TrialRefusedError, match=says):
        read_command_line(["--config", "trial.yaml"])


@pytest.mark.parametrize(
    "arguments", [["--config"], ["--generate.data.seed"], ["--config", "absent.yaml"], ["--name={"]]
)
def test_what_cannot_be_read_is_refused(arguments: list[str]) -> None:
    with pytest.raises(TrialRefusedError, match=arguments[0].partition("=")[0]):
        read_command_line(arguments)
