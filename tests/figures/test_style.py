import re

import pytest
from PIL import Image

from hieramp_lit.figures import Bar, draw_bars, new_figure, save_figure, to_svg
from hieramp_lit.figures.style import ALONG, COLOURS, PAPER
from tests.figures.drawn import Markup

HARM = '<script>alert("x")</script> id="y" #z & $x_{'


def _drawing():
    return draw_bars([Bar(HARM, 3.0, 0.5), Bar("b", 2.0, None, "real")], "top-1, %")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_equal_numbers_give_equal_files(tmp_path, kind):
    first, second = (save_figure(_drawing(), tmp_path / folder / "bars", (kind,))[0] for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert first.name == f"bars.{kind}"
    again = save_figure(_drawing(), tmp_path / "c" / "bars", ("png", kind))[-1]
    assert again.read_bytes() == first.read_bytes()


def test_a_saved_figure_lies_on_white(tmp_path):
    (path,) = save_figure(_drawing(), tmp_path / "bars.v1", ("png",))
    assert path.name == "bars.v1.png"
    with Image.open(path) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_saving_does_not_change_what_the_page_shows(tmp_path):
    figure = _drawing()
    before = to_svg(figure)
    save_figure(figure, tmp_path / "bars")
    assert to_svg(figure) == before


class TestOnAPage:
    def test_names_are_words_not_markup(self):
        markup = Markup(to_svg(_drawing()))
        assert not markup.named("script")
        assert '<script>alert("x")</script>' in "".join(markup.words)

    def test_it_follows_the_page_and_leaves_it_alone(self):
        with new_figure() as figure:
            figure.text(0, 0, "ink")
            figure.text(0.5, 0.5, "gap", bbox={"facecolor": PAPER})
        svg = to_svg(figure)
        assert "currentColor" in svg
        assert "var(--paper" in svg
        assert not re.search(r"<style|<metadata|font-family|#1b1b1d| (width|height)=.{0,9}pt", svg)

    def test_ids_of_two_drawings_differ_and_are_found(self):
        drawings = [Markup(to_svg(_drawing(), prefix, "Bars", "High.")) for prefix in ("one_", "two_")]
        ids = [{attributes["id"] for _, attributes in one.tags if "id" in attributes} for one in drawings]
        assert not ids[0] & ids[1]
        for one, known in zip(drawings, ids, strict=True):
            used = {attributes["xlink:href"].removeprefix("#") for attributes in one.named("use")}
            used |= {attributes["clip-path"][5:-1] for _, attributes in one.tags if "clip-path" in attributes}
            assert used
            assert used <= known

    def test_it_is_an_image_with_a_name_and_a_description(self):
        svg = to_svg(_drawing(), "bars_", f"Top-1 {HARM}", HARM)
        markup = Markup(svg)
        (attributes,) = markup.named("svg")
        assert attributes["role"] == "img"
        assert (attributes["aria-labelledby"], attributes["aria-describedby"]) == ("bars_title", "bars_description")
        assert {"id": "bars_title"} in markup.named("title")
        assert {"id": "bars_description"} in markup.named("desc")
        assert not markup.named("script")


def _luminance(colour):
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("place", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_lines_stand_out_from_white_and_from_the_dark_page(place):
    light = _luminance(ALONG(place))
    dark_page = _luminance((0x16 / 255, 0x18 / 255, 0x1C / 255))
    assert 1.05 / (light + 0.05) >= 3
    assert (light + 0.05) / (dark_page + 0.05) >= 3


def test_colours_are_told_apart():
    assert len(set(COLOURS)) == len(COLOURS) == 8


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    figure = draw_bars([Bar("5$ a $x_{", 1.0)], "cost, $ or $")
    assert "5$ a $x_{" in "".join(Markup(to_svg(figure)).words)
    save_figure(figure, tmp_path / "bars")
