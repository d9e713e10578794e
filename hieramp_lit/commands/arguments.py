"""Types of command-line arguments that several commands take."""

import argparse


def at_least_one(text: str) -> int:
    """A whole number of 1 or more.

    Raises:
        ArgumentTypeError: If it is less.
        ValueError: If it is no whole number; argparse names the argument.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
