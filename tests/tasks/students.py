"""Small fits of students for tests."""

from dataclasses import fields
from pathlib import Path

from lightning.pytorch import Trainer

from hieramp_lit.checkpoints import save
from hieramp_lit.data import DigitsDataModule, ShardDataModule
from hieramp_lit.students import Teacher, create_student
from hieramp_lit.students.protocols import Protocol
from hieramp_lit.students.views import Augmentation
from hieramp_lit.tasks import RelabelTraining

GENTLE = Augmentation(min_scale=0.5, flip=0.0)


def quiet_trainer(folder: Path, **options) -> Trainer:
    return Trainer(
        **{
            "accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False,
            "enable_model_summary": False, "enable_checkpointing": False, "num_sanity_val_steps": 0,
            "use_distributed_sampler": False, "default_root_dir": str(folder), **options,
        }
    )  # fmt: skip


def digits_data(folder: Path, **options) -> ShardDataModule:
    return ShardDataModule(str(folder), validation=DigitsDataModule(batch_size=450), **options)


def random_teacher(folder: Path) -> Teacher:
    """A teacher with random weights: near chance, but its labels are as good as any for exactness."""
    path = folder / "teacher.safetensors"
    save(path, create_student("convnet1_w4", 10, 32).state_dict())
    return Teacher("convnet1_w4", str(path))


def task(**options) -> RelabelTraining:
    """A small student; constants of its protocol are given beside the task's own arguments."""
    constants = {field.name: options.pop(field.name) for field in fields(Protocol) if field.name in options}
    constants = {"labels": "soft" if "teacher" in options else "hard", "augmentation": GENTLE, **constants}
    if options.get("teacher", ...) is None:
        constants["labels"] = "hard"
    return RelabelTraining(**{"student": "convnet2_w4", "image_size": 32, **options}, protocol=Protocol(**constants))
