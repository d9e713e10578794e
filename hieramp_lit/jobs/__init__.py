"""Processes and how they end: accidents, several processes of one run, SLURM jobs."""

from hieramp_lit.jobs.accidents import (
    NonFiniteError,
    RunStoppedError,
    is_lost_peer,
    is_out_of_memory,
    signal_name,
)
from hieramp_lit.jobs.processes import available_cores, end_with_parent
from hieramp_lit.jobs.slurm import job_id, requeue

__all__ = [
    "NonFiniteError",
    "RunStoppedError",
    "available_cores",
    "end_with_parent",
    "is_lost_peer",
    "is_out_of_memory",
    "job_id",
    "requeue",
    "signal_name",
]
