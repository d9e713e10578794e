"""Weights in, weights out: every container our field uses, from disk or the Hub, whole or sharded."""

from hieramp_lit.checkpoints.containers import (
    check_network,
    check_resumable,
    is_sharded,
    load_strictly,
    read_tensors,
    resolve,
    save,
    weights_sha256,
)
from hieramp_lit.checkpoints.record import CLASS_LIST, CODES, STARTED_FROM, TOKENIZER, read_record

__all__ = [
    "CLASS_LIST",
    "CODES",
    "STARTED_FROM",
    "TOKENIZER",
    "check_network",
    "check_resumable",
    "is_sharded",
    "load_strictly",
    "read_record",
    "read_tensors",
    "resolve",
    "save",
    "weights_sha256",
]
