"""The page in a real browser: what readers see, on which screen, with which keys."""

import re
import zlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from hieramp_lit.report.page import write_page
from tests.report.page.browser import launched
from tests.report.page.sample import HARM, sample_report, trials_table

pytestmark = pytest.mark.slow

SECTIONS = ("made", "images", "accuracy", "sweep", "cost")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_page(sample_report(), tmp_path_factory.mktemp("page") / "report.html", None)[0].as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture
def opened(browser, address):
    """Opens the page on a screen, and in the end looks at what it did: no error, no dialog, no request."""
    contexts, wrong = [], []

    def open_page(width=768, script="", **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.route("**/*", lambda route: route.continue_() if route.request.url == address else route.abort())
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request", lambda request: wrong.append(f"request: {request.url[:200]}") if _leaves(request.url) else None
        )
        if script:
            page.add_init_script(script)
        page.goto(address)
        return page

    def _leaves(url):
        return url.partition("#")[0] != address and not url.startswith("data:")

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def _column(page, place, table="trials"):
    return page.eval_on_selector_all(f"#{table} tbody tr", f"rows => rows.map(row => row.cells[{place}].textContent)")


def _head(page, name, table="trials"):
    return page.locator(f"#{table} th", has_text=name)


class TestLoading:
    def test_pictures_load(self, opened):
        page = opened()
        sizes = page.eval_on_selector_all("img", "all => all.map(one => [one.complete, one.naturalWidth])")
        assert sizes == [[True, 400], [True, 352]]

    def test_names_from_files_are_words(self, opened):
        page = opened()
        assert page.title().endswith(HARM)
        assert HARM in page.locator("h1").inner_text()
        assert page.locator("script").count() == 1

    def test_a_request_would_be_seen_and_refused(self, browser, address):
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        with page.expect_console_message(lambda message: "violates the following Content Security" in message.text):
            page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))")
        with page.expect_console_message(lambda message: "inline event handler" in message.text):
            page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p onclick=\\'harmed = 1\\'>x</p>')")
            page.evaluate("document.body.lastElementChild.click()")
        assert page.evaluate("window.harmed") is None
        context.close()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(width)
    page.eval_on_selector_all("details", "all => all.forEach(fold => { fold.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """width => [...document.querySelectorAll("main *")]
        .filter(one => !one.closest(".scroll, .drawing, .picture, pre, .unseen"))
        .filter(one => one.getBoundingClientRect().right > width + 0.5)
        .map(one => one.outerHTML.slice(0, 80))"""
    assert page.evaluate(beyond, width) == []
    drawn = page.eval_on_selector_all(
        ".drawing svg, .picture img", "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert len(drawn) == 8
    assert min(drawn) >= 280


def test_text_in_drawings_can_be_read_on_a_phone(opened):
    page = opened(360)
    sizes = page.eval_on_selector_all(
        ".drawing svg text",
        """all => all.map(one => {
            const { c, d } = one.getScreenCTM();  // rotated, its height is in both
            return [parseFloat(getComputedStyle(one).fontSize) * Math.hypot(c, d), one.textContent];
        })""",
    )
    assert len(sizes) > 200
    assert min(sizes)[0] >= 8.4, min(sizes)


class TestSorting:
    def _expected(self, column, falling):
        rows = trials_table().rows
        numbers = [row for row in rows if isinstance(row[column], int | float)]
        words = [row for row in rows if isinstance(row[column], str)]
        ordered = sorted(numbers, key=lambda row: -row[column] if falling else row[column])
        return [row[0] for row in ordered + words + [row for row in rows if row[column] is None]]

    @pytest.mark.parametrize("column", [1, 2, 3, 4])
    def test_numbers_both_ways_by_mouse(self, opened, column):
        page = opened()
        head = page.locator("#trials th").nth(column)
        assert head.get_attribute("aria-sort") is None
        for way in ("ascending", "descending", "ascending"):
            head.locator("button").click()
            assert head.get_attribute("aria-sort") == way
            assert _column(page, 0) == self._expected(column, way == "descending")
        assert page.locator("#trials th[aria-sort]").count() == 1

    def test_equals_keep_their_order(self, opened):
        page = opened()
        _head(page, "β coarse").locator("button").click()
        _head(page, "β coarse").locator("button").click()
        rows = sorted(trials_table().rows, key=lambda row: -row[1])
        assert _column(page, 1) == [f"{row[1]:.1f}" for row in rows]
        assert _column(page, 0) == [row[0] for row in rows]

    def test_words_by_keyboard_with_their_numbers_in_order(self, opened):
        page = opened()
        _head(page, "seconds").locator("button").click()
        _head(page, "trial").first.locator("button").focus()
        page.keyboard.press("Enter")
        assert _column(page, 0) == [f"trial-{number}" for number in range(21)]
        page.keyboard.press("Space")
        assert _column(page, 0) == [f"trial-{number}" for number in range(20, -1, -1)]
        assert _head(page, "trial").first.get_attribute("aria-sort") == "descending"
        assert _head(page, "seconds").get_attribute("aria-sort") is None


class TestKeyboard:
    def test_the_first_stop_skips_to_the_content(self, opened):
        page = opened()
        page.keyboard.press("Tab")
        box = page.locator(".skip").bounding_box()
        assert page.evaluate("document.activeElement.className") == "skip"
        assert box["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")

    @pytest.mark.parametrize("width", [360, 1280])
    def test_all_stops_in_the_order_of_the_page_with_a_ring(self, opened, width):
        page = opened(width)
        stops, rings = [], []
        for _ in range(60):
            page.keyboard.press("Tab")
            stop = page.evaluate("""() => { const one = document.activeElement;
                return one === document.body ? null : [
                    [...document.querySelectorAll("*")].indexOf(one), getComputedStyle(one).outlineStyle]; }""")
            if stop is None:
                break
            stops.append(stop[0])
            rings.append(stop[1])
        assert stops == sorted(stops)
        assert set(rings) == {"solid"}
        expected = page.evaluate("""() => [...document.querySelectorAll("a, button, summary")]
            .filter(one => one.checkVisibility()).map(one => [...document.querySelectorAll("*")].indexOf(one))""")
        assert set(expected) <= set(stops)
        assert len(expected) >= 6 + 1 + 3 + 6

    def test_folds_open_and_close(self, opened):
        page = opened()
        fold = page.locator("#cost details")
        assert not page.locator("#cost-table").is_visible()
        fold.locator("summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#cost-table").is_visible()
        page.keyboard.press("Space")
        assert not page.locator("#cost-table").is_visible()

    def test_wide_tables_are_stops_that_scroll_and_narrow_ones_are_none(self, opened):
        for width, stop in ((360, "0"), (1280, None)):
            page = opened(width)
            box = page.locator(".scroll", has=page.locator("#trials"))
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert box.get_attribute("tabindex") == stop
            assert box.get_attribute("role") == (stop and "region")

    def test_whatever_scrolls_has_a_name_of_its_own(self, opened):
        page = opened(360)
        page.eval_on_selector_all("details", "all => all.forEach(fold => { fold.open = true; })")
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        names = page.eval_on_selector_all("[role=region]", "all => all.map(one => one.ariaLabel)")
        scrolling = page.locator(".scroll, .drawing, .picture").evaluate_all(
            "all => all.filter(one => one.scrollWidth > one.clientWidth).length"
        )
        assert len(set(names)) == len(names) == scrolling > 6
        assert f"{page.locator('#trials_title').inner_text()}: table" in names


class TestCopying:
    LINES = sample_report().sections[0].blocks[2].lines

    def test_commands_reach_the_clipboard(self, opened):
        page = opened(permissions=["clipboard-read", "clipboard-write"])
        button = page.locator(".copy")
        button.focus()
        page.keyboard.press("Enter")
        page.locator("[role=status]", has_text="Copied.").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "\n".join(self.LINES)

    def test_without_a_clipboard_they_are_selected(self, opened):
        page = opened(script="Object.defineProperty(navigator, 'clipboard', {value: undefined});")
        page.locator(".copy").click()
        page.locator("[role=status]", has_text="Selected").wait_for()
        assert page.evaluate("getSelection().toString()") == "\n".join(self.LINES)


CONTRASTS = """() => {
    const channel = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const behind = one => {
        for (; one; one = one.parentElement) {
            const found = parts(getComputedStyle(one).backgroundColor);
            if (found.length === 3 || found[3] > 0) return found;
        }
        return [255, 255, 255];
    };
    const low = [];
    let seen = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const one = walker.currentNode.parentElement;
        const words = walker.currentNode.data.trim();
        if (!words || one.closest("script, title, desc, .unseen") || !one.checkVisibility()) continue;
        const cell = one.closest("#heatmaps svg");
        const style = getComputedStyle(one);
        const colour = one.closest("svg") ? style.fill : style.color;
        if (cell && ["rgb(1, 1, 1)", "rgb(255, 255, 255)"].includes(colour)) continue;
        if ("●■◆".includes(words)) continue;
        const [high, dim] = [luminance(parts(colour)), luminance(behind(one))].sort((a, b) => b - a);
        seen += 1;
        if ((high + 0.05) / (dim + 0.05) < 4.5) low.push(`${one.tagName} ${words.slice(0, 40)} ${colour}`);
    }
    return [seen, low];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_what_is_behind_it(opened, scheme):
    page = opened(color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach(fold => { fold.open = true; })")
    seen, low = page.evaluate(CONTRASTS)
    assert low == []
    assert seen > 400
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}[scheme]


def test_without_script_it_is_a_page_to_read(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("#trials th").first.inner_text() == "trial"
    assert page.locator("th button").count() == 0
    assert not page.locator(".copy").is_visible()
    page.locator("#cost summary").click()
    assert page.locator("#cost-table").is_visible()


class TestPrinting:
    def test_a_pdf_has_all_sections(self, opened):
        page = opened()
        pdf = page.pdf(format="A4", outline=True, tagged=True)
        assert pdf.startswith(b"%PDF")
        assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
        titles = pdf + b"".join(_inflated(pdf))
        for section in sample_report().sections:
            assert section.title.encode() in titles or section.title.encode("utf-16-be") in titles

    def test_folds_are_open_and_what_is_for_screens_is_gone(self, opened):
        page = opened(color_scheme="dark", java_script_enabled=False)
        page.emulate_media(media="print")
        for name in ("schedule-numbers", "classes-numbers", "cost-table"):
            assert page.locator(f"#{name}").bounding_box()["height"] > 40
        for name in ("nav", ".skip", ".copying"):
            assert not page.locator(name).first.is_visible()

    def test_folds_close_again_after_printing(self, opened):
        page = opened()
        page.locator("#cost summary").click()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 1

    def test_it_is_black_on_white_in_dark_mode_too(self, opened):
        page = opened(color_scheme="dark")
        page.emulate_media(media="print", color_scheme="dark")
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


def _inflated(pdf):
    for start in re.finditer(rb"stream\r?\n", pdf):
        try:
            yield zlib.decompressobj().decompress(pdf[start.end() :])
        except zlib.error:
            continue


def test_reduced_motion_is_respected(opened):
    assert (
        opened(reduced_motion="reduce").evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    )
    assert opened().evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "smooth"


def test_links_of_the_contents_lead_to_every_section(opened):
    page = opened(1280, reduced_motion="reduce")
    for name in SECTIONS:
        page.locator(f"nav a[href='#{name}']").click()
        assert page.evaluate("location.hash") == f"#{name}"
        assert page.locator(f"#{name}_title").is_visible()
