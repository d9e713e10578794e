"""What `hieramp bench` measures: candidates side by side in one process, and a plain reference of generation."""

from hieramp_lit.bench.measure import Candidate, Timing, time_candidates
from hieramp_lit.bench.reference import PlainGenerator
from hieramp_lit.bench.report import Group, Report

__all__ = ["Candidate", "Group", "PlainGenerator", "Report", "Timing", "time_candidates"]
