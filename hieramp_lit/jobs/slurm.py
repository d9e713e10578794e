"""SLURM jobs: which one this is, and how it is put back into the queue."""

import os
import re
import subprocess

_JOB = re.compile(r"\d+(_\d+)?")


def job_id() -> str | None:
    """The job that this process belongs to, in an array with its task; None outside of SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
    return job if _JOB.fullmatch(job) else None


def requeue(checkpoint: str | None = None) -> str:
    """Ask SLURM to run this job again, by ``scontrol requeue``.

    Args:
        checkpoint: What a fit has saved; another job has to be told of it.

    Returns:
        A sentence that says what came of it; empty outside of SLURM.
    """
    job = job_id()
    if job is None:
        return ""
    again = f"Submit it again with --ckpt_path {checkpoint}." if checkpoint else "Submit it again."
    try:
        asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Job {job} is not requeued: scontrol cannot be run ({error}). {again}"
    if asked.returncode:
        return f"Job {job} is not requeued: scontrol says {asked.stderr.strip()!r}. {again}"
    return f"Job {job} is requeued."
