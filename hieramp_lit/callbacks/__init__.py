"""Side effects of a run: shards, progress, saved configurations."""

from hieramp_lit.callbacks.batch_progress import BatchProgress
from hieramp_lit.callbacks.generation_progress import GenerationProgress
from hieramp_lit.callbacks.reconstructions import Reconstructions
from hieramp_lit.callbacks.run_config import RunConfigCallback
from hieramp_lit.callbacks.run_logger import RunLogger
from hieramp_lit.callbacks.shard_writer import ShardWriter
from hieramp_lit.callbacks.student_results import StudentResults
from hieramp_lit.callbacks.token_writer import TokenWriter
from hieramp_lit.callbacks.training_progress import TrainingProgress
from hieramp_lit.callbacks.tuning_samples import TuningSamples

__all__ = [
    "BatchProgress",
    "GenerationProgress",
    "Reconstructions",
    "RunConfigCallback",
    "RunLogger",
    "ShardWriter",
    "StudentResults",
    "TokenWriter",
    "TrainingProgress",
    "TuningSamples",
]
