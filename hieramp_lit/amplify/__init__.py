"""Amplification, pure torch: schedule (stages to β and ρ per scale), saliency, rule (HIERAMP, Sec. 3.3-3.4)."""

from hieramp_lit.amplify.amplifier import Amplifier, Maps, no_schedule
from hieramp_lit.amplify.rules import emphasize
from hieramp_lit.amplify.saliency import class_token_saliency, salient_count, salient_positions
from hieramp_lit.amplify.schedule import Amplification, Schedule, StageValues

__all__ = [
    "Amplification",
    "Amplifier",
    "Maps",
    "Schedule",
    "StageValues",
    "class_token_saliency",
    "emphasize",
    "no_schedule",
    "salient_count",
    "salient_positions",
]
