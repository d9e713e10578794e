"""RDED's loop, written anew in float64 from its description, against a fit under the protocol `rded`."""

import copy
import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from torch import nn

from hieramp_lit.seeds import stream
from hieramp_lit.students.protocols import PUBLISHED
from hieramp_lit.students.views import Augmentation, sample_crops
from hieramp_lit.tasks import RelabelTraining
from tests.data.digits_set import make_digits_set
from tests.tasks.students import digits_data, quiet_trainer, random_teacher

MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64)[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)[:, None, None]
EPOCHS, BATCH, SEED = 3, 10, 3  # two images of each of ten classes: two steps an epoch


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return random_teacher(tmp_path_factory.mktemp("teacher"))


def student_of(protocol, teacher, digits_set, folder, epochs=EPOCHS, batches=1.0):
    task = RelabelTraining("convnet2_w4", teacher, image_size=32, protocol=protocol, seed=SEED)
    quiet = {"precision": "64-true", "limit_val_batches": 0, "limit_train_batches": batches}
    quiet_trainer(folder, max_epochs=epochs, **quiet).fit(task, digits_data(digits_set))
    return task


def crop_flip_normalize(images, draws):
    """As torchvision's pipeline, image by image; boxes and flips are given, under RDED's and D³HR's numbers."""
    boxes = sample_crops(len(images), 32, 32, (0.08, 1.0), (3 / 4, 4 / 3), draws)
    flips = torch.rand(len(images), generator=draws, dtype=torch.float64) < 0.5
    views = []
    for k, image in enumerate(images):
        box = [int(field[k]) for field in boxes]
        view = TF.resized_crop(image.double() / 255, *box, [32, 32], antialias=True)
        views.append(((view.flip(-1) if flips[k] else view) - MEAN) / STD)
    return torch.stack(views)


def cutmix_in_place(images, draws):
    """One box for the whole batch, λ uniform; the images themselves are overwritten."""
    partner = torch.randperm(len(images), generator=draws)
    gamma = torch._standard_gamma(torch.ones(2, dtype=torch.float64), generator=draws)
    share = float(gamma[0] / (gamma[0] + gamma[1]))
    row, column = (int(torch.randint(32, (), generator=draws)) for _ in range(2))
    half = int(32 * math.sqrt(1 - share)) // 2
    top, bottom, left, right = max(row - half, 0), min(row + half, 32), max(column - half, 0), min(column + half, 32)
    images[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]


def published_loop(student, soft_labels, bank, twice):
    """Train in place: AdamW written out, half cosine, KL at T = 20, batch norm moved twice a step."""
    moments = {name: [torch.zeros_like(p), torch.zeros_like(p)] for name, p in student.named_parameters()}
    student.train()
    step = 0
    for epoch in range(EPOCHS):
        lr = 0.001 * 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS / 2))
        order = torch.randperm(len(bank), generator=stream("order", SEED, epoch))
        for batch in order.split(BATCH):
            draws = stream("augment", SEED, step, 0)
            images = crop_flip_normalize(bank.images[batch], draws)
            cutmix_in_place(images, draws)
            if twice:
                with torch.no_grad():
                    student(images)
            with torch.no_grad():
                target = F.softmax(soft_labels(images) / 20, dim=1)
            answer = F.log_softmax(student(images) / 20, dim=1)
            loss = (target * (target.log() - answer)).sum() / len(batch)
            student.zero_grad()
            loss.backward()
            step += 1
            with torch.no_grad():
                for name, p in student.named_parameters():
                    first, second = moments[name]
                    p *= 1 - lr * (0.01 if name.endswith("weight") and p.ndim > 1 else 0.0)
                    first += (1 - 0.9) * (p.grad - first)
                    second += (1 - 0.999) * (p.grad**2 - second)
                    root = (second / (1 - 0.999**step)).sqrt() + 1e-8
                    p -= lr * (first / (1 - 0.9**step)) / root
    return student.state_dict()


@pytest.fixture(scope="module")
def oracles(digits_set, teacher, tmp_path_factory):
    """What the published loop makes of the same initial weights, with the second pass for batch norm and without."""
    folder = tmp_path_factory.mktemp("start")
    fresh = student_of(PUBLISHED["rded"], teacher, digits_set, folder, batches=0)
    soft_labels = teacher.load(10, 32).network.double()
    bank = fresh.trainer.datamodule.bank
    return {
        twice: published_loop(copy.deepcopy(fresh.student).double(), soft_labels, bank, twice)
        for twice in (True, False)
    }


def largest_difference(task, oracle):
    ours = task.student.state_dict()
    assert list(ours) == list(oracle)
    return max(float((ours[name].double() - oracle[name].double()).abs().max()) for name in oracle)


TOLERANCE = 3e-7
"""Views are float32, all else is float64."""


@pytest.mark.parametrize("twice", [True, False])
def test_a_fit_is_the_published_loop_weights_and_batch_norm_statistics(twice, oracles, digits_set, teacher, tmp_path):
    protocol = dataclasses.replace(PUBLISHED["rded"], update_batch_norm_twice=twice)
    task = student_of(protocol, teacher, digits_set, tmp_path)
    assert largest_difference(task, oracles[twice]) < TOLERANCE
    steps = EPOCHS * 2
    norms = [module for module in task.student.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [steps * (2 if twice else 1)] * 2


CHANGES = [
    {"labels": "hard"},
    {"loss": "kl_t2", "temperature": 20.5},
    {"temperature": 19.0},
    {"mix": "mixup"},
    {"mix_alpha": 0.9},
    {"optimizer": "sgd"},
    {"lr": 0.00101},
    {"weight_decay": 0.02},
    {"decayed": "all"},
    {"betas": (0.91, 0.999)},
    {"betas": (0.9, 0.99)},
    {"schedule": "cosine"},
    {"schedule": "step"},
    {"batch_size_rule": "d3hr"},
    {"update_batch_norm_twice": False},
    {"augmentation": Augmentation(min_scale=0.09)},
    {"augmentation": Augmentation(max_scale=0.95)},
    {"augmentation": Augmentation(min_ratio=0.7)},
    {"augmentation": Augmentation(flip=0.7)},
    {"augmentation": Augmentation(shuffle_patches=2)},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_any_other_constant_trains_another_student(change, oracles, digits_set, teacher, tmp_path):
    """All that such crops read; antialias matters to larger images only, and is tested with them."""
    task = student_of(dataclasses.replace(PUBLISHED["rded"], **change), teacher, digits_set, tmp_path)
    assert largest_difference(task, oracles[True]) > 3 * TOLERANCE
