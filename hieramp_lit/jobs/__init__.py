"""Processes, what they take and how they end: accidents, several processes of one run, SLURM jobs."""

from hieramp_lit.jobs.accidents import (
    NonFiniteError,
    RunStoppedError,
    is_lost_peer,
    is_out_of_memory,
    signal_name,
)
from hieramp_lit.jobs.cost import COST_VARIABLE, Cost, read_cost, report_cost
from hieramp_lit.jobs.processes import available_cores, end_with_parent
from hieramp_lit.jobs.slurm import job_id, requeue
from hieramp_lit.jobs.threads import in_order

__all__ = [
    "COST_VARIABLE",
    "Cost",
    "NonFiniteError",
    "RunStoppedError",
    "available_cores",
    "end_with_parent",
    "in_order",
    "is_lost_peer",
    "is_out_of_memory",
    "job_id",
    "read_cost",
    "report_cost",
    "requeue",
    "signal_name",
]
