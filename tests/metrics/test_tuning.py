import torch

from hieramp_lit.metrics.tuning import TuningMetrics
from hieramp_lit.var import Scales

SCALES = Scales((1, 2))


def one_hot(index, classes):
    return 20 * torch.nn.functional.one_hot(index, classes).float()


def test_names_without_class_tokens_are_those_of_tokens():
    metrics = TuningMetrics(SCALES)
    metrics.update_tokens(torch.ones(2, 5), torch.rand(2, 5, 7), torch.zeros(2, 5, dtype=torch.int64))
    assert set(metrics.pop("val")) == {
        f"val/{name}{scale}" for name in ("token_loss", "token_accuracy") for scale in ("", "/00", "/01", "/last")
    }
    assert metrics.pop("val") == {}


def test_accuracies_count_the_positions_that_are_right():
    metrics = TuningMetrics(SCALES)
    tokens_BL = torch.randint(0, 7, (3, 5))
    wrong = tokens_BL.clone()
    wrong[:, 1:3] = (wrong[:, 1:3] + 1) % 7
    metrics.update_tokens(torch.zeros(3, 5), one_hot(wrong, 7), tokens_BL)
    label_B = torch.tensor([0, 1, 2])
    seen, blind = torch.stack([label_B, label_B], 1), torch.stack([label_B * 0, label_B], 1)
    metrics.update_classes(one_hot(seen, 3), label_B)
    metrics.update_unconditional(one_hot(blind, 3), label_B)
    named = {name: round(value.item(), 4) for name, value in metrics.pop("val").items()}
    assert (named["val/token_accuracy/00"], named["val/token_accuracy/01"]) == (1, 0.5)
    assert named["val/token_accuracy"] == 0.6
    assert named["val/token_accuracy/last"] == 0.5
    assert named["val/class_accuracy"] == 1
    assert named["val/class_accuracy_unconditional/00"] == 0.3333
    assert named["val/class_accuracy_unconditional/01"] == 1
    assert named["val/class_loss"] < 1e-4
