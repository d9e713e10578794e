"""A distilled set as training data, judged on images of another data module."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from hieramp_lit.classes import ClassList
from hieramp_lit.data.bank.class_match import match_classes, relabel
from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.data.bank.loading import BankLoader
from hieramp_lit.data.bank.memory import BankMemory
from hieramp_lit.data.bank.reading import bank_shape, evaluation_batches, read_bank
from hieramp_lit.data.batches import ImageBatch
from hieramp_lit.shards import ShardSet
from hieramp_lit.shards.identity import identity_hash
from hieramp_lit.students.protocols import Protocol, Setting


class ShardDataModule(LightningDataModule):
    """Reads a whole shard set into a uint8 bank on the training device, and the validation images into another.

    Both banks stay for as long as the module: several fits, one after the other, decode nothing twice. Results do not
    depend on where the images lie.

    Args:
        path: Folder of the shard set.
        validation: Data module whose validation images judge the student during training and whose test images judge
            it in `hieramp test`. Its classes are matched with the set's by WordNet id, else by name.
        image_size: Side of the images in the bank, in pixels; others are resized once, with antialias. Null: as stored.
        batch_size: Images per step. Null: the protocol's rule, by images per class, for the task's own setting.
        max_device_gib: Most memory of the training device that the set may take, and the validation images likewise,
            in GiB. What takes more lies in host memory (pinned, where the device is a CUDA one). Null: half of what is
            free on the device.
        max_host_gib: Most host memory of each, in GiB, and never more than half of what the host has left. A set that
            takes more is an error; validation images that take more are loaded anew for every evaluation.
        seed: Of the order of the images. Null: the student's seed (`model.seed`).

    Raises:
        ValueError: If `batch_size` or `image_size` is below 1, or a limit of memory is negative.
    """

    def __init__(
        self,
        path: str,
        validation: LightningDataModule | None = None,
        image_size: int | None = None,
        batch_size: int | None = None,
        max_device_gib: float | None = None,
        max_host_gib: float = 16.0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("image_size", image_size)):
            if value is not None and value < 1:
                raise ValueError(f"data.{name}={value} must be at least 1, or null.")
        self.path = path
        self.validation = validation
        self.image_size = image_size
        self.batch_size = batch_size
        self.seed = seed
        self._memory = BankMemory(max_device_gib, max_host_gib)
        self._batch_size_given = batch_size is not None
        self._set: ShardSet | None = None
        self._bank: ImageBank | None = None
        self._validation_batches: Iterable[ImageBatch] | None = None
        self._loader: BankLoader | None = None
        self._place: dict[str, Any] | None = None

    @property
    def shards(self) -> ShardSet:
        """The set, opened when first asked for."""
        if self._set is None:
            self._set = ShardSet.open(Path(self.path))
        return self._set

    @property
    def classes(self) -> ClassList:
        """What students learn."""
        return self.shards.classes

    @property
    def bank(self) -> ImageBank:
        """The set's images, decoded when first asked for; on the training device if they fit there.

        Raises:
            ValueError: If they fit nowhere.
        """
        if self._bank is None:
            number, height, width = bank_shape(self.shards, self.image_size)
            where = self._memory.place(f"The set's {number} images", number * 3 * height * width, self._device)
            if where is None:
                raise ValueError(
                    f"data.max_host_gib={self._memory.host_gib}: the set {self.path} does not fit into "
                    f"{self._memory.host_limit().text}. Raise it if there is more memory, or lower data.image_size."
                )
            self._bank = read_bank(self.shards, self.image_size, where, self._memory.pinned(where, self._device))
            self.image_size = self._bank.images.shape[-1]
        return self._bank

    def prepare_data(self) -> None:
        """Let the validation data fetch what it needs, once a node."""
        if self.validation is not None:
            self.validation.prepare_data()

    def setup(self, stage: str) -> None:
        """Read the set for a fit; prepare the validation data."""
        if stage == "fit":
            _ = self.bank
        if self.validation is not None:
            self.validation.trainer = self.trainer
            self.validation.setup("validate" if stage == "fit" else stage)

    def train_dataloader(self) -> BankLoader:
        """Shuffled batches of the whole set, incomplete last one included."""
        module = self.trainer.lightning_module if self.trainer is not None else None
        seed = self.seed if self.seed is not None else int(getattr(module, "seed", 0))
        batch_size = self.batch_size if self._batch_size_given else None
        if batch_size is None:
            protocol, setting = getattr(module, "protocol", Protocol()), getattr(module, "setting", None)
            if setting is None:  # no student asks
                size = self.bank.images.shape[-1]
                setting = Setting.of(len(self.bank), len(self.classes), self.classes, size, student="")
            batch_size = protocol.batch_size(setting)
        self.batch_size = batch_size
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        self._loader = BankLoader(self.bank, batch_size, seed, rank, world_size, self._device)
        if self._place is not None:
            self._loader.load_state_dict(self._place)
        return self._loader

    def state_dict(self) -> dict[str, Any]:
        """The place of the training loader, for checkpoints."""
        return {} if self._loader is None else {"train_loader": self._loader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the place for the next training loader; Lightning asks for that one afterwards."""
        self._place = state_dict.get("train_loader")

    def teardown(self, stage: str) -> None:
        """Forget a resumed fit's place: the next fit of this module starts at its own beginning."""
        self._place = None

    def val_dataloader(self) -> Iterable[ImageBatch]:
        """Validation images with the set's labels, decoded once if they fit into memory."""
        if self._validation_batches is None:
            loader = self._judged(self._judges().val_dataloader())
            self._validation_batches = evaluation_batches(loader, self._memory, self._device)
        return self._validation_batches

    def test_dataloader(self) -> Iterable[ImageBatch]:
        """Test images with the set's labels."""
        return self._judged(self._judges().test_dataloader())

    def describe_set(self) -> dict[str, Any]:
        """What ``result.json`` says about the set: name, hashes (of all; of all but the seed), generator, IPC, seed.

        ``configuration`` is the generator's own identity: weights' SHA-256, schedule, sampling; neither seed nor paths.
        """
        manifest = self.shards.manifest
        return {
            "name": Path(self.path).resolve().name,
            "manifest_sha256": manifest.hash,
            "generator": manifest.generator,
            "configuration": dict(manifest.configuration),
            "configuration_sha256": identity_hash({k: v for k, v in manifest.identity.items() if k != "seed"}),
            "images_per_class": manifest.images_per_class,
            "classes": len(self.classes),
            "images": len(self.shards),
            "generate_seed": manifest.seed,
        }

    def _judges(self) -> LightningDataModule:
        if self.validation is None:
            raise ValueError(
                "data.validation is null: give the data module whose images judge the student, e.g. "
                "`validation: {class_path: DigitsDataModule}`."
            )
        return self.validation

    def _judged(self, loader: Iterable[ImageBatch]) -> Iterable[ImageBatch]:
        classes = getattr(self.validation, "classes", None)
        if not isinstance(classes, ClassList):
            raise ValueError(
                f"data.validation: {type(self.validation).__name__} has no class list, so its labels cannot be matched "
                "with the set's. Use one of our data modules."
            )
        return _Relabelled(loader, match_classes(self.classes, classes))

    @property
    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")


class _Relabelled:
    """A loader's batches with the set's labels.

    Args:
        loader: Batches with labels of their own class list.
        mapping: See `match_classes`.
    """

    def __init__(self, loader: Iterable[ImageBatch], mapping: Tensor) -> None:
        self.loader = loader
        self.mapping = mapping

    def __iter__(self) -> Iterator[ImageBatch]:
        for batch in self.loader:
            relabelled = relabel(batch, self.mapping)
            if len(relabelled.label):
                yield relabelled
