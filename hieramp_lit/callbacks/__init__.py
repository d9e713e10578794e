"""Side effects of a run: shards, progress, saved configurations."""

from hieramp_lit.callbacks.generation_progress import GenerationProgress
from hieramp_lit.callbacks.shard_writer import ShardWriter

__all__ = ["GenerationProgress", "ShardWriter"]
