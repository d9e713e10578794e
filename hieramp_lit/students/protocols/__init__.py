"""Protocols: how students are trained and judged, with every constant named."""

from hieramp_lit.students.protocols.protocol import Protocol
from hieramp_lit.students.protocols.published import PUBLISHED, changes, resolved
from hieramp_lit.students.protocols.schedules import Schedule, schedule_factor
from hieramp_lit.students.protocols.setting import Setting

__all__ = ["PUBLISHED", "Protocol", "Schedule", "Setting", "changes", "resolved", "schedule_factor"]
