"""Sets, trials and sweeps by hand, in the form that the commands write."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hieramp_lit.generate import Generated, Generator
from hieramp_lit.report.results import summarize
from hieramp_lit.seeds import stream
from hieramp_lit.shards import ShardSet
from tests.report.made_results import result
from tests.shards.making import make_set

SIDES, CODES = (1, 2, 2, 3), 8  # no stage, coarse, mid, fine
LENGTH = sum(side * side for side in SIDES)
OFF = None
COARSE = {"beta": [0.0, 5.0, 0.0, 0.0], "rho": [0.0, 0.5, 0.0, 0.0]}


class Scheduled(Generator):
    """Grey images; tokens of a class and index, the coarse ones another code each where the schedule amplifies them."""

    def __init__(self, schedule: Mapping[str, Any] | None, shift: int = 1, maps: bool = True) -> None:
        self._schedule = schedule
        self._shift = shift
        self._maps = maps

    @property
    def name(self) -> str:
        return "hieramp"

    def identity(self) -> dict[str, Any]:
        schedule = None
        if self._schedule is not None:
            schedule = {**self._schedule, "rule": "logit_bias", "blocks": [0], "saliency": "own", "rounding": "round"}
        return {
            "weights": {"var": "a" * 64, "vqvae": "b" * 64},
            "sampling": {"cfg": 4.0, "top_k": 900, "top_p": 0.95},
            "schedule": schedule,
            "tokens": {"patch_nums": list(SIDES), "vocab_size": CODES},
        }

    def generate(self, labels_B: Tensor, indices_B: Tensor, seed: int, record_saliency: bool = False) -> Generated:
        tokens = []
        for row, index in zip(labels_B.tolist(), indices_B.tolist(), strict=True):
            own = torch.randint(0, CODES, (LENGTH,), generator=stream("made", seed, row, index))
            if self._schedule is not None and self._shift:
                own[1:5] = own[1]  # one code in the coarse scale: its entropy falls, or stays where it was 0
            tokens.append(own)
        B = len(tokens)
        images = (16 * labels_B[:, None, None, None].expand(B, 8, 8, 3)).to(torch.uint8)
        maps = {(0, k): torch.ones(2 * B, side**2) / side**2 for k, side in enumerate(SIDES)}
        return Generated(images=images, tokens=torch.stack(tokens), saliency=maps if record_saliency else None)


def made_set(folder: Path, schedule: Mapping[str, Any] | None = COARSE, **options: Any) -> ShardSet:
    """Two images of each of ten classes, with maps unless told otherwise."""
    options = {"save_saliency": True, **options}
    return make_set(folder, Scheduled(schedule), **options)


def cell(
    shards: ShardSet, last: Sequence[float], per_class: Sequence[Sequence[float | None]] | None = None, **options: Any
) -> dict[str, Any]:
    """Students' result on a set."""
    manifest = shards.manifest
    made = result(
        list(last), classes="digits", ipc=manifest.images_per_class, generator=manifest.generator,
        made_by=dict(manifest.configuration), changed={}, student="convnet3_w2", teacher="convnet3_w2", **options,
    )  # fmt: skip
    for run, values in zip(made["per_seed"], per_class or [None] * len(last), strict=True):
        run["manifest_sha256"] = manifest.hash
        if values is not None:
            run["last"]["per_class"] = list(values)
    made["set"] |= {"manifest_sha256": [manifest.hash], "generate_seeds": [manifest.seed], "images": len(shards)}
    made |= {"student_seeds": [run["student_seed"] for run in made["per_seed"]], "seconds": 6.0, "device": "cpu (x)"}
    made["precision"] = "32-true"
    made["summary"] = summarize(made["per_seed"])
    return made


def write(path: Path, content: Any) -> Path:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_metrics(folder: Path, seed: int, curve: Mapping[int, float], version: int = 0) -> Path:
    """A run's ``metrics.csv`` (epoch from 0 → share) and the ``config.yaml`` that tells its seed."""
    run = folder / "runs" / f"version_{version}"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(f"model:\n  init_args:\n    seed: {seed}\ndata:\n  init_args:\n    path: sets/x\n")
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "train/loss", "val/top1"])
        for epoch, value in curve.items():
            writer.writerow([epoch, epoch, 0.5, ""])
            writer.writerow([epoch, epoch, "", value])
    return run / "metrics.csv"


def stage(folder: str, name: str, seconds: float = 10.0, digest: str | None = None, **cost: Any) -> dict[str, Any]:
    """A stage in a trial's result."""
    return {
        "folder": folder, "hash": digest or f"{name} of {folder}", "seconds": seconds, "version": "0.1.0",
        "command": f"hieramp {name} --out {folder}", "cost": cost or None,
    }  # fmt: skip


def trial(
    store: Path, made: ShardSet, last: Sequence[float], others: Mapping[str, Any] | None = None, **of_trial: Any
) -> dict[str, Any]:
    """A trial's ``result.json`` around a set; paths as they were typed in the folder above the store.

    Args:
        store: Where its set lies.
        made: The set.
        last: Top-1 of each student.
        others: Further stages.
        of_trial: More of the section ``trial``.
    """
    named = str(made.path.relative_to(store.parent))
    manifest = made.manifest
    return {
        **cell(made, last),
        "trial": {
            "name": "made", "hash": "c" * 64, "values": {"students.seeds": [0, 1], "wandb": None}, "real": None,
            "inspect": None, "summary": {},
            "set": {"generator": manifest.generator, "configuration": dict(manifest.configuration)},
            "stages": {"generate": stage(named, "predict"), **(others or {})},
            **of_trial,
        },
    }  # fmt: skip


def swept(
    id: str, parameters: Mapping[str, Any], summary: Mapping[str, float] | None, status: str = "done", reason: str = ""
) -> dict[str, Any]:
    """A trial as ``sweep.json`` lists it."""
    return {"id": id, "status": status, "reason": reason, "seconds": 7.0, "parameters": parameters, "summary": summary}


def numbers_of(stages: Sequence[str], beta: float, rho: float, top1: float, **more: float) -> dict[str, float]:
    """A trial's summary: one scale a stage, `stages` amplified."""
    found = {"student/top1_last": top1, "student/top1_last_std_sample": 0.01, "student/n": 3.0}
    for scale, name in enumerate(("coarse", "mid", "fine"), 1):
        on = name in stages
        found |= {f"beta/{name}": beta * on, f"rho/{name}": rho * on}
        found |= {f"beta/{scale:02d}": beta * on, f"rho/{scale:02d}": rho * on}
    return found | {"beta/00": 0.0, "rho/00": 0.0} | more


def sweep(trials: Sequence[Mapping[str, Any]], goal: str = "maximize", metric: str | None = "student/top1_last") -> Any:
    """A ``sweep.json``."""
    judged = None if metric is None else {"name": metric, "goal": goal}
    return {"schema": 1, "sweep": "made", "metric": judged, "common": {"command": ["hieramp"]}, "trials": list(trials)}


SCHEDULE = "generate.model.amplification"


def of_schedule(id: str, stages: Sequence[str], beta: float, rho: float, top1: float, **more: float) -> dict[str, Any]:
    """A done trial of a sweep over schedules; no stages are off."""
    chosen = {"beta": beta, "rho": rho, "stages": list(stages)} if stages else None
    return swept(id, {SCHEDULE: chosen}, numbers_of(stages, beta, rho, top1, **more))
