import math

import pytest

from hieramp_lit.students.protocols import PUBLISHED, schedule_factor


def test_half_cosine_starts_at_one_and_ends_at_a_half():
    factors = [schedule_factor("half_cosine", epoch, 300) for epoch in range(301)]
    assert factors[0] == 1.0
    assert factors[150] == pytest.approx(0.5 * (1 + math.sqrt(0.5)))
    assert factors[300] == pytest.approx(0.5)
    assert factors == sorted(factors, reverse=True)
    assert schedule_factor("half_cosine", 100, 300) == pytest.approx(0.5 * (1 + math.sqrt(3) / 2))


def test_other_schedules():
    assert schedule_factor("cosine", 50, 100) == pytest.approx(0.5)
    assert schedule_factor("cosine", 100, 100) == pytest.approx(0.0)
    assert schedule_factor("constant", 77, 100) == 1.0
    with pytest.raises(ValueError, match="half_cosine, cosine, step or constant"):
        schedule_factor("half", 0, 1)


def test_steps_come_at_their_shares_of_training():
    factors = [schedule_factor("step", epoch, 100, (0.5, 0.8), 0.1) for epoch in range(100)]
    assert factors[:50] == [1.0] * 50
    assert factors[50:80] == [0.1] * 30
    assert factors[80:] == pytest.approx([0.01] * 20)


@pytest.mark.parametrize(
    ("name", "epochs", "expected"),
    [
        ("rded", 300, {0: 1.0, 150: 0.8535533905932737, 200: 0.75, 299: 0.502617}),
        ("d3hr", 400, {0: 1.0, 200: 0.8535533905932737, 399: 0.501963}),
        ("minimax_hard", 3000, {1999: 1.0, 2000: 0.2, 2499: 0.2, 2500: 0.04, 2999: 0.04}),
        ("minimax_hard", 2000, {1332: 1.0, 1333: 0.2, 1665: 0.2, 1666: 0.04}),  # ⌊2·2000 / 3⌋, ⌊5·2000 / 6⌋
        ("minimax_hard", 1300, {865: 1.0, 866: 0.2, 1082: 0.2, 1083: 0.04}),
        ("clean", 300, {0: 1.0, 100: 0.75, 150: 0.5, 200: 0.25, 299: 2.7415e-05}),
    ],
)
def test_the_published_protocols_rates_by_epoch(name, epochs, expected):
    factor = PUBLISHED[name].factor(epochs)
    assert {epoch: factor(epoch) for epoch in expected} == pytest.approx(expected, rel=2e-5)
