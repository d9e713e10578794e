import base64
import io
import json
import random

import pytest
from PIL import Image, ImageChops

from hieramp_lit.figures import Bar, draw_bars
from hieramp_lit.report.page import Figure, Picture, Report, Section, TooLargeError, as_json, render, write_page
from hieramp_lit.report.page.pixels import LEVELS, encode
from tests.figures.drawn import Markup


def _noise(width, height, seed):
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(3 * width * height))


@pytest.fixture
def report():
    pictures = [
        Picture(name, name, "Noise.", "", _noise(width, 100, width)) for name, width in (("wide", 400), ("small", 40))
    ]
    bars = Figure("bars", "Bars", "One bar.", "", {"a": 1}, lambda: draw_bars([Bar("a", 1.0)], "x"))
    return Report("Report", "", [Section("one", "One", [*pictures, bars])])


def test_files_are_the_page_its_content_and_figures(tmp_path, report):
    written = write_page(report, tmp_path / "out" / "my.report.html", tmp_path / "figures")
    names = [str(path.relative_to(tmp_path)) for path in written]
    assert names == [
        *("out/my.report.html", "out/my.report.json"),
        *("figures/wide.png", "figures/small.png", "figures/bars.png", "figures/bars.pdf"),
    ]
    assert written[0].read_text() == render(report)
    assert json.loads(written[1].read_text()) == as_json(report)
    assert written[-1].read_bytes().startswith(b"%PDF")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(written)


def test_without_a_folder_there_are_no_figures(tmp_path, report):
    assert len(write_page(report, tmp_path / "report.html", None)) == 2


def test_pictures_of_a_small_page_lose_nothing(report):

    for attributes, picture in zip(Markup(render(report)).named("img"), report.sections[0].blocks[:2], strict=True):
        content = base64.b64decode(attributes["src"].partition("base64,")[2])
        with Image.open(io.BytesIO(content)) as image:
            assert ImageChops.difference(image.convert("RGB"), picture.image).getbbox() is None


@pytest.mark.parametrize("limit", [150_000, 80_000, 40_000])
def test_a_page_above_its_limit_gets_smaller_pictures_and_says_so(tmp_path, report, limit):
    assert len(render(report)) > 160_000
    page, content, wide, *_ = write_page(report, tmp_path / "report.html", tmp_path / "figures", limit)
    assert page.stat().st_size <= limit
    text = page.read_text()
    assert f"below {limit / 1e6:g} MB, " in text
    assert "wide (WebP, quality" in text
    assert "files in the folder figures are whole" in text
    *sections, told = json.loads(content.read_text())["sections"]
    assert sections == as_json(report)["sections"]
    assert (told["title"], len(told["blocks"])) == ("Size of this page", 1)
    assert told["blocks"][0]["text"] in text
    with Image.open(wide) as image:
        assert ImageChops.difference(image, report.sections[0].blocks[0].image).getbbox() is None


def test_the_largest_picture_shrinks_first(tmp_path, report):
    text = write_page(report, tmp_path / "report.html", None, 150_000)[0].read_text()
    assert "1 of 2 pictures have lost detail: wide (" in text
    assert "without --no-figures" in text


def test_a_page_that_cannot_be_small_is_refused_by_its_largest_parts(tmp_path, report):
    with pytest.raises(TooLargeError, match=r"at most 9,000 are allowed. Largest parts: bars [\d,]+, wide"):
        write_page(report, tmp_path / "report.html", None, 9_000)
    assert not list(tmp_path.iterdir())


def test_levels_get_smaller():
    sizes = [len(encode(_noise(200, 200, 0), level).uri) for level in range(len(LEVELS))]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


def test_the_smaller_format_is_taken():
    flat = Image.new("RGB", (300, 300), "red")
    assert len(encode(flat).uri) < 400
    assert encode(flat.convert("L")).uri.startswith("data:image/")
