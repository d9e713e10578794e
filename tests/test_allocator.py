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


WORKER = """
import resource
import sys
from pathlib import Path

import torch
from hieramp_lit.allocator import keep_freed_memory
from hieramp_lit.data.loading import SampleKey, data_loader

MIB = 2**20

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // MIB

class Files:
    def __len__(self):
        return 3

    def __getitem__(self, keys):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        if keys[0].sample == 1:  # large blocks of many sizes
            blocks = [torch.ones(size * MIB, dtype=torch.uint8) for size in range(40, 60)]
            del blocks
        if keys[0].sample == 2:  # as of photographs
            for _ in range(20):
                torch.ones(8 * MIB, dtype=torch.uint8)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        return torch.tensor([resident(), faults])

def worker(*samples):
    order = [[SampleKey(0, sample)] for sample in samples]
    return [batch.tolist() for batch in data_loader(Files(), order, num_workers=1)]

assert keep_freed_memory(torch.device("cpu"))
(start, _), (large, _), _, (_, faults) = worker(0, 1, 2, 2)
before = resident()
torch.ones(512 * MIB, dtype=torch.uint8)
((inherited, _),) = worker(0)
print(resident() - before, inherited - start, large - start, faults)
"""


def test_worker_processes_give_back_what_they_free_and_what_they_inherited():
    run = subprocess.run([sys.executable, "-c", WORKER], check=True, capture_output=True)
    kept, inherited, large, faults = map(int, run.stdout.split())
    assert kept > 500  # MiB, of the parent
    assert inherited < 100
    assert large < 100  # of 990
    assert faults < 10_000  # of 20 × 2048, were every photograph's block asked for anew
