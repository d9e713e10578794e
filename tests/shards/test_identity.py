from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.classes import ClassList, load_classes
from hieramp_lit.shards.identity import check_identity, differences, identity_hash, made_by, provenance, set_identity

BASE: dict[str, Any] = {
    "generator": "var",
    "configuration": {"weights": {"var": "aa"}, "schedule": {"beta": [0.0, 5.0]}, "sampling": {"cfg": 4.0}},
    "classes": load_classes("digits"),
    "images_per_class": 10,
    "shard_size": 4,
    "seed": 0,
}
RENAMED = ClassList(tuple(entry._replace(name=f"digit {entry.name}") for entry in load_classes("digits").entries))
OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"generator": "hieramp"}, "generator"),
    ({"configuration": {**BASE["configuration"], "weights": {"var": "bb"}}}, "configuration.weights.var"),
    ({"configuration": {**BASE["configuration"], "schedule": {"beta": [0.0, 4.0]}}}, "configuration.schedule.beta[1]"),
    ({"configuration": {**BASE["configuration"], "schedule": None}}, "configuration.schedule"),
    ({"configuration": {**BASE["configuration"], "sampling": {"cfg": 2.0}}}, "configuration.sampling.cfg"),
    ({"classes": RENAMED}, "plan.classes_sha256"),
    ({"images_per_class": 1}, "plan.images_per_class"),
    ({"shard_size": 5}, "plan.shard_size"),
    ({"seed": 1}, "seed"),
    ({"save_size": 224}, "save_size"),
    ({"image_format": "webp"}, "image_format"),
    ({"save_saliency": True}, "save_saliency"),
    ({"precision": "bf16-mixed"}, "precision"),
]


@pytest.mark.parametrize(("change", "key"), OTHERS, ids=[key for _, key in OTHERS])
def test_every_deciding_setting_makes_another_set_and_is_named(change: dict[str, Any], key: str) -> None:
    ours, theirs = set_identity(**BASE), set_identity(**{**BASE, **change})
    assert identity_hash(ours) != identity_hash(theirs)
    (line,) = differences(ours, theirs)
    assert line.startswith(f"{key}: folder ")


def test_equal_settings_make_the_same_set() -> None:
    assert identity_hash(set_identity(**BASE)) == identity_hash(set_identity(**BASE))
    assert differences(set_identity(**BASE), set_identity(**BASE)) == []


VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_differences_are_found_if_and_only_if_there_are_any(folder: Any, run: Any) -> None:
    assert differences(folder, folder) == []
    # An absent key and null are one: a setting that a later release adds is null in older sets.
    if _without_nulls(folder) != _without_nulls(run):
        assert differences(folder, run)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def test_long_values_are_cut() -> None:
    assert len(differences({"rows": list(range(1000))}, {"rows": [1]})[0]) < 200


@pytest.mark.parametrize(
    ("bad", "message"), [({"image_format": "jpg"}, "png, webp"), ({"save_size": 0}, "save_size=0")]
)
def test_impossible_settings_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        set_identity(**{**BASE, **bad})


def test_what_was_collected_is_sound() -> None:
    for change in ({}, {"save_size": 5}, {"image_format": "webp"}):
        check_identity(set_identity(**{**BASE, **change}))


IMPOSSIBLE: list[tuple[str, Any]] = [
    *(
        (key, value)
        for key in ("seed", "plan.images_per_class", "plan.shard_size")
        for value in (-1, 1.0, True, "1", None)
    ),
    *(("plan.rows", value) for value in ([], [-1], ["0"], 3, None, [[0]])),
    *(("save_size", value) for value in (0, -1, 1.5, "5")),
    *(("image_format", value) for value in ("jpg", None, 3)),
    *((key, None) for key in ("generator", "configuration", "plan.classes_sha256", "save_saliency", "precision")),
    *((key, 0) for key in ("plan.images_per_class", "plan.shard_size")),
    ("seed", 2**63),
]


@pytest.mark.parametrize(("key", "value"), IMPOSSIBLE)
def test_impossible_values_are_named(key: str, value: Any) -> None:
    identity = set_identity(**BASE)
    part = identity["plan"] if key.startswith("plan.") else identity
    part[key.removeprefix("plan.")] = value
    with pytest.raises(ValueError, match=f"impossible values in {key}$"):
        check_identity(identity)


@pytest.mark.parametrize("identity", [None, [], "x", {}, {"plan": []}])
def test_no_identity_at_all(identity: Any) -> None:
    with pytest.raises(ValueError, match="no object with a plan"):
        check_identity(identity)


def test_a_sample_says_what_made_it_and_a_set_which_command() -> None:
    identity = set_identity(**BASE)
    origin = provenance(identity, BASE["classes"].entries[3], 7)
    assert (origin["key"], origin["cls"], origin["row"], origin["index"]) == ("r00003_00007", 3, 3, 7)
    assert origin["sampling"] == {"cfg": 4.0}
    assert made_by(identity) == "hieramp predict"
    assert made_by(set_identity(**{**BASE, "configuration": {"imported": {}}})) == "hieramp import"
