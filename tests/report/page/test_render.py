import base64
import hashlib
import itertools
import re
from collections import Counter

import pytest

from hieramp_lit.figures import new_figure
from hieramp_lit.report.page import Column, Figure, Note, Report, Section, Table, render
from tests.figures.drawn import Markup
from tests.report.page.sample import HARM, sample_report


@pytest.fixture(scope="module")
def html():
    return render(sample_report())


@pytest.fixture(scope="module")
def page(html):
    return Markup(html)


def _page(*blocks, title="Report"):
    return render(Report(title, "subtitle", [Section("one", "One", blocks)]))


def _cells(html, table):
    """Attributes of the cells of a table, and its text."""
    body = html[html.index(f'<table id="{table}"') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    return [(attributes, text) for attributes, text in re.findall(r"<td([^>]*)>(.*?)</td>", body)]


def test_the_same_report_gives_the_same_text():
    first, second = (
        render(Report(report.title, report.subtitle, report.sections[:2]))
        for report in (sample_report(), sample_report())
    )
    assert first == second


class TestNamesFromFiles:
    def test_make_no_tags(self, page):
        assert len(page.named("script")) == 1
        assert len(page.named("img")) == 2
        assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]

    def test_are_told_as_they_are(self, page):
        text = "".join(page.words)
        assert text.count(HARM) >= 12
        assert any(HARM in (attributes["alt"] or "") for attributes in page.named("img"))
        assert f"Digits, distilled: 10 images per class {HARM}" in page.words

    def test_may_break_lines_and_quote(self):
        harm = "a\"b'c\n</td></script><!-- \x00 ${x} {{ 7 * 7 }} {% raw %}"
        html = _page(Table("t", harm, [Column(harm)], [[harm]], harm), Note(harm), title=harm)
        page = Markup(html)
        assert "49" not in "".join(page.words[:20])
        assert Counter(tag for tag, _ in page.tags)["script"] == 1
        assert "<!--" not in html


class TestStructure:
    def test_headings_descend_by_one(self, page):
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(second <= first + 1 for first, second in itertools.pairwise(levels))

    def test_ids_are_unique_and_whatever_is_named_exists(self, page):
        ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
        assert [name for name, count in ids.items() if count > 1] == []
        for _, attributes in page.tags:
            for name in ("aria-labelledby", "aria-describedby"):
                if name in attributes:
                    assert attributes[name] in ids
            for name in ("href", "xlink:href"):
                if (attributes.get(name) or "").startswith("#"):
                    assert attributes[name].removeprefix("#") in ids

    def test_landmarks_language_and_view(self, page):
        tags = Counter(tag for tag, _ in page.tags)
        assert (tags["header"], tags["nav"], tags["main"], tags["footer"]) == (1, 1, 1, 1)
        assert page.named("html") == [{"lang": "en"}]
        assert (
            "width=device-width"
            in {attributes["name"]: attributes for attributes in page.named("meta") if "name" in attributes}[
                "viewport"
            ]["content"]
        )

    def test_every_section_is_in_the_contents(self, page):
        links = [attributes["href"] for attributes in page.named("a")]
        assert links == ["#content", "#made", "#images", "#accuracy", "#sweep", "#cost"]

    def test_drawings_and_pictures_say_what_they_show(self, page):
        assert all(attributes.get("role") == "img" for attributes in page.named("svg"))
        assert len(page.named("svg")) == 6
        assert all(
            attributes["alt"] and attributes["width"] and attributes["height"] for attributes in page.named("img")
        )


class TestNothingFromElsewhere:
    def test_addresses_are_data_or_anchors(self, html, page):
        found = [
            attributes[name]
            for _, attributes in page.tags
            for name in ("src", "href", "xlink:href", "srcset", "action")
            if name in attributes
        ]
        assert found
        assert not [one for one in found if not one.startswith(("#", "data:"))]
        assert not re.search(r"@import|url\((?!#)", html)

    def test_the_policy_allows_this_script_alone(self, html, page):
        (policy,) = [one["content"] for one in page.named("meta") if one.get("http-equiv") == "Content-Security-Policy"]
        script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none';")


class TestTables:
    COLUMNS = (Column("name"), Column("top-1, %", 1, True), Column("count", numeric=True))

    def test_cells_as_they_are_printed_and_sorted(self):
        rows = [["a", 91.25, 1000], ["a name of more than a few words", None, -3], ["b", float("nan"), "gone"]]
        cells = _cells(_page(Table("t", "T", self.COLUMNS, rows)), "t")
        assert [text for _, text in cells] == [
            *("a", "91.2", "1000"),
            *("a name of more than a few words", "–", "−3"),
            *("b", "nan", "gone"),
        ]
        assert [re.findall(r'data-value="(.*?)"|(data-empty)', attributes) for attributes, _ in cells] == [
            *([], [("91.25", "")], [("1000", "")]),
            *([], [("", "data-empty")], [("-3", "")]),
            *([], [], []),
        ]
        assert ['class="number"' in attributes for attributes, _ in cells] == [False, True, True] * 3

    def test_a_folded_one_is_closed_and_an_open_one_has_a_heading(self):
        folded = Markup(_page(Table("t", "T", self.COLUMNS, [], folded=True)))
        assert folded.named("details") == [{"class": "fold"}]
        assert not folded.named("h3")
        assert Markup(_page(Table("t", "T", self.COLUMNS, []))).named("h3") == [{"id": "t_title"}]

    def test_columns_and_rows_must_fit(self):
        with pytest.raises(ValueError, match="t: row 1 has 2 cells; expected 3"):
            _page(Table("t", "T", self.COLUMNS, [["a", 1, 2], ["b", 1]]))


class TestIds:
    @staticmethod
    def _figure(name, table=None):
        def draw():
            with new_figure() as figure:
                figure.text(0.5, 0.5, "x")
            return figure

        return Figure(name, "Figure", "alt", "caption", {}, draw, table)

    @pytest.mark.parametrize("name", ["", "A", "a b", "a--b", 'a"onload="x', "1a", "a_b"])
    def test_of_another_form_are_refused(self, name):
        with pytest.raises(ValueError, match="joined by '-'"):
            _page(self._figure(name))

    def test_that_stand_for_two_parts_are_refused(self):
        with pytest.raises(ValueError, match=r"\['two'\] stand for several"):
            _page(self._figure("two", Table("two", "T", [], [])))
        with pytest.raises(ValueError, match=r"\['one'\] stand for several"):
            _page(self._figure("one"))


def test_a_report_without_sections_is_a_page():
    assert Markup(render(Report("Nothing", "", []))).named("main")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run `hieramp report` again", "run <code>hieramp report</code> again"),
        ("`<b>` & `c`", "<code>&lt;b&gt;</code> &amp; <code>c</code>"),
        ("it`s <i>", "it`s &lt;i&gt;"),
    ],
)
def test_what_stands_between_backticks_is_code(text, told):
    assert told in _page(Note(text))
