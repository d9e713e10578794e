"""What `hieramp doctor` looks at before hours are spent: one file a group of checks."""

from hieramp_lit.doctor.findings import Diagnosis, Finding, Status

__all__ = ["Diagnosis", "Finding", "Status"]
