import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.losses import hard_label_loss, soft_label_loss
from hieramp_lit.seeds import stream


def kl_by_hand(student, teacher, temperature):
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p = [math.exp(x / temperature) for x in t]
        q = [math.exp(x / temperature) for x in s]
        p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(student)


@given(batch=st.integers(1, 5), classes=st.integers(2, 12), temperature=st.sampled_from([0.5, 1.0, 4.0, 20.0]))
def test_soft_labels_equal_the_double_sum(batch, classes, temperature):
    student = torch.randn(batch, classes, dtype=torch.float64, generator=stream("s", batch, classes))
    teacher = 3 * torch.randn(batch, classes, dtype=torch.float64, generator=stream("t", batch, classes))
    loss = float(soft_label_loss(student, teacher, temperature))
    assert loss == pytest.approx(kl_by_hand(student, teacher, temperature), rel=1e-9, abs=1e-14)


def test_equal_answers_cost_nothing_and_half_precision_is_reduced_in_float32():
    logits = torch.randn(4, 10, generator=stream("x")).bfloat16()
    assert soft_label_loss(logits, logits, 20.0).dtype == torch.float32
    assert float(soft_label_loss(logits, logits, 20.0)) == pytest.approx(0.0, abs=1e-7)


def test_there_is_no_temperature_factor():
    student, teacher = torch.randn(4, 10, generator=stream("a")), torch.randn(4, 10, generator=stream("b"))
    warm, hot = (float(soft_label_loss(student, teacher, t)) for t in (100.0, 200.0))
    assert warm / hot == pytest.approx(4.0, rel=0.02)  # KL falls as 1 / T²; a factor T² would keep it


@pytest.mark.parametrize("temperature", [0.5, 4.0, 20.0])
def test_hintons_factor_is_the_square_of_the_temperature(temperature):
    student, teacher = (torch.randn(4, 10, dtype=torch.float64, generator=stream(name)) for name in "ab")
    plain, factored = (float(soft_label_loss(student, teacher, temperature, loss)) for loss in ("kl", "kl_t2"))
    assert plain == pytest.approx(kl_by_hand(student, teacher, temperature))
    assert factored == pytest.approx(temperature * temperature * plain)


def test_unknown_losses_are_refused():
    with pytest.raises(ValueError, match=r"model\.protocol\.loss='kd': choose kl or kl_t2"):
        soft_label_loss(torch.zeros(2, 10), torch.zeros(2, 10), 20.0, "kd")


def test_uniform_logits_cost_log_n():
    logits, label = torch.zeros(6, 9), torch.arange(6)
    assert float(hard_label_loss(logits, label, label.flip(0), 0.3)) == pytest.approx(math.log(9))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_mixed_labels_are_the_cross_entropy_of_mixed_targets(share):
    logits = torch.randn(5, 7, dtype=torch.float64, generator=stream("m"))
    label, other = torch.tensor([0, 1, 2, 3, 4]), torch.tensor([6, 5, 2, 0, 1])
    target = torch.zeros(5, 7, dtype=torch.float64)
    for k in range(5):
        target[k, label[k]] += share
        target[k, other[k]] += 1 - share
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(hard_label_loss(logits, label, other, share), expected)


def test_other_class_counts_say_what_to_set():
    with pytest.raises(ValueError, match=r"teacher\.rows"):
        soft_label_loss(torch.zeros(2, 10), torch.zeros(2, 1000), 20.0)
