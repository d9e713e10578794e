"""Shares of classes that rise, fall and stay, by hand; what is refused; what is said beside."""

import dataclasses

import numpy as np
import pytest

from hieramp_lit.analysis import TokenMaps, analyze_tokens, changes, check_comparable
from hieramp_lit.analysis.changes import Change
from hieramp_lit.var import Scales
from tests.analysis.synthetic import class_list, random_tokens, write_set

MAPS = TokenMaps(Scales((1, 1, 2)), 8)


def made(folder, codes, **options):
    """A set of three classes; `codes` gives for each the different codes at each of the scales 1 and 2."""

    def tokens(cls, index):
        mid, fine = codes[cls]
        return np.array([0, index % mid, *[index % fine] * 4], np.uint16)

    options = {"patch_nums": MAPS.scales.patch_nums} | options
    return analyze_tokens(write_set(folder, tokens, images_per_class=4, **options), MAPS)


@pytest.fixture
def plain(tmp_path):
    return made(tmp_path / "plain", [(2, 2), (2, 2), (1, 4)])


def test_changes_by_hand(tmp_path, plain):
    # scale 1: 2 codes become 4, 2 become 2, 1 becomes 4; scale 2: 2 become 1, 2 become 4, 4 become 4
    found = changes(made(tmp_path / "ours", [(4, 1), (2, 4), (4, 4)]), plain)
    assert [change[:3] for change in found.scales["entropy"]] == [(0, 0, 3), (2, 0, 1), (1, 1, 1)]
    assert [change[:3] for change in found.scales["coverage"]] == [(0, 0, 3), (2, 0, 1), (1, 1, 1)]
    assert found.scales["entropy"][1].mean == pytest.approx((np.log(2) + 0 + np.log(4)) / 3)
    assert found.scales["coverage"][2].mean == pytest.approx((-1 + 2 + 0) / 8 / 3)
    # three scales: coarse is scale 1, mid is scale 2, nothing is fine
    assert found.stages["entropy"] == {"coarse": found.scales["entropy"][1], "mid": found.scales["entropy"][2]}
    assert found.notes == ()
    told = found.as_json()["scales"]["entropy"][1]
    assert (told["share_rise"], told["share_fall"], told["share_stay"]) == (2 / 3, 0, 1 / 3)
    assert sum(told[f"share_{kind}"] for kind in ("rise", "fall", "stay")) == pytest.approx(1)


def test_a_stage_of_two_scales_changes_by_their_mean(tmp_path):
    # five scales: coarse are the scales 1 and 2. One code more at scale 1 and one less at scale 2, of four each:
    # coverage stays, and so does entropy where the numbers of codes are exchanged
    def tokens(first, second):
        return lambda cls, index: np.array([0, index % first, index % second, 0, 0], np.uint16)

    maps = TokenMaps(Scales((1, 1, 1, 1, 1)), 8)
    ours, other = (
        analyze_tokens(write_set(tmp_path / name, draw, patch_nums=(1, 1, 1, 1, 1)), maps)
        for name, draw in (("ours", tokens(2, 4)), ("other", tokens(4, 2)))
    )
    found = changes(ours, other)
    assert found.stages["entropy"]["coarse"][:3] == found.stages["coverage"]["coarse"][:3] == (0, 0, 3)
    assert found.scales["entropy"][1][:3] == (0, 3, 0)


def test_a_set_beside_itself_stays(plain):
    found = changes(plain, plain)
    assert all(change == Change(0, 0, 3, 0.0) for each in found.scales.values() for change in each)


def test_rounding_is_no_change(plain):
    def moved(by):
        return changes(dataclasses.replace(plain, entropy_CK=plain.entropy_CK + by), plain).scales["entropy"][1]

    assert moved(1e-12)[:3] == moved(-1e-12)[:3] == (0, 0, 3)
    assert (moved(1e-8)[:3], moved(-1e-8)[:3]) == ((3, 0, 0), (0, 3, 0))


def test_what_rises_one_way_falls_the_other(tmp_path):
    a, b = (
        analyze_tokens(write_set(tmp_path / str(draw), random_tokens(6, 8, draw), classes=20), MAPS) for draw in (0, 1)
    )
    for one, other in zip(changes(a, b).scales["entropy"], changes(b, a).scales["entropy"], strict=True):
        assert (one.rise, one.fall, one.stay) == (other.fall, other.rise, other.stay)
        assert one.mean == pytest.approx(-other.mean)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": class_list(4)}, r"classes: 3 and 4; cls 3 is nothing and 'class 3'"),
        ({"images_per_class": 5}, r"images per class: 4 and 5"),
        ({"patch_nums": (1, 2, 1)}, None),
        ({"tokenizer": "c" * 64}, rf"SHA-256 of the tokenizer: {'a' * 64} and {'c' * 64}"),
        ({"seed": 3}, r"\. seed: 0 and 3\. Give sets of the same"),
    ],
    ids=["classes", "images", "maps", "tokenizer", "seed"],
)
def test_what_cannot_be_compared_is_refused(tmp_path, plain, options, message):
    if message is None:
        other = analyze_tokens(
            write_set(tmp_path / "other", random_tokens(2, 9, 0), patch_nums=(1, 1), vocab_size=9),
            TokenMaps(Scales((1, 1)), 9),
        )
        message = r"token maps: \[1, 1, 2\] and \[1, 1\]; codes: 8 and 9"
    else:
        other = analyze_tokens(write_set(tmp_path / "other", random_tokens(6, 8, 0), **options), MAPS)
    with pytest.raises(ValueError, match=message):
        changes(plain, other)
    with pytest.raises(ValueError, match=r"The sets plain and other cannot be compared class by class"):
        check_comparable(plain, other)


def test_other_seeds_are_compared_where_asked_and_said(tmp_path, plain):
    found = changes(made(tmp_path / "ours", [(1, 1)] * 3, seed=3), plain, any_seed=True)
    assert found.notes == ("The seeds are 3 and 0: chance is part of changes.",)


def test_what_else_differs_is_said(tmp_path, plain):
    configuration = {"tokens": {"patch_nums": [1, 1, 2], "vocab_size": 8}, "weights": {"var": "c" * 64}}
    (tokenizer, weights) = changes(made(tmp_path / "ours", [(1, 1)] * 3, configuration=configuration), plain).notes
    assert "does not say which tokenizer" in tokenizer
    assert weights == "Beside the schedule the sets differ in weights."
    encoded = dataclasses.replace(plain, about={**plain.about, "tokens": "encoded"})
    (note,) = changes(encoded, plain).notes
    assert "--encode-all" in note
