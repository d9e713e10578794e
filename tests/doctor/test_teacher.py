from itertools import permutations

import pytest
import torch
from torch import Tensor

from hieramp_lit.classes import load_classes
from hieramp_lit.doctor.teacher import find_order, judge

CLASSES = load_classes("digits")
LABELS = torch.arange(10).repeat(20)


def teacher(rows: tuple[int, ...], answers: int = 10, right: float = 0.8) -> Tensor:
    """Logits of a teacher whose answer for class c is `rows[c]`, right for a share of each class."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.rand(200, answers, generator=generator)
    best = torch.tensor(rows)[LABELS]
    sure = torch.arange(200) < 200 * right
    logits[sure, best[sure]] += 1
    return logits


IDENTITY = tuple(range(10))
PERMUTED = (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)
SUBSET = (207, 12, 999, 0, 301, 302, 303, 304, 305, 17)


def test_a_teacher_in_the_sets_order_is_left_as_it_is():
    order = find_order(teacher(IDENTITY), LABELS, 10, None)
    assert order.rows == IDENTITY
    assert order.top1 == order.best_top1 > 0.8
    assert [finding.status for finding in judge(order, None, CLASSES)] == ["ok"]


def test_a_permutation_is_found_exactly_and_said():
    order = find_order(teacher(PERMUTED), LABELS, 10, None)
    assert order.rows == PERMUTED
    assert order.top1 < 0.5 < order.best_top1
    (finding,) = judge(order, None, CLASSES)
    assert finding.status == "error"
    assert "0 0 is its 3; 2 2 is its 4; 3 3 is its 0" in finding.text
    assert "1 1 is its 1" not in finding.text
    assert finding.remedy == f"set model.teacher.rows: {list(PERMUTED)}"


def test_rows_that_are_set_are_compared_as_rows_of_the_whole_layer():
    assert find_order(teacher(SUBSET, 1000), LABELS, 10, SUBSET)[:2] == (SUBSET, pytest.approx(0.8, abs=0.1))
    swapped = (SUBSET[1], SUBSET[0], *SUBSET[2:])
    order = find_order(teacher(SUBSET, 1000), LABELS, 10, swapped)
    assert order.rows == SUBSET
    (finding,) = judge(order, swapped, CLASSES)
    assert "0 0 is its 207; 1 1 is its 12" in finding.text


def test_rows_of_a_larger_teacher_are_found_where_none_are_set():
    order = find_order(teacher(SUBSET, 1000), LABELS, 10, None)
    assert (order.rows, order.top1) == (SUBSET, None)
    assert judge(order, None, CLASSES)[0].status == "error"


def test_classes_that_are_never_recognized_keep_their_rows():
    logits = teacher(SUBSET, 1000, right=1.0)
    mistaken = (LABELS == 4) | (LABELS == 7)
    logits[mistaken] = 0
    logits[mistaken, SUBSET[2]] = 1
    assert find_order(logits, LABELS, 10, SUBSET).rows == SUBSET


def test_a_teacher_that_knows_nothing_is_warned_of_and_not_reordered():
    labels = torch.arange(10).repeat(2000)
    logits = torch.rand(20000, 10, generator=torch.Generator().manual_seed(0))
    findings = judge(find_order(logits, labels, 10, None), None, CLASSES)
    assert [finding.status for finding in findings] == ["ok", "warning"]
    assert "chance" in findings[1].text


@pytest.mark.parametrize(
    ("answers", "rows", "message"),
    [
        (9, None, "answers 9 classes, the set has 10"),
        (10, (0, 1), "expected 10 rows"),
        (10, (*range(9), 10), "below 10"),
    ],
)
def test_teachers_and_rows_that_cannot_be_are_refused(answers: int, rows: tuple[int, ...] | None, message: str):
    with pytest.raises(ValueError, match=message):
        find_order(torch.rand(200, answers), LABELS, 10, rows)


@pytest.mark.parametrize("circle", [(1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_one_image_more_decides_against_every_row_that_is_kept(circle: tuple[int, ...], start: int):
    # as it is: one right answer and three rows kept; in a circle: two right answers and none kept
    following = circle[start]
    labels = torch.tensor([start, following, following])
    answered = torch.nn.functional.one_hot(torch.tensor([following, following, circle[following]]), 3).float()
    order = find_order(answered, labels, 3, None)
    assert order.rows == circle
    assert (order.top1, order.best_top1) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_right_answers_come_first_and_kept_rows_second():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        labels = torch.randint(4, (6,), generator=generator)
        answered = torch.randint(4, (6,), generator=generator)

        def worth(rows: tuple[int, ...], labels: Tensor = labels, answered: Tensor = answered) -> tuple[int, int]:
            right = int((torch.tensor(rows)[labels] == answered).sum())
            return right, sum(row == cls for cls, row in enumerate(rows))

        order = find_order(torch.nn.functional.one_hot(answered, 4).float(), labels, 4, None)
        assert worth(order.rows) == max(worth(rows) for rows in permutations(range(4)))


def test_rows_that_no_image_speaks_for_are_said_to_be_guessed():
    logits = teacher(SUBSET, 1000, right=1.0)
    mistaken = (LABELS == 4) | (LABELS == 7)
    logits[mistaken, SUBSET[2]] += 2
    order = find_order(logits, LABELS, 10, None)
    assert order.undecided == (4, 7)
    assert "for 4 4, 7 7: their rows are what is left" in judge(order, None, CLASSES)[0].text
    assert find_order(logits, LABELS, 10, SUBSET).undecided == ()
