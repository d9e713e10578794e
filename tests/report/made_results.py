"""Results by hand, in the form that the commands write."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from hieramp_lit.amplify import Amplification
from hieramp_lit.classes import load_classes
from hieramp_lit.report.collecting import collect
from hieramp_lit.report.paper_table import Line, PaperTable, lay_out
from hieramp_lit.report.results import SCHEMA, summarize
from hieramp_lit.var import Scales

TEN_SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
_JUDGES = {"digits": "DigitsDataModule", "cifar10": "CIFARDataModule"}
SAMPLING = {"cfg": 4.0, "top_k": 900, "top_p": 0.95}


def configuration(
    amplification: Amplification | None, patch_nums=TEN_SCALES, weights="w", **sampling
) -> dict[str, Any]:
    """What VAR's sets record of themselves, the schedule resolved by the package itself."""
    schedule = None
    if amplification is not None:
        schedule = amplification.schedule(Scales(patch_nums), 16, range(1, len(patch_nums))).to_json()
    return {
        "weights": weights,
        "sampling": SAMPLING | sampling,
        "schedule": schedule,
        "tokens": {"patch_nums": list(patch_nums), "vocab_size": 4096},
    }


@cache
def _class_list(classes: str) -> list[dict[str, Any]]:
    return load_classes(classes).to_json()


def result(
    best: list[float],
    last: list[float] | None = None,
    *,
    classes: str = "imagenet",
    ipc: int = 10,
    generator: str = "hieramp",
    made_by: dict[str, Any] | None = None,
    teacher: str | None = "resnet18",
    student: str = "resnet18",
    changed: dict[str, Any] | None = None,
    protocol: str = "rded",
    constants: dict[str, Any] | None = None,
    judges: tuple[str, int] | None = None,
    draws: list[int] | None = None,
) -> dict[str, Any]:
    """A cell over student seeds 0, 1, …: accuracies are shares; `judges` are the validation's name and n."""
    last = last or best
    draws = draws or [0] * len(best)
    made_by = configuration(Amplification()) if made_by is None and generator == "hieramp" else made_by
    class_list = [dict(entry) for entry in _class_list(classes)]
    name, judging = judges or (_JUDGES.get(classes, "v"), 8)
    per_seed = [
        {
            "student_seed": seed if len(set(draws)) == 1 else 0,
            "generate_seed": draw,
            "manifest_sha256": f"manifest {draw}",
            "best": {"top1": top, "top5": 1.0, "epoch": 8},
            "last": {"top1": end, "top5": 1.0, "epoch": 10},
        }
        for seed, (top, end, draw) in enumerate(zip(best, last, draws, strict=True))
    ]
    return {
        "schema": SCHEMA,
        "protocol": {"name": protocol, "version": "1.0", "constants": constants or {}, "changed": changed},
        "set": {
            "name": "the set",
            "generator": generator,
            "configuration": made_by,
            "configuration_sha256": json.dumps([generator, made_by, classes, ipc]),
            "images_per_class": ipc,
            "classes": len(class_list),
            "class_list": class_list,
        },
        "teacher": None if teacher is None else {"architecture": teacher, "sha256": f"of {teacher}"},
        "student": {"architecture": student},
        "per_seed": per_seed,
        "summary": summarize(per_seed),
        "validation": {"name": name, "n": judging, "sha256": "v"},
    }


def trial(cell: dict[str, Any] | None, **values: Any) -> dict[str, Any]:
    """A trial's file around a cell."""
    return {
        "schema": SCHEMA,
        **(cell or {}),
        "trial": {"values": {}, "stages": {}, "real": None, "inspect": None} | values,
    }


def inspection(
    fid: float, generator: str, made_by: dict[str, Any], ipc: int = 10, classes: str = "imagenet"
) -> dict[str, Any]:
    """What `hieramp inspect` writes, as far as tables read it."""
    entries = _class_list(classes)
    return {
        "schema": 1,
        "set": {
            "name": "the set", "generator": generator, "configuration": made_by, "generate_seed": 3,
            "images_per_class": ipc, "classes": len(entries), "manifest_sha256": f"{generator} {ipc} {fid}",
        },
        "reference": {"kind": "real images", "images": 50000},
        "per_class": [dict(entry) for entry in entries],
        "summary": {"fid@inception": fid, "vendi@inception": 2.0},
    }  # fmt: skip


def bench(depth: int = 16, **rows: tuple[float, float | None]) -> dict[str, Any]:
    """What `hieramp bench generate --out` writes: seconds a batch of two, and bytes, by row."""
    names = {"plain": "plain VAR", "tokens": "+ class tokens", "amplified": "+ amplification"}
    return {
        "bench": "generate",
        "settings": {"depth": depth, "precision": "fp32"},
        "machine": {"device": "H100"},
        "groups": [
            {
                "title": "batch 1",
                "rows": [
                    {"name": names[name], "work": 2, "median_s": seconds, "spread_s": 0.01, "peak_bytes": peak,
                     "seconds": [seconds] * 5}
                    for name, (seconds, peak) in rows.items()
                ],
            }
        ],
    }  # fmt: skip


def write(content: Any, name: str = "result.json") -> Path:
    """Write a file below the test's folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def tables(*contents: Any, table: str | None = None) -> dict[str, PaperTable]:
    """The tables of results that lie in ``0/result.json``, ``1/result.json`` …"""
    paths = [write(content, f"{number}/result.json") for number, content in enumerate(contents)]
    return {found.table: found for found in lay_out(collect(paths).measured, table)}


def ours(found: PaperTable) -> list[Line]:
    """Its rows that hold something measured."""
    return [line for line in found.lines if line.ours is not None]
