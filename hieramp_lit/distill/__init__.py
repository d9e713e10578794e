"""One trial from a schedule to accuracy: tune, generate, choose real images, train students, and remember it all."""

from hieramp_lit.distill.driver import run_trial, show_stages, trial_folder
from hieramp_lit.distill.planning import Stages, plan_stages
from hieramp_lit.distill.reading import TrialRefusedError, build_parser, read_command_line
from hieramp_lit.distill.summary import FILE as SUMMARY
from hieramp_lit.distill.trial import Trial, read_trial

__all__ = [
    "SUMMARY",
    "Stages",
    "Trial",
    "TrialRefusedError",
    "build_parser",
    "plan_stages",
    "read_command_line",
    "read_trial",
    "run_trial",
    "show_stages",
    "trial_folder",
]
