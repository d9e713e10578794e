"""Several sets under one protocol, each beside random real images of its plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hieramp_lit.comparison.cell import Cell, RunStage, StudentArguments, train
from hieramp_lit.comparison.full import FullData, facts_of
from hieramp_lit.comparison.random_real import References, stored_pixels
from hieramp_lit.files import read_json, write_json, write_text
from hieramp_lit.report.comparison import (
    SCORES,
    ComparisonRow,
    Judged,
    comparison_csv,
    comparison_json,
    comparison_markdown,
)
from hieramp_lit.report.results import FILE
from hieramp_lit.shards import ShardSet
from hieramp_lit.stages import Stage

NAME = "compare"
VARIANTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "protocol": ("", ()),
    "hard": (", hard labels", ("--model.protocol.labels", "hard")),
    "plain": (", not augmented", ("--model.protocol.augmentation.enabled", "false", "--model.protocol.mix", "none")),
}
"""Fields of `Judged`: their names in messages, and what they change in the students' configuration."""


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        sets: Folders of shard sets.
        students: How they are judged.
        seeds: Of the students.
        out: Folder for results and tables.
        references: Random real images; None makes none.
        scores: Which of `SCORES` to add.
        full: The student on the full data with hard labels.

    Raises:
        ValueError: If a set or seed comes twice, or a score lacks what it is made of.
    """

    sets: tuple[Path, ...]
    students: StudentArguments
    seeds: tuple[int, ...]
    out: Path
    references: References | None
    scores: tuple[str, ...] = ()
    full: FullData | None = None

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"--seeds {list(self.seeds)}: a seed comes twice. Give each once.")
        if len({path.resolve() for path in self.sets}) < len(self.sets):
            raise ValueError(f"{', '.join(map(str, self.sets))}: a set comes twice. Give each once.")
        unknown = [score for score in self.scores if score not in SCORES]
        if unknown:
            raise ValueError(f"--scores {' '.join(unknown)}: expected {', '.join(SCORES)}.")
        if {"hlr", "lrs"} & set(self.scores) and self.full is None:
            raise ValueError(
                "--scores hlr and lrs need --full: the accuracy of a student on the full data with hard labels, as a "
                "number in [0, 1] or a result.json (`hieramp fit --config configs/student/digits_teacher.yaml` makes "
                "one on the digits)."
            )
        if {"lrs", "ars"} & set(self.scores) and self.references is None:
            raise ValueError("--scores lrs and ars compare with random real images: leave out --no-random-real.")

    @cached_property
    def kinds(self) -> dict[str, StudentArguments]:
        """The students that the scores need, by field of `Judged`."""
        needed = {"protocol": True, "hard": {"hlr", "lrs"} & set(self.scores), "plain": {"ars"} & set(self.scores)}
        return {kind: self.students.adding(*VARIANTS[kind][1]) for kind, asked in needed.items() if asked}


def compare(
    comparison: Comparison,
    run: RunStage,
    tell: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> list[ComparisonRow]:
    """Train what is not trained yet, and write ``compare.json``, ``.md`` and ``.csv`` with a row for each set.

    Args:
        comparison: What is compared.
        run: See `RunStage`.
        tell: Shows a line to the user.
        progress: Called with the numbers of sets whose students were trained now, those on the real images beside it
            too, and of those whose had to be.

    Returns:
        A row for each set in the order given, then one for each set of random real images.

    Raises:
        RunStoppedError: If a signal ends it; the same call goes on.
        ShardError: If a set is not finished or damaged.
        StageError: If something cannot be made or trained.
        ValueError: If something does not fit.
    """
    if comparison.scores and comparison.students.labels == "hard":
        raise ValueError(
            f"--scores {' '.join(comparison.scores)}: model.protocol.labels is hard, and these scores lay what soft "
            "labels gain over random real images beside students with hard labels, which they train themselves. Give "
            "a protocol whose model.protocol.labels is soft, or leave out --scores."
        )
    sets = {title: ShardSet.open(path) for title, path in zip(_titles(comparison.sets), comparison.sets, strict=True)}
    _tell_changes(comparison.out / f"{NAME}.json", sets, tell)
    if comparison.full is not None:
        model = comparison.students.values["model"]["init_args"]
        network = {"student.architecture": model["student"], "student.norm": model["norm"]}
        for title, shards in sets.items():
            comparison.full.refuse_another(
                {**network, "number of classes": len(shards.classes)}, f"students on {title}"
            )
    full = None if comparison.full is None else comparison.full.accuracy
    rows: list[ComparisonRow] = []
    trained: list[bool] = []
    real: dict[Path, tuple[str, tuple[int, int], Judged, Cell]] = {}
    for title, shards in sets.items():
        reference, stages = None, list[Stage]()

        def counted(stage: Stage, records: Path, stages: list[Stage] = stages) -> None:
            stages.append(stage)
            run(stage, records)

        if comparison.references is not None:
            validation = comparison.students.values["data"]["init_args"].get("validation")
            made = comparison.references.make(shards, validation, counted)
            if made.path not in real:
                name = _title_of_real(made, [known for known, *_ in real.values()])
                kinds = [kind for kind in comparison.kinds if kind != "hard"]  # which no score takes of real images
                root = comparison.references.cache
                cells = {kind: _cell(comparison, name, made, kind, root) for kind in kinds}
                judged = _judge(comparison, cells, counted, root)
                real[made.path] = (name, stored_pixels(made), judged, cells["protocol"])
            reference = real[made.path]
        cells = {kind: _cell(comparison, title, shards, kind, comparison.out) for kind in comparison.kinds}
        judged = _judge(comparison, cells, counted, comparison.out)
        result = cells["protocol"].result(None if reference is None else reference[3])
        beside = None if reference is None else (reference[0], reference[2])
        trained.append(bool(stages))
        if progress is not None and stages:
            progress(sum(trained), len(sets) - trained.count(False))
        rows.append(ComparisonRow.of(title, stored_pixels(shards), judged, beside, comparison.scores, full))
        write_json(comparison.out / "results" / title.replace("/", "_") / FILE, result)
    rows += [ComparisonRow(name, pixels, judged) for name, pixels, judged, _ in real.values()]
    write_json(comparison.out / f"{NAME}.json", comparison_json(rows, full))
    write_text(comparison.out / f"{NAME}.md", comparison_markdown(rows))
    write_text(comparison.out / f"{NAME}.csv", comparison_csv(rows))
    return rows


def _judge(comparison: Comparison, cells: Mapping[str, Cell], run: RunStage, records: Path) -> Judged:
    results = {}
    for kind, cell in cells.items():
        results[kind] = result = train(cell, run, records)
        if comparison.full is not None:  # after each, before hours more go into what does not compare
            comparison.full.refuse_another(facts_of(result), cell.title)
    return Judged(**results)


def _cell(comparison: Comparison, title: str, shards: ShardSet, kind: str, root: Path) -> Cell:
    name = f"students on {title}{VARIANTS[kind][0]}"
    return Cell.of(name, comparison.kinds[kind], shards, comparison.seeds, root / "students")


def _titles(paths: Sequence[Path]) -> list[str]:
    """The names of the folders, or as much of their paths as tells them apart."""
    parts = [path.resolve().parts[1:] for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        titles = ["/".join(part[-length:]) for part in parts]
        if len(set(titles)) == len(titles):
            break
    return titles


def _title_of_real(made: ShardSet, known: Sequence[str]) -> str:
    manifest = made.manifest
    short = f"random real, {manifest.images_per_class} per class"
    titles = (short, f"{short}, seed {manifest.seed}", f"{short} ({made.path.name})")
    return next(title for title in titles if title not in known)


def _tell_changes(path: Path, sets: Mapping[str, ShardSet], tell: Callable[[str], None]) -> None:
    """Say which sets are not those of the last call: their students are trained anew."""
    if not path.is_file():
        return
    before = {row["title"]: row["set"]["manifest_sha256"] for row in read_json(path)["rows"]}
    for title, shards in sets.items():
        if before.get(title, [shards.manifest.hash]) != [shards.manifest.hash]:
            tell(f"{title} has changed since {path} was written: its students are trained anew.")
