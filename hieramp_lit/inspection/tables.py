"""The result of an inspection for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MOST_PAIRS = 5


def show(result: Mapping[str, Any]) -> RenderableType:
    """Tables of a result, with what could not be measured and what compares with what.

    Args:
        result: See `inspect_set`.
    """
    parts: list[RenderableType] = [_summary(result)]
    if result["per_scale"]:
        parts.append(_scales(result["per_scale"]))
    for name, pairs in result["nearest"].items():
        if pairs:
            parts.append(_pairs(name, pairs))
    reasons: dict[str, list[str]] = {}
    for name, reason in result["not_measured"].items():
        reasons.setdefault(reason, []).append(name)
    parts += [Text(f"not measured: {', '.join(names)}: {reason}") for reason, names in reasons.items()]
    parts += [Text(f"note: {warning}") for warning in result["warnings"]]
    parts.append(Text(result["comparable"]))
    return Group(*parts)


def _summary(result: Mapping[str, Any]) -> Table:
    of_set, reference = result["set"], result["reference"]
    beside = "" if reference is None else f", beside {reference['images']} real ones"
    table = Table(title=f"{of_set['name']}: {of_set['images']} images of {of_set['classes']} classes{beside}")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in result["summary"].items():
        table.add_row(Text(name), f"{value:.4g}")
    return table


def _scales(per_scale: list[dict[str, Any]]) -> Table:
    table = Table(title="tokens by scale: whole set, and mean over classes")
    for title in ("scale", "side", "stage", "entropy, nats", "coverage", "top 1 %", "entropy of a class", "coverage"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    for row in per_scale:
        values = ("token_entropy", "token_coverage", "token_top_mass", "class_token_entropy", "class_token_coverage")
        table.add_row(str(row["scale"]), str(row["side"]), str(row["stage"]), *(f"{row[name]:.3f}" for name in values))
    return table


def _pairs(name: str, pairs: list[dict[str, Any]]) -> Table:
    table = Table(title=f"closest pairs by {name}")
    table.add_column("image")
    table.add_column("real image")
    table.add_column("distance", justify="right")
    for pair in pairs[:MOST_PAIRS]:
        table.add_row(Text(pair["image"]), Text(pair["reference"]), f"{pair['distance']:.4g}")
    return table
