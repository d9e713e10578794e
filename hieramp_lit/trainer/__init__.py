"""What Lightning's Trainer lacks for long runs: whole checkpoints, sharded models, clean stops, explained accidents."""

from hieramp_lit.trainer.checkpoint_files import WholeCheckpointIO
from hieramp_lit.trainer.clean_stop import CleanStop
from hieramp_lit.trainer.finite_loss import FiniteLoss
from hieramp_lit.trainer.memory_advice import MemoryAdvice
from hieramp_lit.trainer.sharded import ShardedStrategy

__all__ = ["CleanStop", "FiniteLoss", "MemoryAdvice", "ShardedStrategy", "WholeCheckpointIO"]
