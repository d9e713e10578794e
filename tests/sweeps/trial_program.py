"""Stands in for `hieramp distill`: reads its trial, takes a while, writes a summary, refuses or fails."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(prog="hieramp distill")
parser.add_argument("--config", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
options = parser.parse_args()
trial = json.loads(options.config.read_text())
options.out.mkdir(parents=True, exist_ok=True)
with (options.out / "starts").open("a") as starts:
    starts.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']} {os.environ['OMP_NUM_THREADS']}\n")
if trial.get("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if trial.get("child"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (options.out / "child").write_text(str(child.pid))
for path, text in trial.get("edit", {}).items():
    Path(path).write_text(text)
if "block" in trial:
    Path(trial["block"]).unlink(missing_ok=True)
    Path(trial["block"]).mkdir(exist_ok=True)
(options.out / "ready").touch()
time.sleep(trial.get("seconds", 0))
rho = trial["rho"]
if rho > 1:
    parser.error(f"amplification.rho={rho}: expected shares in [0, 1].")
if rho == 0:
    sys.stderr.write("a warning\n\nerror: stage tune failed\n(StageError)\n")
    sys.exit(1)
if rho < 0:
    os.kill(os.getpid(), signal.SIGKILL)
if "names" in trial:  # as `hieramp distill` names the configuration of a result
    (options.out / "result.json").write_text(json.dumps({"trial": {"hash": Path(trial["names"]).read_text()}}))
summary = options.out / "summary.json.new"
summary.write_text(json.dumps({"student/top1_last": rho / 2, "student/n": 3, "kind": "words"}))
summary.rename(options.out / "summary.json")  # whole or absent, as `hieramp distill` writes it
