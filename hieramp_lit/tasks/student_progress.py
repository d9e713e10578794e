"""How far a student's training is, as its checkpoints keep it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hieramp_lit.metrics.accuracy import Accuracies, Evaluation


@dataclass
class StudentProgress:
    """Batches seen and evaluations made; counted here, since Lightning's counters differ between kinds of checkpoints.

    Attributes:
        batches: Training batches seen.
        evaluations: All so far, in order.
        evaluated_at: Batches that had been seen at the last evaluation.
    """

    batches: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    evaluated_at: int = 0

    def record(self, epoch: int, accuracies: Accuracies) -> None:
        """Add an evaluation, once for every place in training.

        Args:
            epoch: Counted from 1.
            accuracies: Of the student.
        """
        if not self.evaluations or self.evaluated_at != self.batches:
            self.evaluations.append(Evaluation(epoch, accuracies))
            self.evaluated_at = self.batches

    def missed_evaluation(self, per_epoch: float, every_batches: float | None, every_epochs: int | None) -> int | None:
        """Tell whether an evaluation is due at this place that has not been made.

        A checkpoint may be saved when the last batch of an epoch is done and its evaluation is not; a fit that is
        resumed from it goes on with the next epoch.

        Args:
            per_epoch: Training batches of an epoch; may be infinite.
            every_batches: Evaluations come after so many batches of an epoch; infinite is at its end, None is by time.
            every_epochs: Only in every such epoch; None counts `every_batches` across epochs.

        Returns:
            The epoch that it belongs to, counted from 1; None if there is none to make up for.
        """
        if self.batches == 0 or self.evaluated_at == self.batches or every_batches is None or per_epoch == float("inf"):
            return None
        before, batch = divmod(self.batches - 1, int(per_epoch))
        epoch, batch = before + 1, batch + 1
        step = per_epoch if every_batches == float("inf") else every_batches
        if every_epochs is None:
            return epoch if self.batches % step == 0 else None
        return epoch if epoch % every_epochs == 0 and batch % step == 0 else None

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        evaluations = [evaluation.to_json() for evaluation in self.evaluations]
        return {"batches": self.batches, "evaluations": evaluations, "evaluated_at": self.evaluated_at}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`; a checkpoint of another task has none, and training starts at its beginning."""
        self.batches = state.get("batches", 0)
        self.evaluations = [Evaluation.from_json(value) for value in state.get("evaluations", [])]
        self.evaluated_at = state.get("evaluated_at", self.batches)
