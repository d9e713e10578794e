"""Trials for tests, and stages that need no seconds: a stand-in for `hieramp` that writes what a stage would."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hieramp_lit.distill import Stages, Trial, plan_stages, read_command_line, read_trial
from tests.configs.shipped import ROOT
from tests.report.test_results import result
from tests.shards.making import NoiseGenerator, make_set

STAND_IN = '''
"""Writes what a stage would write, and notes that it ran."""
import contextlib, json, os, shutil, signal, sys, time
from pathlib import Path

here, _, _, command, *arguments = sys.argv[1:]
here = Path(here)
took = {"host": "here", "cpu": "cpu (stand-in)", "gpus": [], "peak_memory_bytes": 1000 * len(command)}
Path(os.environ["HIERAMP_COST"], "report.json").write_text(json.dumps(took))
value = lambda flag: next(word.partition("=")[2] for word in arguments if word.startswith(f"--{flag}="))
with (here / "ran.txt").open("a") as file:
    of_wandb = sorted(name for name in os.environ if name.startswith("WANDB"))
    file.write(json.dumps([command, arguments, of_wandb]) + chr(10))
if (here / f"slow-{command}").exists():
    time.sleep(float((here / f"slow-{command}").read_text()))
if (here / "kill-wandb").exists():
    for stat in Path("/proc").glob("[0-9]*/stat"):  # this trial's own: children of its process
        with contextlib.suppress(OSError):  # one that ends meanwhile
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
            if name.startswith("wandb") and int(fields.split()[1]) == os.getppid():
                os.kill(int(stat.parent.name), signal.SIGKILL)
if (here / f"fail-{command}").exists():
    print("boom: out of luck")
    sys.exit(int((here / f"fail-{command}").read_text()))
if (here / f"signal-{command}").exists():
    number = int((here / f"signal-{command}").read_text())
    signal.signal(number, lambda *_: sys.exit(128 + number))
    os.kill(os.getppid(), number)
    time.sleep(20)
if command == "fit":
    Path(value("model.export")).parent.mkdir(parents=True, exist_ok=True)
    Path(value("model.export")).write_bytes(b"weights")
elif command == "predict":
    kind = "real" if any("real" in word for word in arguments) else "made"
    shutil.copytree(here / kind, value("model.output"), dirs_exist_ok=True)
elif command == "students":
    out = Path(value("out"))
    seeds = arguments[arguments.index("--seeds") + 1 :]
    seeds = [int(word) for word in seeds if not word.startswith("--")]
    (out / "config.yaml").parent.mkdir(parents=True, exist_ok=True)
    (out / "config.yaml").touch(exist_ok=False)
    for seed in seeds:
        folder = out / f"seed-{seed}"
        if folder.is_dir():
            continue
        folder.mkdir(parents=True)
        kind = "real" if "/real/" in value("data.path") else "made"
        (folder / "result.json").write_text((here / f"{kind}-{seed}.json").read_text())
        run = out / "runs" / f"version_{len(list(out.glob('runs/*')))}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(json.dumps({"model": {"init_args": {"seed": seed}}}))
        (run / "metrics.csv").write_text(f"epoch,step,val/top1{chr(10)}0,1,0.{seed}{chr(10)}1,2,0.5{chr(10)}")
elif command == "inspect":
    Path(value("output")).write_text(json.dumps({"schema": 1, "summary": {"kid@resnet18": 0.25, "vendi": None}}))
'''
BARE = ("--off=null", "--inspect=null", "--report=false")
"""Leaves out of the shipped trial what most tests do not ask about."""
PATCH_NUMS = [1, 2, 3, 4, 5, 6, 8]
BETA = [0.0, 2.0, 4.0, 0.0, 0.0, 0.0, 0.0]


class Amplified(NoiseGenerator):
    """Noise that says it was amplified on the first two scales of seven."""

    def identity(self) -> dict[str, Any]:
        schedule = {"beta": BETA, "rho": [0.5 if beta else 0.0 for beta in BETA]}
        weights = {"var": hashlib.sha256(b"weights").hexdigest()}  # the stand-in's
        return {
            **super().identity(),
            "weights": weights,
            "schedule": schedule,
            "tokens": {"patch_nums": PATCH_NUMS, "vocab_size": 128},
        }


def put_stand_in(folder: Path) -> Path:
    """What the stand-in copies; answers with the program to run instead of Python."""
    folder.mkdir()
    made, real = (
        make_set(folder / "made", Amplified(), images_per_class=1),
        make_set(folder / "real", images_per_class=1),
    )
    for seed in range(4):
        ours, random = result(0.6 + 0.1 * seed, 0.9, seed=seed), result(0.5, 0.6, seed=seed)
        (folder / f"made-{seed}.json").write_text(json.dumps(trained_on(made.manifest.hash, ours)))
        (folder / f"real-{seed}.json").write_text(json.dumps(trained_on(real.manifest.hash, random)))
    (folder / "stand_in.py").write_text(STAND_IN)
    program = folder / "python"
    python_itself = f'[ "$1" = -c ] && exec "{sys.executable}" "$@"\n'  # W&B asks it for its umask
    program.write_text(f'#!/bin/sh\n{python_itself}exec "{sys.executable}" "{folder}/stand_in.py" "{folder}" "$@"\n')
    program.chmod(0o755)
    return program


def trained_on(manifest_sha256: str, result: dict[str, Any]) -> dict[str, Any]:
    """A result of students of this set."""
    (run,) = result["per_seed"]
    return {
        **result,
        "set": {**result["set"], "manifest_sha256": [manifest_sha256]},
        "per_seed": [{**run, "manifest_sha256": manifest_sha256}],
    }


def ran(folder: Path) -> list[tuple[str, list[str], list[str]]]:
    """Commands that the stand-in was called with, and what it saw of W&B."""
    file = folder / "ran.txt"
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.is_file() else []


def write_trial(path: Path, values: Mapping[str, Any]) -> Path:
    """A trial's further ``--config``."""
    path.write_text(yaml.safe_dump(dict(values)) if path.suffix == ".yaml" else json.dumps(values))
    return path


def trial_of(*arguments: str) -> Trial:
    """The shipped trial on digits, `BARE`, with these arguments; run in a folder that has ``configs/``."""
    if not Path("configs").exists():
        Path("configs").symlink_to(ROOT / "configs")
    settings, rest = read_command_line(["--config", "configs/distill/digits.yaml", *BARE, *arguments])
    assert not rest
    return read_trial(settings)


def stages_of(*arguments: str) -> Stages:
    """Its stages."""
    return plan_stages(trial_of(*arguments))
