"""What our data modules of images and tokens share: loaders that shard over ranks and resume in mid-epoch."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic

from lightning.pytorch import LightningDataModule

from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.data.loading import Batch, EvaluationLoader, PlacedLoader, Samples, TrainLoader, check_batch_size


class SampledDataModule(LightningDataModule, ABC, Generic[Batch]):
    """Labelled samples for training, validation and test.

    Run it with ``use_distributed_sampler=False`` (the default of the `hieramp` command).

    Args:
        batch_size: Samples per batch and device.
        num_workers: Processes that load ahead, per device; 0 loads in the main process. Batches do not depend on it.
        seed: Decides the order of the training samples.

    Raises:
        ValueError: If `batch_size` is below 1 or `num_workers` below 0.
    """

    tested: ClassVar[str] = "test images"
    """What `test_samples` gives."""

    def __init__(self, batch_size: int = 64, num_workers: int = 0, seed: int = 0) -> None:
        super().__init__()
        check_batch_size(batch_size, num_workers)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self._train_loader: PlacedLoader[Batch] | None = None
        self._place: dict[str, Any] | None = None

    @abstractmethod
    def train_samples(self) -> Samples[Batch]:
        """Training samples, augmented."""

    @abstractmethod
    def val_samples(self) -> Samples[Batch]:
        """Validation samples, as they are."""

    @abstractmethod
    def test_samples(self) -> Samples[Batch]:
        """Test samples, as they are."""

    def training_loader(self, rank: int, world_size: int, accumulation: int) -> PlacedLoader[Batch]:
        """The training batches of one process, from the beginning.

        Args:
            rank: The process.
            world_size: Number of processes.
            accumulation: Batches of each rank for one optimizer step.
        """
        place = rank, world_size, self.num_workers, accumulation
        return TrainLoader(self.train_samples(), self.batch_size, self.seed, *place)

    def train_dataloader(self) -> PlacedLoader[Batch]:
        """Shuffled batches of the training samples, from the place in a checkpoint that is being resumed."""
        accumulation = self.trainer.accumulate_grad_batches if self.trainer is not None else 1
        loader = self.training_loader(self._rank, self._world_size, accumulation)
        if self._place is not None:
            loader.load_state_dict(self._place)
        self._train_loader = loader
        return loader

    def val_dataloader(self) -> EvaluationLoader[Batch]:
        """Every validation sample once."""
        return self._evaluation(self.val_samples())

    def test_dataloader(self) -> EvaluationLoader[Batch]:
        """Every test sample once."""
        return self._evaluation(self.test_samples())

    def state_dict(self) -> dict[str, Any]:
        """The place of the training loader, for checkpoints."""
        return {"train_loader": self._train_loader.state_dict()} if self._train_loader is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the place for the next training loader; Lightning asks for that one afterwards."""
        self._place = state_dict.get("train_loader")
        if self._place is not None and self._train_loader is not None:  # restored late, as sharded models are
            self._train_loader.load_state_dict(self._place)

    def take_over_place(self, checkpoint: dict[str, Any]) -> None:
        """Go on where another data module was: images from tokens, or tokens from images, of the same crops and seed.

        Lightning files a data module's state under the name of its class, and would start the epoch anew in silence.
        The loader that gets the place refuses one among other crops.

        Args:
            checkpoint: Being loaded; the other's place is entered under this one's name, unless it has a place of ours.
        """
        places = [value for value in checkpoint.values() if isinstance(value, dict) and "train_loader" in value]
        if places:
            checkpoint.setdefault(type(self).__qualname__, places[0])

    def _evaluation(self, samples: Samples[Batch]) -> EvaluationLoader[Batch]:
        return EvaluationLoader(samples, self.batch_size, self._rank, self._world_size, self.num_workers)

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer is not None else 0

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer is not None else 1


class ImageDataModule(SampledDataModule[ImageBatch]):
    """Labelled images for training, validation and test; `seed` also decides their augmentation."""
