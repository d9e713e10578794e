import csv
import json
import re
import shutil
import statistics
from pathlib import Path

import pytest

from hieramp_lit.comparison import Comparison, FullData, References, compare
from hieramp_lit.files import write_json
from hieramp_lit.report import results
from hieramp_lit.report.comparison import ComparisonRow, comparison_table
from hieramp_lit.report.scores import augmentation_robust_score, hard_label_recovery, label_robust_score
from tests.comparison.judging import InThisProcess, Pretended, random_teacher, students
from tests.shards.making import NoiseGenerator, make_set

SCORES = ("hlr", "lrs", "ars")


class Finished:
    """A comparison of two sets of two images a class and one of one, over seeds 0 and 1, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sets = (
            make_set(root / "weak", NoiseGenerator(1.0)).path,
            make_set(root / "strong", NoiseGenerator(2.0)).path,
            make_set(root / "small", NoiseGenerator(), images_per_class=1).path,
        )
        self.students = students(random_teacher(root))
        self.run = Pretended()
        self.progress: list[tuple[int, int]] = []
        self.rows = self.compare()
        self.progress_of_first = list(self.progress)
        self.verbs = self.run.verbs

    def compare(
        self,
        sets: tuple[Path, ...] | None = None,
        seeds: tuple[int, ...] = (0, 1),
        out: str = "out",
        told: list[str] | None = None,
    ) -> list[ComparisonRow]:
        references = References(self.root / out / "real", self.root / "cache")
        comparison = Comparison(self.sets if sets is None else sets, self.students, seeds, self.root / out, references)
        self.progress.clear()
        tell = (told if told is not None else []).append
        return compare(comparison, self.run, tell, lambda number, total: self.progress.append((number, total)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("comparison"))


def runs(folder: Path) -> list[float]:
    """Last top-1 of each seed, from the files."""
    return [result["last"]["top1"] for seed in (0, 1) for result in results.read(folder / f"seed-{seed}")["per_seed"]]


def name_of_set(folder: Path) -> str:
    return str(results.read(folder / "seed-0")["set"]["name"])


def test_each_plan_has_its_own_reference_and_equal_plans_share_one(finished: Finished) -> None:
    # two sets of real images, and students on three sets and both of these
    assert sorted(finished.verbs) == ["predict"] * 2 + ["students"] * 5
    assert [row.title for row in finished.rows] == [
        "weak", "strong", "small", "random real, 2 per class", "random real, 1 per class"
    ]  # fmt: skip
    assert [row.reference for row in finished.rows[:3]] == [
        "random real, 2 per class", "random real, 2 per class", "random real, 1 per class"
    ]  # fmt: skip
    real = finished.rows[3].judged.protocol["set"]
    assert (real["generator"], real["images_per_class"], finished.rows[3].pixels) == ("random_real", 2, (8, 8))


def test_improvement_over_random_is_the_difference_of_the_result_files(finished: Finished) -> None:
    folders = {name_of_set(path): path for path in (finished.root / "out/students").iterdir()}
    for row, real in zip(finished.rows[:3], [finished.rows[3], finished.rows[3], finished.rows[4]], strict=True):
        (beside,) = [
            path
            for path in (finished.root / "cache/students").iterdir()
            if name_of_set(path) == real.judged.protocol["set"]["name"]
        ]
        by_hand = statistics.fmean(runs(folders[row.title])) - statistics.fmean(runs(beside))
        assert row.ior["top1_last"] == pytest.approx(by_hand)
    assert len({row.ior["top1_last"] for row in finished.rows[:3]}) > 1
    cell = results.read(finished.root / "out/results/weak")
    assert cell["random_real_reference"]["mean"] == finished.rows[3].judged.protocol["summary"]["mean"]


def test_tables_hold_the_numbers_of_the_json(finished: Finished) -> None:
    out = finished.root / "out"
    rows = json.loads((out / "compare.json").read_text())["rows"]
    lines = list(csv.DictReader((out / "compare.csv").read_text().splitlines()))
    shown = [re.split(r" *\| *", line)[1:-1] for line in (out / "compare.md").read_text().splitlines() if "|" in line]
    assert shown[0] == ["set", "IPC", "last", "best", "IOR"]
    drawn = [list(column.cells) for column in comparison_table(finished.rows).columns]
    assert len(rows) == len(lines) == len(shown) - 2 == len(finished.rows)
    for row, line, texts, in_terminal in zip(rows, lines, shown[2:], zip(*drawn, strict=True), strict=True):
        mean, std = row["summary"]["mean"], row["summary"]["std_sample"]
        assert float(line["top1_last_mean"]) == mean["top1_last"]
        assert float(line["top1_best_std_sample"]) == std["top1_best"]
        assert float(line["top1_best_std_population"]) == row["summary"]["std_population"]["top1_best"]
        ior = "" if row["ior"] is None else f"{100 * row['ior']['top1_last']:+.1f}"
        assert line["ior_top1_last"] == ("" if row["ior"] is None else str(row["ior"]["top1_last"]))
        expected = [row["title"], str(row["set"]["images_per_class"])]
        expected += [f"{100 * mean[name]:.1f} ± {100 * std[name]:.1f}" for name in ("top1_last", "top1_best")] + [ior]
        assert texts == list(in_terminal) == expected
        assert (line["hard_top1_last_mean"], line["lrs"]) == ("", "")
    assert "2 runs (student seeds)" in (out / "compare.md").read_text()


def test_what_is_trained_is_not_trained_again(finished: Finished) -> None:
    told: list[str] = []
    again = finished.compare(told=told)
    assert (finished.run.verbs, told) == ([], [])
    assert finished.progress_of_first == [(1, 3), (2, 3), (3, 3)]
    assert not finished.progress  # what was trained before counts for no pace
    assert [row.to_json() for row in again] == [row.to_json() for row in finished.rows]


def test_another_folder_and_seed_reuse_the_references(finished: Finished) -> None:
    finished.compare(finished.sets[:1], seeds=(0,), out="other")
    assert finished.run.verbs == ["students"]
    finished.compare(finished.sets[:1], seeds=(0, 2), out="other")
    trained = [stage.arguments for stage in finished.run.stages]
    assert finished.run.verbs == ["students"] * 2  # of the real images, then of the set
    assert all(words[words.index("--seeds") + 1 : words.index("--out")] == ("2",) for words in trained)


def test_a_set_that_changed_is_trained_anew_and_no_other(finished: Finished) -> None:
    changing = finished.root / "changing"
    shutil.copytree(finished.sets[0], changing)
    before = finished.compare((changing, finished.sets[1]), seeds=(0,), out="changes")
    shutil.rmtree(changing)
    make_set(changing, NoiseGenerator(3.0), seed=0)
    finished.run.verbs  # noqa: B018 (forgets)
    told: list[str] = []
    after = finished.compare((changing, finished.sets[1]), seeds=(0,), out="changes", told=told)
    assert finished.run.verbs == ["students"]
    assert finished.progress == [(1, 2)]  # the other one is found done after it
    assert len(told) == 1
    assert told[0].startswith("changing has changed")
    hashes = [[row.judged.protocol["set"]["manifest_sha256"] for row in rows] for rows in (before, after)]
    assert hashes[0][0] != hashes[1][0]
    assert hashes[0][1:] == hashes[1][1:]


def test_scores_add_the_students_that_they_need(tmp_path: Path) -> None:
    """Trained in earnest, with every number from the result files."""
    run, noise = InThisProcess(), make_set(tmp_path / "noise", NoiseGenerator()).path
    references = References(tmp_path / "real", tmp_path / "cache")
    asked = students(random_teacher(tmp_path))
    row, real = compare(
        Comparison((noise,), asked, (0,), tmp_path / "out", references, SCORES, FullData(0.9)), run, print
    )
    assert run.verbs == ["predict"] + ["students"] * 5  # real images lack hard labels, which no score takes of them
    hard, plain = row.judged.hard, row.judged.plain
    assert hard is not None
    assert plain is not None
    assert real.judged.plain is not None
    assert real.judged.hard is None
    assert hard["protocol"]["constants"]["labels"] == "hard"
    assert plain["protocol"]["constants"]["labels"] == "soft"
    assert plain["protocol"]["constants"]["augmentation"]["enabled"] is False
    assert plain["protocol"]["constants"]["mix"] == "none"
    assert row.judged.protocol["protocol"]["constants"]["augmentation"]["enabled"] is True
    mean = {
        name: cell["summary"]["mean"]["top1_last"]
        for name, cell in {
            "set": row.judged.protocol, "real": real.judged.protocol, "hard": hard, "plain": plain,
            "plain real": real.judged.plain,
        }.items()
    }  # fmt: skip
    hlr = hard_label_recovery(0.9, mean["hard"])
    assert row.scores == {
        "hlr": hlr,
        "lrs": label_robust_score(mean["set"] - mean["real"], hlr),
        "ars": augmentation_robust_score(mean["set"] - mean["real"], mean["plain"] - mean["plain real"]),
    }
    assert real.scores == {}
    text = (tmp_path / "out/compare.md").read_text()
    assert f"| {100 * hlr:.1f} | {row.scores['lrs']:.3f} | {row.scores['ars']:.3f} |" in text


@pytest.mark.parametrize(
    ("name", "theirs", "ours", "trained"),
    [
        ("student.architecture", "convnet3", "convnet2_w4", 0),  # known before anything is trained
        ("student.norm", "instance", None, 0),
        ("number of classes", 200, 10, 0),
        ("validation.sha256", "others", "v", 1),
    ],
)
def test_full_data_that_do_not_compare_are_refused_with_both_values(
    finished: Finished, name: str, theirs: object, ours: object, trained: int
) -> None:
    finished.run.verbs  # noqa: B018 (forgets)
    facts = {
        "student.architecture": "convnet2_w4", "student.norm": None, "number of classes": 10, "validation.sha256": "v",
        name: theirs,
    }  # fmt: skip
    full, out = FullData(0.9, facts, "--full x.json"), finished.root / "full" / name
    with pytest.raises(ValueError, match=re.escape(f"{name} is {theirs!r} there and {ours!r} here")) as refused:
        compare(Comparison(finished.sets[:1], finished.students, (0,), out, None, ("hlr",), full), finished.run, print)
    assert str(refused.value).startswith("--full x.json does not compare with students on weak")
    assert finished.run.verbs == ["students"] * trained
    assert not (out / "compare.json").exists()


def test_the_full_data_of_the_same_student_are_taken(finished: Finished) -> None:
    facts = {
        "student.architecture": "convnet2_w4", "student.norm": None, "number of classes": 10, "validation.sha256": "v"
    }  # fmt: skip
    asked = (finished.sets[:1], finished.students, (0,), finished.root / "same full", None, ("hlr",))
    (row,) = compare(Comparison(*asked, FullData(0.9, facts)), finished.run, print)
    (plain,) = compare(Comparison(*asked, FullData(0.9)), finished.run, print)
    assert row.scores == plain.scores


@pytest.mark.parametrize("score", SCORES)
def test_scores_of_a_protocol_with_hard_labels_are_refused(finished: Finished, score: str) -> None:
    finished.run.verbs  # noqa: B018 (forgets)
    references = References(finished.root / "hard/real", finished.root / "cache")
    hard = finished.students.adding("--model.protocol.labels", "hard")
    asked = (finished.sets[:1], hard, (0,), finished.root / "hard", references)
    with pytest.raises(ValueError, match=rf"--scores {score}: model\.protocol\.labels is hard"):
        compare(Comparison(*asked, (score,), FullData(0.9)), finished.run, print)
    assert finished.run.verbs == []
    assert len(compare(Comparison(*asked), finished.run, print)) == 2  # accuracies and IOR of one protocol are sound


def test_results_from_before_a_change_name_the_folder_to_delete(finished: Finished) -> None:
    finished.compare(finished.sets[:1], seeds=(0,), out="stale")
    (cell,) = (finished.root / "stale/students").iterdir()
    stale = results.read(cell / "seed-0")
    stale["validation"]["sha256"] = "before"
    write_json(cell / "seed-0/result.json", stale)
    with pytest.raises(ValueError, match=rf"different experiments.* 'before'.*Delete {re.escape(str(cell))} and run"):
        finished.compare(finished.sets[:1], seeds=(0, 1), out="stale")
    # one seed alone agrees with itself, and not with the random real images of all comparisons
    with pytest.raises(ValueError, match="different experiments") as refused:
        finished.compare(finished.sets[:1], seeds=(0,), out="stale")
    assert str(cell) in str(refused.value)
    assert str(finished.root / "cache/students") in str(refused.value)


def test_without_random_real_images_nothing_is_made(finished: Finished) -> None:
    finished.run.verbs  # noqa: B018 (forgets)
    comparison = Comparison(finished.sets[:1], finished.students, (0,), finished.root / "alone", None)
    (row,) = compare(comparison, finished.run, print)
    assert finished.run.verbs == ["students"]
    assert (row.reference, row.ior) == (None, {})
    assert "IOR" not in (finished.root / "alone/compare.md").read_text()
    assert "absent" in results.read(finished.root / "alone/results/weak")["random_real_reference"]


def test_sets_of_equal_names_are_told_apart(finished: Finished) -> None:
    other = finished.root / "elsewhere/weak"
    shutil.copytree(finished.sets[1], other)
    comparison = Comparison((finished.sets[0], other), finished.students, (0,), finished.root / "names", None)
    rows = compare(comparison, finished.run, print)
    assert [row.title for row in rows] == [f"{finished.root.name}/weak", "elsewhere/weak"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": (0, 0)}, "--seeds .* comes twice"),
        ({"sets": (Path("a"), Path("./a"))}, "a set comes twice"),
        ({"scores": ("hlr",)}, "--full"),
        ({"scores": ("lrs",), "full": FullData(0.5), "references": None}, "--no-random-real"),
        ({"scores": ("ars",), "references": None}, "--no-random-real"),
        ({"scores": ("psnr",)}, "expected hlr, lrs, ars"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes: dict[str, object], message: str) -> None:
    asked = {
        "sets": (Path("a"),), "students": students(Path("t")), "seeds": (0,), "out": Path("out"),
        "references": References(Path("real"), Path("cache")),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        Comparison(**{**asked, **changes})


@pytest.mark.parametrize("flag", ["--data.path=a", "--model.seed", "--model.init_args.output", "--ckpt_path"])
def test_what_the_command_decides_cannot_be_set(flag: str) -> None:
    with pytest.raises(ValueError, match="cannot be set here"):
        students(Path("t"), flag, "1")
