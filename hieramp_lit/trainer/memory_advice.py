"""Says which setting to turn where a run has too little memory."""

from lightning.pytorch import Callback, LightningModule, Trainer

from hieramp_lit.jobs import is_out_of_memory


class MemoryAdvice(Callback):
    """Adds to an out-of-memory error what the task knows to take less; tasks list it as `memory_knobs`."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Add a note to the exception."""
        knobs = getattr(pl_module, "memory_knobs", ())
        if not is_out_of_memory(exception) or not knobs:
            return
        where = "" if trainer.world_size == 1 else f" on rank {trainer.global_rank}"
        listed = "\n".join(f"  - {knob}" for knob in knobs)
        exception.add_note(f"Too little memory{where}, in {type(pl_module).__name__}. What takes less:\n{listed}")
