"""A report as one HTML file that needs nothing else, and the files beside it."""

import base64
import dataclasses
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.figure
from markupsafe import Markup, escape

from hieramp_lit.figures import save_figure, to_svg
from hieramp_lit.files import atomic_write, write_json, write_text
from hieramp_lit.report.page.blocks import Block, Cell, Column, Figure, Note, Picture, Report, Section, Table
from hieramp_lit.report.page.pixels import LEVELS, Encoded, TooLargeError, encode, shrink
from hieramp_lit.report.page.plain import as_json

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LARGEST_NAMED = 5
_ROOM_FOR_NOTE = 4_000

_TEMPLATE = resources.files(__package__) / "template"

Drawings = Mapping[str, matplotlib.figure.Figure]


def render(report: Report) -> str:
    """The report as HTML: text, styles, script, drawings and pictures in one file that makes no request.

    The same report gives the same text. Everything in it that comes from files is escaped.

    Raises:
        ValueError: If ids are not unique or not words joined by ``-``, or a row does not fit its columns.
    """
    _check(report)
    pictures = {block.id: encode(block.image) for block in _blocks(report) if isinstance(block, Picture)}
    return _fill(report, _draw(report), pictures)


def write_page(report: Report, output: Path, figures: Path | None, limit_bytes: int = 10_000_000) -> list[Path]:
    """Write the page, ``<stem>.json`` beside it, and every figure as PNG and PDF.

    A page above the limit gets smaller pictures, largest first: WebP with loss, then fewer pixels. A note in both says
    which; the files in `figures` stay whole.

    Args:
        report: What it says.
        output: HTML file.
        figures: Folder for files of figures and pictures, named by their ids; None for none.
        limit_bytes: Most bytes of the HTML file.

    Returns:
        The files, HTML first.

    Raises:
        ValueError: As `render`.
        TooLargeError: If no smaller pictures make the page fit; the message has the sizes of the largest parts.
        TypeError: If numbers of the report are no JSON values.
        OSError: If a file cannot be written.
    """
    _check(report)
    drawings = _draw(report)
    html, report = _fit(report, drawings, limit_bytes, figures)
    content = as_json(report)
    written = [output, output.with_suffix(".json")]
    write_text(output, html)
    write_json(output.with_suffix(".json"), content)
    if figures is not None:
        for block in _blocks(report):
            if isinstance(block, Figure):
                written += save_figure(drawings[block.id], figures / block.id)
            elif isinstance(block, Picture):
                path = figures / f"{block.id}.png"
                with atomic_write(path) as temporary:
                    block.image.convert("RGB").save(temporary, "PNG")
                written.append(path)
    return written


def _fit(report: Report, drawings: Drawings, limit: int, figures: Path | None) -> tuple[str, Report]:
    """The page, below the limit, and what it says: with a note where pictures had to become smaller."""
    images = {block.id: block.image for block in _blocks(report) if isinstance(block, Picture)}
    encoded = {name: encode(image) for name, image in images.items()}
    html = _fill(report, drawings, encoded)
    size = len(html.encode())
    if size <= limit:
        return html, report
    rest = size - sum(len(one.uri) for one in encoded.values()) + _ROOM_FOR_NOTE
    smaller = shrink(images, encoded, limit - rest)
    told = dataclasses.replace(report, sections=[*report.sections, _told(images, smaller, limit, figures)])
    html = _fill(told, drawings, smaller)
    size = len(html.encode())
    if size > limit:
        parts = {name: len(one.uri) for name, one in smaller.items()}
        parts |= {name: len(to_svg(drawing)) for name, drawing in drawings.items()}
        largest = ", ".join(f"{name} {length:,}" for name, length in Counter(parts).most_common(_LARGEST_NAMED))
        raise TooLargeError(
            f"The page has {size:,} bytes with its pictures as small as they get; at most {limit:,} are allowed. "
            f"Largest parts: {largest or 'none but text'}. Report fewer sources at once, or allow more with --limit-mb."
        )
    return html, told


def _told(images: Mapping[str, Any], smaller: Mapping[str, Encoded], limit: int, figures: Path | None) -> Section:
    """What was done to the pictures."""
    done = []
    for name, one in smaller.items():
        if one.level:
            pixels = "" if one.width == images[name].width else f", {images[name].width} → {one.width} pixels wide"
            done.append(f"{name} (WebP, quality {LEVELS[one.level].quality}{pixels})")
    kept = "; ".join(done) if len("; ".join(done)) < _ROOM_FOR_NOTE // 4 else "the largest first"
    whole = "Run `hieramp report` without --no-figures to get them whole."
    if figures is not None:
        whole = f"The files in the folder {figures.name} are whole."
    lost = f"{len(done)} of {len(smaller)} pictures have lost detail: {kept}."
    text = f"To keep this page below {limit / 1e6:g} MB, {lost} {whole}"
    return Section("size_of_this_page", "Size of this page", [Note(text, "warning")])


def _fill(report: Report, drawings: Drawings, pictures: Mapping[str, Encoded]) -> str:
    """The template with everything in it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hieramp_lit.report.page", "template"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell=_cell, words=_words, kind=lambda block: type(block).__name__)
    environment.tests["finite"] = _is_finite
    style, script = (_TEMPLATE.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("page.html").render(
        report=report,
        style=Markup(style),
        script=Markup(script),
        policy=policy,
        pictures=pictures,
        svgs={
            block.id: Markup(to_svg(drawings[block.id], f"{block.id}_", block.title, block.alt))
            for block in _blocks(report)
            if isinstance(block, Figure)
        },
        widths={name: round(float(drawing.get_figwidth()) * 96) for name, drawing in drawings.items()},
    )


def _words(text: str) -> Markup:
    """Plain text; what stands between two backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one without a partner: a character like others
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts)
    )


def _is_finite(value: Cell) -> bool:
    """Whether a cell is sorted as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cell(value: Cell, column: Column) -> str:
    """A cell as it is printed."""
    if value is None:
        return "–"
    if isinstance(value, float) and column.decimals is not None:
        return f"{value:.{column.decimals}f}".replace("-", "−")
    return str(value).replace("-", "−") if isinstance(value, int | float) else value


def _draw(report: Report) -> dict[str, matplotlib.figure.Figure]:
    return {block.id: block.draw() for block in _blocks(report) if isinstance(block, Figure)}


def _blocks(report: Report) -> Iterator[Block]:
    for section in report.sections:
        yield from section.blocks


def _tables(report: Report) -> Iterator[Table]:
    for block in _blocks(report):
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Figure) and block.table is not None:
            yield block.table


def _check(report: Report) -> None:
    ids = [section.id for section in report.sections] + [table.id for table in _tables(report)]
    ids += [block.id for block in _blocks(report) if isinstance(block, Figure | Picture)]
    if wrong := [one for one in ids if not _ID.fullmatch(one)]:
        raise ValueError(f"Report: ids {wrong}: expected lower-case words joined by '-'.")
    if twice := sorted(one for one, count in Counter(ids).items() if count > 1):
        raise ValueError(f"Report: ids {twice} stand for several parts; expected each once.")
    for table in _tables(report):
        for number, row in enumerate(table.rows):
            if len(row) != len(table.columns):
                raise ValueError(
                    f"Report: {table.id}: row {number} has {len(row)} cells; expected {len(table.columns)}, one for "
                    "each column."
                )
