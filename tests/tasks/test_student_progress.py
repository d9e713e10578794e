import json

import pytest

from hieramp_lit.metrics.accuracy import Accuracies
from hieramp_lit.tasks.student_progress import StudentProgress

HALF = Accuracies(0.5, 1.0, (0.5, None), 4)
NEVER = float("inf")


def test_what_a_checkpoint_keeps_is_what_it_gives_back():
    progress = StudentProgress()
    progress.batches = 6
    progress.record(2, HALF)
    again = StudentProgress()
    again.load_state_dict(json.loads(json.dumps(progress.state_dict())))
    assert again == progress


def test_one_place_has_one_evaluation():
    progress = StudentProgress(batches=3)
    progress.record(1, HALF)
    progress.record(1, HALF)
    assert len(progress.evaluations) == 1
    progress.batches = 4
    progress.record(2, HALF)
    assert [evaluation.epoch for evaluation in progress.evaluations] == [1, 2]


@pytest.mark.parametrize(
    ("batches", "every_batches", "every_epochs", "epoch"),
    [
        (0, 3, 1, None),  # nothing trained yet
        (2, 3, 1, None),  # in mid-epoch
        (3, 3, 1, 1),
        (6, 3, 1, 2),
        (3, 3, 2, None),  # no evaluation after this epoch
        (6, 3, 2, 2),
        (1, 1, 1, 1),  # three evaluations an epoch
        (5, 1, 2, 2),
        (2, 1, 2, None),
        (6, NEVER, 1, 2),  # at the end of epochs without a known length of their own
        (5, NEVER, 1, None),
        (4, 4, None, 2),  # every four batches, whatever the epoch
        (6, 4, None, None),
        (3, None, 1, None),  # by the clock
    ],
)
def test_a_missed_evaluation_is_noticed_at_its_place(batches, every_batches, every_epochs, epoch):
    progress = StudentProgress(batches=batches)
    assert progress.missed_evaluation(3, every_batches, every_epochs) == epoch
    progress.record(epoch or 1, HALF)
    assert progress.missed_evaluation(3, every_batches, every_epochs) is None


def test_an_older_checkpoint_has_missed_nothing():
    progress = StudentProgress()
    progress.load_state_dict({"batches": 3, "evaluations": []})
    assert progress.missed_evaluation(3, 3, 1) is None
