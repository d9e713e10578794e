"""Processes and how they end: accidents, several processes of one run, SLURM jobs."""
