"""Stages of a larger command: `hieramp` command lines, each in a process of its own, and not run twice."""

from hieramp_lit.stages.child import run_child
from hieramp_lit.stages.live import LiveStatus, last_progress
from hieramp_lit.stages.lock import alone
from hieramp_lit.stages.runner import StageRunner
from hieramp_lit.stages.stage import Stage, StageError

__all__ = ["LiveStatus", "Stage", "StageError", "StageRunner", "alone", "last_progress", "run_child"]
