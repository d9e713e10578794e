"""One W&B run for a trial of several processes, and where W&B's key is looked for."""

from hieramp_lit.tracking.configuration import Mode, Tracking
from hieramp_lit.tracking.key import has_key
from hieramp_lit.tracking.trial_run import TrialRun

__all__ = ["Mode", "Tracking", "TrialRun", "has_key"]
