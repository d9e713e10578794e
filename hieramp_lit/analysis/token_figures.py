"""Token analyses as figures, with every number that they show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from hieramp_lit.analysis.changes import MEASURES, Change, Changes
from hieramp_lit.analysis.tokens import TokenAnalysis
from hieramp_lit.figures.token_changes import ChangeBar, ChangePanel, draw_changes
from hieramp_lit.figures.token_distinct import DistinctRow, draw_distinct
from hieramp_lit.figures.token_statistics import TokenCurve, draw_token_statistics
from hieramp_lit.report.page.blocks import Cell, Column, Figure, Table
from hieramp_lit.report.schedule_name import name_schedule

_CHANGE = ("rise", "stay", "fall")
_MOST_TOLD = 12  # bars that a description reads out


class TokenFigure(NamedTuple):
    """A figure, and what stands in its CSV file.

    Attributes:
        figure: For a report or files.
        columns: Names of the columns.
        rows: Every number of the figure, one in each row or a few that belong together.
    """

    figure: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def labels(analyses: Sequence[TokenAnalysis]) -> list[str]:
    """What sets are called, each by another name: the schedule's or generator's, the folder's where that is not enough.

    Args:
        analyses: Of the sets.
    """
    names = [_name(analysis.about) for analysis in analyses]
    times = Counter(names)
    with_folder = [
        name if times[name] == 1 else f"{name} ({analysis.about['name']})"
        for name, analysis in zip(names, analyses, strict=True)
    ]
    times = Counter(with_folder)
    return [name if times[name] == 1 else f"{name} [{place}]" for place, name in enumerate(with_folder, 1)]


def statistics_figure(analyses: Mapping[str, TokenAnalysis]) -> TokenFigure:
    """Entropy and coverage over the scales.

    Args:
        analyses: By the names of the sets; all of the same token maps.

    Raises:
        ValueError: If they are of different token maps, whose scales do not correspond.
    """
    maps = {analysis.maps for analysis in analyses.values()}
    if len(maps) != 1:
        told = "; ".join(f"{name}: {one.maps.scales}, {one.maps.vocab_size} codes" for name, one in analyses.items())
        raise ValueError(f"Sets of different token maps or codebooks cannot stand in one figure: {told}.")
    scales = next(iter(maps)).scales
    rows = {name: analysis.per_scale() for name, analysis in analyses.items()}
    measured = [key for key in next(iter(rows.values()))[0] if key not in ("scale", "side", "stage")]
    curves = [
        TokenCurve(
            name,
            *(
                [row[key] for row in each]
                for key in (
                    "entropy",
                    "coverage",
                    "class_entropy_mean",
                    "class_entropy_std",
                    "class_coverage_mean",
                    "class_coverage_std",
                )
            ),
        )
        for name, each in rows.items()
    ]
    stages = [scales.stage_of(scale) for scale in range(len(scales))]
    images = {name: int(one.images_C.sum()) for name, one in analyses.items()}
    shown = ("entropy", "coverage", "class_entropy_mean", "class_coverage_mean")
    figure = Figure(
        id="token-statistics",
        title="Use of the codebook by scale",
        alt=" ".join(
            f"{name}: at the finest scale {each[-1]['entropy']:.2f} nats and {100 * each[-1]['coverage']:.1f} % of the "
            f"codebook as a whole, {each[-1]['class_entropy_mean']:.2f} nats and "
            f"{100 * each[-1]['class_coverage_mean']:.1f} % in the mean class."
            for name, each in rows.items()
        ),
        caption="Entropy (Eq. 12, nats) and coverage (Eq. 13, share of the codebook) of the tokens of each scale. "
        "Above of the whole set, below of each class alone: mean over the classes, band ± one standard deviation. "
        f"Images: {', '.join(f'{name} {number}' for name, number in images.items())}. A set of more images "
        "uses more codes.",
        numbers={"sets": rows, "images": images},
        draw=partial(draw_token_statistics, scales.patch_nums, stages, curves),
        table=Table(
            "token-statistics-table",
            "Use of the codebook by scale",
            [
                Column("set"),
                Column("scale", 0, numeric=True),
                Column("side", 0, numeric=True),
                Column("stage"),
                Column("entropy of the set, nats", 3, numeric=True),
                Column("coverage of the set", 4, numeric=True),
                Column("entropy of a class, nats", 3, numeric=True),
                Column("coverage of a class", 4, numeric=True),
            ],
            [
                [name, row["scale"], row["side"], row["stage"], *(row[key] for key in shown)]
                for name, each in rows.items()
                for row in each
            ],
            folded=True,
        ),
    )
    columns = ("set", "scale", "side", "stage", *measured)
    return TokenFigure(
        figure, columns, [[name, *(row[key] for key in columns[1:])] for name, each in rows.items() for row in each]
    )


def change_figures(found: Mapping[str, Changes], against: str, patch_nums: Sequence[int]) -> list[TokenFigure]:
    """Shares of classes whose entropy and coverage rise, stay and fall: of stages (Fig. 3, 8, 9), then of scales.

    Args:
        found: Of each set, by its name.
        against: Name of the set that all are compared with.
        patch_nums: Sides of the token maps.
    """
    of_scales = [
        _change_figure(
            f"{measure}-changes-scales",
            f"Classes whose {measure} changes, by scale",
            measure,
            against,
            [
                (
                    name,
                    [
                        (f"scale {k}, {side}×{side}", change)
                        for k, (side, change) in enumerate(zip(patch_nums, changes.scales[measure], strict=True))
                    ],
                )
                for name, changes in found.items()
            ],
            ("set", "scale"),
        )
        for measure in MEASURES
    ]
    return stage_change_figures(found, against) + of_scales


def stage_change_figures(found: Mapping[str, Changes], against: str) -> list[TokenFigure]:
    """Shares of classes whose entropy and coverage rise, stay and fall over the scales of a stage (Fig. 3, 8, 9).

    Args:
        found: Of each set, by its name.
        against: Name of the set that all are compared with.
    """
    return [
        _change_figure(
            f"{measure}-changes",
            f"Classes whose {measure} changes, by stage",
            measure,
            against,
            [
                (stage, [(name, changes.stages[measure][stage]) for name, changes in found.items()])
                for stage in next(iter(found.values())).stages[measure]
            ],
            ("stage", "set"),
        )
        for measure in MEASURES
    ]


def distinct_figure(analyses: Mapping[str, TokenAnalysis], cls: int) -> TokenFigure:
    """Different codes at each position over the images of a class (Fig. 4).

    Args:
        analyses: By the names of the sets, which counted them for the class; of the same scales.
        cls: The class.
    """
    first = next(iter(analyses.values()))
    entry = first.classes.entries[cls]
    images = max(int(analysis.images_C[cls]) for analysis in analyses.values())
    counts = {name: [one.tolist() for one in analysis.distinct[cls]] for name, analysis in analyses.items()}
    means = {name: [float(one.mean()) for one in analysis.distinct[cls]] for name, analysis in analyses.items()}
    sides = first.maps.scales.patch_nums
    title = f"class {entry.name}" + (f" ({entry.wnid})" if entry.wnid not in (None, entry.name) else "")
    figure = Figure(
        id=f"distinct-codes-{cls:04d}",
        title=f"Different codes by position: {title}",
        alt=" ".join(
            f"{name}: on average {of[-1]:.1f} different codes at a position of the finest scale, {of[0]:.1f} at the "
            "coarsest."
            for name, of in means.items()
        ),
        caption=f"How many different codes occur at each position of each scale over the {images} images of the class; "
        "the mean over the positions stands above each map (as Fig. 4). Darker is more.",
        numbers={"cls": cls, "name": entry.name, "images": images, "counts": counts, "means": means},
        draw=partial(draw_distinct, [DistinctRow(name, each) for name, each in counts.items()], images, title),
        table=Table(
            f"distinct-codes-{cls:04d}-table",
            f"Mean number of different codes at a position: {title}",
            [Column("set"), *(Column(f"{side}×{side}", 2, numeric=True) for side in sides)],
            [[name, *of] for name, of in means.items()],
            folded=True,
        ),
    )
    return TokenFigure(
        figure,
        ("set", "cls", "class", "scale", "side", "row", "column", "distinct_codes", "images"),
        [
            [name, cls, entry.name, scale, len(square), row, column, count, images]
            for name, each in counts.items()
            for scale, square in enumerate(each)
            for row, line in enumerate(square)
            for column, count in enumerate(line)
        ],
    )


def _change_figure(
    id: str,
    title: str,
    measure: str,
    against: str,
    groups: Sequence[tuple[str, Sequence[tuple[str, Change]]]],
    words: tuple[str, str],
) -> TokenFigure:
    panels = [
        ChangePanel(group, [ChangeBar(name, change.rise, change.stay, change.fall) for name, change in bars])
        for group, bars in groups
    ]
    unit = {"entropy": "nats", "coverage": "share of the codebook"}[measure]
    classes = groups[0][1][0][1].classes
    columns = (*words, *_CHANGE, *(f"share_{kind}" for kind in _CHANGE), "mean_change")
    rows: list[list[Cell]] = [
        [group, name, *(getattr(change, kind) for kind in _CHANGE)]
        + [getattr(change, kind) / change.classes for kind in _CHANGE]
        + [change.mean]
        for group, bars in groups
        for name, change in bars
    ]
    told = [
        f"{group}, {name}: rises in {100 * change.rise / classes:.0f} %, falls in {100 * change.fall / classes:.0f} %"
        for group, bars in groups
        for name, change in bars
    ]
    more = f"; {len(told) - _MOST_TOLD} more stand in the table" if len(told) > _MOST_TOLD else ""
    figure = Figure(
        id=id,
        title=title,
        alt=f"Of the classes, {measure} by {' and '.join(words)}: {'; '.join(told[:_MOST_TOLD])}{more}.",
        caption=f"Share of the {classes} classes whose {measure} ({unit}) is higher than, equal to and lower than in "
        f"“{against}”, in %."
        + (" Of each class the mean over the scales of a stage counts (as Fig. 3)." if words[0] == "stage" else ""),
        numbers={
            "measure": measure,
            "against": against,
            "rows": [dict(zip(columns, row, strict=True)) for row in rows],
        },
        draw=partial(draw_changes, panels, measure),
        table=Table(
            f"{id}-table",
            f"{title}, beside “{against}”",
            [
                *(Column(word) for word in words),
                *(Column(f"{kind}s, classes", 0, numeric=True) for kind in _CHANGE),
                Column(f"mean change, {unit}", 4, numeric=True),
            ],
            [[*row[:5], row[-1]] for row in rows],
            folded=True,
        ),
    )
    return TokenFigure(figure, columns, rows)


def _name(about: Mapping[str, Any]) -> str:
    try:
        name = name_schedule(about["configuration"]).name
    except ValueError:
        name = about["generator"]
    return name if about["tokens"] == "stored" else f"{name}, encoded"


def token_figures(
    analyses: Mapping[str, TokenAnalysis], found: Mapping[str, Changes], against: str | None
) -> list[TokenFigure]:
    """All figures of some sets: statistics, changes, and the maps of each class that was chosen in all of them.

    Args:
        analyses: By the names of the sets, that of `against` included.
        found: Changes of the sets beside `against`; empty for none.
        against: Name of the set that others are compared with.

    Raises:
        ValueError: If token maps differ.
    """
    first = next(iter(analyses.values()))
    figures = [statistics_figure(analyses)]
    if against is not None and found:
        figures += change_figures(found, against, first.maps.scales.patch_nums)
    chosen = [cls for cls in first.distinct if all(cls in one.distinct for one in analyses.values())]
    return figures + [distinct_figure(analyses, cls) for cls in chosen]
