import os

import pytest
import torch

from hieramp_lit.bench.process import OwnProcess

CPU = torch.device("cpu")


class Checks:
    """Fails unless it runs elsewhere; counts its runs there."""

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __call__(self) -> "Checks":
        self.runs = 0
        return self.run  # type: ignore[return-value]

    def run(self) -> None:
        if os.getpid() == self.parent:
            raise AssertionError("ran in the parent")
        self.runs += 1
        if self.runs == 3:
            raise ValueError("the third run fails")


def test_runs_elsewhere_keeps_its_state_and_hands_failures_over():
    with OwnProcess(Checks(os.getpid()), CPU) as process:
        process()
        assert process.peak_bytes > 2**20
        process()
        with pytest.raises(RuntimeError, match="the third run fails"):
            process()
        process()


def test_a_process_that_dies_is_named():
    with OwnProcess(Dies(), CPU) as process, pytest.raises(RuntimeError, match="exit code 7"):
        process()


class Dies:
    def __call__(self) -> None:
        os._exit(7)


class TooLarge:
    """Has too little memory over there."""

    def __call__(self) -> "TooLarge":
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_too_little_memory_arrives_as_that():
    with OwnProcess(TooLarge(), CPU) as process, pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        process()
