"""A plan of the size of ImageNet-21K, simulated: sidecars and tar files of the right size, without images."""

import json
import resource
import time
from pathlib import Path

from PIL import Image

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data.plan import RemainingShards, ShardPlan
from hieramp_lit.files import format_json, write_json, write_text
from hieramp_lit.shards import Manifest, ShardRecord, ShardSet
from hieramp_lit.shards.folder import claim_folder, complete_shards, release_claim
from hieramp_lit.shards.format import (
    CARD,
    CLAIM,
    CLASSES,
    CONTACT_SHEET,
    TIMM_INFO,
    sample_key,
    shard_name,
    sidecar_name,
)
from hieramp_lit.shards.identity import identity_hash, set_identity
from hieramp_lit.shards.index import index_content
from hieramp_lit.shards.manifest import package_versions
from hieramp_lit.shards.verify import find_faults

CLASSES_OF_21K = 10_450
"""ImageNet-21K-P, winter 2021: the classes with 500 images and more."""
IMAGE_BYTES = 90_000
RANKS = 64


class Clock:
    """Seconds of each step, and how far memory grew beyond what was taken at the start."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._before = self._peak()
        self._last = time.perf_counter()

    def lap(self, step: str | None) -> None:
        now = time.perf_counter()
        if step is not None:
            self.seconds[step] = round(now - self._last, 2)
        self._last = time.perf_counter()

    @property
    def mebibytes(self) -> float:
        return round((self._peak() - self._before) / 1024, 1)

    @staticmethod
    def _peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def simulate(root: str, images_per_class: int, shard_size: int, report: str) -> None:
    """Plan, resume, finish, open and verify; write what it took as JSON to `report`."""
    folder, clock = Path(root), Clock()
    classes = ClassList(
        tuple(ClassEntry(cls, cls, f"n{cls:08d}", f"class number {cls}", None) for cls in range(CLASSES_OF_21K))
    )
    identity = set_identity(
        generator="hieramp",
        configuration={"weights": {"var": "0" * 64}, "schedule": {"beta": [5.0] * 10}, "sampling": {"cfg": 4.0}},
        classes=classes,
        images_per_class=images_per_class,
        shard_size=shard_size,
        seed=0,
        save_size=224,
    )
    plan = ShardPlan(tuple(classes.rows), images_per_class, shard_size)
    work = [RemainingShards(plan, 64, (), rank, RANKS) for rank in range(RANKS)]
    assert sum(part.num_images for part in work) == len(plan) == CLASSES_OF_21K * images_per_class
    clock.lap("plan")

    _write_shards(folder, plan, range(0, plan.num_shards, 2), identity_hash(identity))
    write_json(folder / CLAIM, identity)
    clock.lap(None)
    done = [record.shard for record in claim_folder(folder, identity, plan.num_shards)]
    work = [RemainingShards(plan, 64, done, rank, RANKS) for rank in range(RANKS)]
    clock.lap("resume")
    assert done == list(range(0, plan.num_shards, 2))
    assert sum(len(part.shards) for part in work) == plan.num_shards // 2

    _write_shards(folder, plan, range(1, plan.num_shards, 2), identity_hash(identity))
    clock.lap(None)
    manifest = Manifest(identity, tuple(complete_shards(folder, plan.num_shards, identity)), package_versions())
    shard_set = ShardSet(folder, manifest, classes)
    for name in (CLASSES, TIMM_INFO, CARD):
        write_text(folder / name, index_content(shard_set, name).decode())
    Image.new("RGB", (8, 8)).save(folder / CONTACT_SHEET)
    manifest.write(folder)
    release_claim(folder)
    clock.lap("finish")
    assert len(ShardSet.open(folder)) == len(plan)
    clock.lap("open")
    faults = list(find_faults(folder, contents=False))
    clock.lap("verify --quick")
    assert not faults, faults[:3]
    sizes = {name: (folder / name).stat().st_size for name in ("manifest.json", CLASSES, TIMM_INFO)}
    result = {"shards": plan.num_shards, "seconds": clock.seconds, "MiB": clock.mebibytes, "bytes": sizes}
    Path(report).write_text(json.dumps(result))


def _write_shards(folder: Path, plan: ShardPlan, shards: range, digest: str) -> None:
    for shard in shards:
        positions = plan.positions(shard)
        keys = [sample_key(*plan.locate(position)[1:]) for position in (positions[0], positions[-1])]
        size = IMAGE_BYTES * len(positions)
        record = ShardRecord(shard, len(positions), size, "ab" * 32, keys[0], keys[1], digest)
        (folder / sidecar_name(shard)).write_text(format_json(record.to_json()))
        with (folder / shard_name(shard)).open("wb") as file:
            file.truncate(size)  # a hole: it takes no room on the disk
