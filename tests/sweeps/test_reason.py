"""The reason of a failure is found in what a command wrote to standard error."""

import pytest

from hieramp_lit.sweeps.process import last_message


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ("", ""),
        ("warning\nlast words\n\n", "last words"),
        ("usage: x\nhieramp distill: error: rho=1.5: too\nlarge\n", "rho=1.5: too large"),
        (
            "a warning\n\nrefused: generate.rho=1.5:\nerror: expected shares\n",
            "generate.rho=1.5: error: expected shares",
        ),
        (
            "error: no file x\n(OSError)\n\nerror: generate failed with exit code 1\nWhole output: y\n",
            "no file x – generate failed with exit code 1 Whole output: y",
        ),
        ("error: " + "x" * 700, "x" * 600 + "…"),
    ],
)
def test_last_message(errors: str, reason: str) -> None:
    assert last_message(errors) == reason
