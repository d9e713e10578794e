"""Sweeps without a server: W&B's sweep files expanded to trials, run side by side, and collected."""

from hieramp_lit.sweeps.command import trial_command
from hieramp_lit.sweeps.distributions import Distribution, read_distribution
from hieramp_lit.sweeps.expansion import Trial, expand
from hieramp_lit.sweeps.process import Slot
from hieramp_lit.sweeps.results import CSV, JSON, Row, claim_sweep, collect, ranked
from hieramp_lit.sweeps.runner import Event, SweepRunner
from hieramp_lit.sweeps.slots import gpu_slots, worker_slots
from hieramp_lit.sweeps.sweep_file import Metric, SweepFile, SweepFileError, read_sweep_file
from hieramp_lit.sweeps.sweep_folder import SweepFolder
from hieramp_lit.sweeps.table import describe, results_table, short_names, trials_table
from hieramp_lit.sweeps.trial_folder import Outcome, TrialFolder

__all__ = [
    "CSV",
    "JSON",
    "Distribution",
    "Event",
    "Metric",
    "Outcome",
    "Row",
    "Slot",
    "SweepFile",
    "SweepFileError",
    "SweepFolder",
    "SweepRunner",
    "Trial",
    "TrialFolder",
    "claim_sweep",
    "collect",
    "describe",
    "expand",
    "gpu_slots",
    "ranked",
    "read_distribution",
    "read_sweep_file",
    "results_table",
    "short_names",
    "trial_command",
    "trials_table",
    "worker_slots",
]
