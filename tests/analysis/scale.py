"""`hieramp analyze` on sets of ImageNet-1K's shape, in a process of its own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from hieramp_lit.shards import ShardSet
from tests.analysis.synthetic import random_tokens, write_set

PATCH_NUMS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
CODES = 4096
IMAGES_PER_CLASS = 50
SHARD_SIZE = 250
_SCRIPT = """
import json, resource, sys
from hieramp_lit.cli import main
main(["analyze", *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_seconds": round(used.ru_utime + used.ru_stime, 1), "MiB": used.ru_maxrss // 1024}))
"""


def make(folder: Path, classes: int, image_bytes: int, draw: int) -> ShardSet:
    """A set of IPC 50 whose images are noise of so many bytes, which no decoder could read."""
    return write_set(
        folder,
        random_tokens(sum(side * side for side in PATCH_NUMS), CODES, draw),
        classes=classes,
        images_per_class=IMAGES_PER_CLASS,
        shard_size=SHARD_SIZE,
        patch_nums=PATCH_NUMS,
        vocab_size=CODES,
        image=np.random.default_rng(0).bytes(image_bytes),
    )


def measure(*arguments: str) -> dict[str, Any]:
    """Run the command; time and peak memory are those of its whole process, imports and figures included.

    Seconds grow with whatever else the machine does; `cpu_seconds`, of all threads, hardly do.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return {"seconds": round(seconds, 1), **json.loads(done.stdout.splitlines()[-1])}
