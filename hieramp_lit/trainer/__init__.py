"""What Lightning's Trainer lacks for long runs: whole checkpoints, sharded models, clean stops, explained accidents."""

from hieramp_lit.trainer.sharded import ShardedStrategy

__all__ = ["ShardedStrategy"]
