"""Stable seeds: the same parts give the same number on every machine, Python and torch version."""

import hashlib

import torch


def stable_seed(*parts: int | str) -> int:
    """Hash the parts to a seed in ``[0, 2**63)``.

    BLAKE2b over the parts with their types and lengths, so ``("a", "bc")`` and ``("ab", "c")``, or ``1`` and ``"1"``,
    give different seeds. Python's own ``hash`` is salted per process and would not do.

    Args:
        parts: Integers and strings that name the stream, e.g. ``("image", seed, class_row, index)``.

    Returns:
        A seed for `torch.Generator.manual_seed`.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        text = f"{type(part).__name__}:{part}".encode()
        digest.update(len(text).to_bytes(4, "little") + text)
    return int.from_bytes(digest.digest(), "little") >> 1


def stream(*parts: int | str) -> torch.Generator:
    """CPU random generator seeded by `stable_seed` of the parts."""
    return torch.Generator().manual_seed(stable_seed(*parts))
