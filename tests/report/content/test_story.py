import pytest

from hieramp_lit.amplify import Amplification
from hieramp_lit.report.content.story import kind_of, title_of
from tests.report.made_results import configuration


@pytest.mark.parametrize(
    ("generator", "made_by", "kind", "title"),
    [
        ("hieramp", configuration(Amplification()), "amplified", "amplified: all stages, β 5, ρ 50 %"),
        ("hieramp", configuration(Amplification(3, 0.3, ["coarse"])), "amplified", "amplified: coarse, β 3, ρ 30 %"),
        ("hieramp", configuration(None), "plain", "plain"),
        ("var", configuration(None), "plain", "plain"),
        ("random_real", {"data": {}}, "real", "random real"),
        ("rded", {}, "other", "rded"),
        (None, None, "other", "full data set"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sets_are_called_by_what_made_them(generator, made_by, kind, title):
    assert kind_of(generator, made_by) == kind
    assert title_of(generator, made_by) == title


def test_stages_of_their_own_keep_the_papers_short_form():
    made_by = configuration(Amplification({"coarse": 0.1, "mid": 5, "fine": 5}, 0.5))
    assert title_of("hieramp", made_by) == "amplified: β 0.1-5-5 at coarse, mid, fine"
