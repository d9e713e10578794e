"""The table of students' accuracies: one row a kind of set, last and best epoch side by side."""

from collections.abc import Iterable, Mapping

from rich.table import Table

from hieramp_lit.report.results import Result

COLUMNS = {"last": "top1_last", "best": "top1_best"}


def student_table(cells: Mapping[str, Result], title: str | None = None) -> Table:
    """Draw results for the terminal.

    Args:
        cells: Title of each row and its result, as `results.aggregate` gives it.
        title: Title of the table; by default what was measured.

    Raises:
        ValueError: If there are no cells.
    """
    table = Table(title=title or _title(cells), caption=caption(cells.values()))
    for column in ("set", *COLUMNS):
        table.add_column(column, justify="left" if column == "set" else "right")
    for name, cell in cells.items():
        table.add_row(name, *(accuracy(cell, measure) for measure in COLUMNS.values()))
    return table


def student_table_markdown(cells: Mapping[str, Result], title: str | None = None) -> str:
    """The same table in Markdown, with title and caption as lines above and below.

    Args:
        cells: Title of each row and its result.
        title: Title of the table; by default what was measured.

    Raises:
        ValueError: If there are no cells.
    """
    lines = [f"{title or _title(cells)}", "", f"| set | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * len(COLUMNS)]
    for name, cell in cells.items():
        lines.append(f"| {name} | {' | '.join(accuracy(cell, measure) for measure in COLUMNS.values())} |")
    return "\n".join([*lines, "", caption(cells.values()), ""])


def accuracy(cell: Result, measure: str) -> str:
    """Mean in per cent, and ± the sample standard deviation where there is more than one run: ``89.9 ± 2.6``."""
    mean, deviation = cell["summary"]["mean"][measure], cell["summary"]["std_sample"][measure]
    return f"{100 * mean:.1f}" if deviation is None else f"{100 * mean:.1f} ± {100 * deviation:.1f}"


def _title(cells: Mapping[str, Result]) -> str:
    if not cells:
        raise ValueError("There are no results to show.")
    sizes = sorted({cell["set"]["images_per_class"] for cell in cells.values() if cell["set"]["images_per_class"]})
    per_class = f"; sets of {' or '.join(map(str, sizes))} per class" if sizes else ""
    first = next(iter(cells.values()))
    return f"Students' top-1 in % on {first['validation']['n']} validation images{per_class}"


def protocol_name(result: Result) -> str:
    """The protocol's name, and which of its constants were changed: ``rded but for epochs, mix``."""
    protocol = result["protocol"]
    changed = ", ".join(protocol.get("changed") or ())
    return f"{protocol['name']} but for {changed}" if changed else str(protocol["name"])


def caption(cells: Iterable[Result]) -> str:
    """What the ± of results is, and over what."""
    words = {"student_seed": "student seeds", "generate_seed": "draws of the set"}
    summaries = [cell["summary"] for cell in cells]
    over = list(dict.fromkeys(words[seed] for summary in summaries for seed in summary["over"]))
    count = " or ".join(map(str, sorted({summary["n"] for summary in summaries})))
    return f"mean ± sample standard deviation over {count} runs ({', '.join(over)})" if over else "one run each"
