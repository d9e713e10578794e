"""Stages of a larger command: `hieramp` command lines, each in a process of its own, and not run twice."""

from hieramp_lit.stages.child import run_child
from hieramp_lit.stages.runner import RunningStage, StageRunner
from hieramp_lit.stages.stage import Stage, StageError

__all__ = ["RunningStage", "Stage", "StageError", "StageRunner", "run_child"]
