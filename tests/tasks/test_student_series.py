import copy

import pytest
import torch
import wandb
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from hieramp_lit.data import DigitsDataModule
from hieramp_lit.data.bank import shard_data as module
from hieramp_lit.report import results
from hieramp_lit.students import Teacher
from hieramp_lit.tasks.student_series import StudentRun, fit_in_turn
from tests.data.digits_set import make_digits_set
from tests.tasks.students import digits_data, quiet_trainer, random_teacher, task

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


def run(folder, seed, **options):
    ours = task(seed=seed, output=str(folder / f"{seed}" / results.FILE), **options)
    return StudentRun(ours, quiet_trainer(folder, max_epochs=2))


def timeless(result):
    return {key: value for key, value in copy.deepcopy(result).items() if key != "seconds"}


def test_students_in_turn_are_those_of_fits_by_themselves(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)
    together = [run(tmp_path / "together", seed, teacher=teacher) for seed in SEEDS]
    of_all = list(fit_in_turn(together, digits_data(digits_set, batch_size=7)))
    for (ours, *_), seed, result in zip(together, SEEDS, of_all, strict=True):
        alone = run(tmp_path / "alone", seed, teacher=teacher)
        alone.trainer.fit(alone.task, digits_data(digits_set, batch_size=7))
        for name, tensor in alone.task.student.state_dict().items():
            assert torch.equal(tensor, ours.student.state_dict()[name]), name
        assert timeless(results.read(tmp_path / "alone" / str(seed))) == timeless(result)
        assert results.read(tmp_path / "together" / str(seed)) == result
    assert results.aggregate(of_all)["student_seeds"] == [0, 1, 2]


class CountedDigits(DigitsDataModule):
    """Counts how often it is asked for its validation images."""

    asked = 0

    def val_samples(self):
        self.asked += 1
        return super().val_samples()


class CountedTeacher(Teacher):
    """Counts how often it is loaded."""

    loaded: list[int] = []  # noqa: RUF012  # a frozen dataclass

    def load(self, *args, **kwargs):
        self.loaded.append(1)
        return super().load(*args, **kwargs)


def test_images_are_decoded_and_the_teacher_is_loaded_and_measured_once(digits_set, tmp_path, monkeypatch):
    decoded = []

    def read_bank(*args):
        decoded.append(args)
        return original(*args)

    original = module.read_bank
    monkeypatch.setattr(module, "read_bank", read_bank)
    plain = random_teacher(tmp_path)
    teacher = CountedTeacher(plain.architecture, plain.checkpoint)
    measured = []
    runs = [run(tmp_path, seed, teacher=teacher) for seed in SEEDS]
    for ours, *_ in runs:
        measure = ours.measure
        monkeypatch.setattr(ours, "measure", lambda *args, measure=measure: measured.append(args) or measure(*args))
    data = digits_data(digits_set)
    data.validation = CountedDigits(batch_size=450)
    list(fit_in_turn(runs, data))
    assert (len(decoded), data.validation.asked, len(teacher.loaded), len(measured)) == (1, 1, 1, 1)


def test_each_student_has_a_tracked_run_of_its_own(digits_set, tmp_path):
    tracked = []

    class Remember(Callback):
        def on_train_start(self, trainer, pl_module):
            tracked.append((trainer.logger.experiment.id, pl_module.seed))

    def runs():
        for seed in (0, 1):
            logger = WandbLogger(save_dir=tmp_path, project="hieramp", offline=True)
            trainer = quiet_trainer(tmp_path, max_epochs=1, logger=logger, callbacks=[Remember()], log_every_n_steps=1)
            yield StudentRun(task(seed=seed, output=str(tmp_path / f"{seed}.json")), trainer)

    list(fit_in_turn(runs(), digits_data(digits_set)))
    assert [seed for _, seed in tracked] == [0, 1]
    assert len({identity for identity, _ in tracked}) == 2
    assert wandb.run is None


def test_another_teacher_is_refused(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)
    other = Teacher(teacher.architecture, teacher.checkpoint, mean=(0.5, 0.5, 0.5))
    for second in (other, None):
        runs = [run(tmp_path, 0, teacher=teacher), run(tmp_path, 1, teacher=second)]
        with pytest.raises(ValueError, match=r"model\.teacher"):
            list(fit_in_turn(runs, digits_data(digits_set)))


def test_other_statistics_for_the_same_teacher_are_refused(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)
    runs = [run(tmp_path, 0, teacher=teacher), run(tmp_path, 1, teacher=teacher, mean=(0.5, 0.5, 0.5))]
    with pytest.raises(ValueError, match=r"model\.mean"):
        list(fit_in_turn(runs, digits_data(digits_set)))


def test_several_devices_are_refused(digits_set, tmp_path):
    two = StudentRun(task(), quiet_trainer(tmp_path, max_epochs=1, devices=2, strategy="ddp_spawn"))
    with pytest.raises(ValueError, match=r"trainer\.devices"):
        next(fit_in_turn([two], digits_data(digits_set)))


def test_a_student_without_evaluation_has_no_result(digits_set, tmp_path):
    ours = task(output=str(tmp_path / results.FILE))
    never = StudentRun(ours, quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0))
    with pytest.raises(ValueError, match=r"trainer\.limit_val_batches"):
        next(fit_in_turn([never], digits_data(digits_set)))
