"""Work on several threads comes back in order, and no more of it waits than asked for."""

import threading
import time
from functools import partial

import pytest

from hieramp_lit.jobs import in_order


def test_results_come_in_order_however_long_each_takes():
    def call(number):
        time.sleep(0.003 * (number % 3 == 0))
        return number

    assert list(in_order((partial(call, number) for number in range(20)), 4, 8)) == list(range(20))


@pytest.mark.parametrize(("threads", "waiting"), [(1, 1), (2, 3)])
def test_calls_are_taken_as_room_comes(threads, waiting):
    taken = []

    def calls():
        for number in range(10):
            taken.append(number)
            yield partial(int, number)

    for got in in_order(calls(), threads, waiting):
        assert len(taken) <= got + waiting


def test_an_error_comes_in_its_turn_and_ends_the_work():
    done, gate = [], threading.Event()

    def call(number):
        if number == 2:
            raise ValueError("the third")
        if number > 2:
            gate.wait(5)
        done.append(number)
        return number

    results = in_order((partial(call, number) for number in range(50)), 1, 6)
    assert [next(results), next(results)] == [0, 1]
    gate.set()
    with pytest.raises(ValueError, match="the third"):
        next(results)
    assert len(done) < 20


def test_nothing_to_do():
    assert list(in_order([], 2, 3)) == []
