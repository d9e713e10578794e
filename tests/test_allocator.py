import subprocess
import sys

PROGRAM = """
import resource
import sys

import torch
from hieramp_lit.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "kept":
    assert keep_freed_memory(torch.device("cpu"))
if sys.argv[1] == "cuda":
    assert not keep_freed_memory(torch.device("cuda"))
for _ in range(3):
    before = faults()
    for _ in range(5):
        x = torch.ones(2**24)  # 64 MiB, 16384 pages
        y = x + 1
        del x, y
print(faults() - before)
"""


def page_faults(way: str) -> int:
    """In the last of three rounds, each of ten tensors of 16384 pages, in a process of its own."""
    return int(subprocess.run([sys.executable, "-c", PROGRAM, way], check=True, capture_output=True).stdout)


def test_kept_memory_is_not_asked_for_again():
    assert page_faults("default") > 10 * 16000
    assert page_faults("cuda") > 10 * 16000
    assert page_faults("kept") < 1000
