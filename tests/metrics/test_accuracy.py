import pytest
import torch

from hieramp_lit.metrics.accuracy import Accuracies, ClassAccuracy, Evaluation, best


def test_counts_by_hand():
    metric = ClassAccuracy(7)
    logits = torch.tensor(
        [
            [9.0, 1, 2, 3, 4, 5, 6],  # label 0: first
            [9.0, 1, 2, 3, 4, 5, 6],  # label 6: second
            [9.0, 1, 2, 3, 4, 5, 6],  # label 3: fifth
            [9.0, 1, 2, 3, 4, 5, 6],  # label 2: sixth
        ]
    )
    metric.update(logits[:3], torch.tensor([0, 6, 3]))
    metric.update(logits[3:], torch.tensor([2]))
    result = metric.compute()
    assert (result.top1, result.top5, result.n) == (0.25, 0.75, 4)
    assert result.per_class == (1.0, None, 0.0, 0.0, None, None, 0.0)


def test_with_few_classes_top5_is_always_right():
    metric = ClassAccuracy(3)
    metric.update(torch.randn(10, 3), torch.randint(0, 3, (10,)))
    assert metric.compute().top5 == 1.0


def test_no_images_is_an_error():
    with pytest.raises(ValueError, match="no validation images"):
        ClassAccuracy(3).compute()


def evaluations(*top1, every=10):
    return [Evaluation((k + 1) * every, Accuracies(value, 1.0, (value,), 8)) for k, value in enumerate(top1)]


def test_best_is_the_highest_and_the_earliest_of_equals():
    history = evaluations(0.1, 0.6, 0.4, 0.6, 0.5)
    assert best(history).epoch == 20
    assert best(history, first_epoch=21).epoch == 40
    assert best(history, first_epoch=41).epoch == 50


def test_best_of_an_empty_last_fifth_is_the_last():
    assert best(evaluations(0.9, 0.2), first_epoch=100).epoch == 20
    with pytest.raises(ValueError, match="check_val_every_n_epoch"):
        best([])


def test_evaluations_survive_json():
    history = evaluations(0.5, 0.25)
    assert [Evaluation.from_json(evaluation.to_json()) for evaluation in history] == history
