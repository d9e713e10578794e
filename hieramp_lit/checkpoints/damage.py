"""What reading a damaged weight file raises, and how its message is told."""

import pickle
import re
import struct
import tarfile

import safetensors

DAMAGE = (
    pickle.UnpicklingError,
    safetensors.SafetensorError,
    tarfile.TarError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""All that torch's readers let through: the older format's runs a pickle's operations as the damage has them."""

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def told(error: Exception) -> str:
    """Type and first line of an error, without the escape codes by which torch makes its text bold."""
    lines = _ESCAPES.sub("", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
