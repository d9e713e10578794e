import logging

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from hieramp_lit.data import DigitsDataModule
from hieramp_lit.report import results
from hieramp_lit.students.protocols import Protocol, Setting
from hieramp_lit.tasks.student_setting import follow, setting_of
from tests.data.digits_set import make_digits_set
from tests.tasks.students import digits_data, quiet_trainer, random_teacher, task

BY_PROTOCOL = {"max_epochs": -1, "check_val_every_n_epoch": -1}


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


def evaluated(ours):
    return [evaluation.epoch for evaluation in ours.evaluations]


def test_a_set_and_real_images_are_counted(digits_set):
    assert setting_of(digits_data(digits_set), 10, 32, "convnet3") == Setting(20, 10, 32, "convnet3")
    assert setting_of(DigitsDataModule(), 10, 32, "convnet3").images == 1347


def test_task_and_data_decide_by_the_classes_of_the_set_not_by_the_rows_of_the_student(digits_set, tmp_path):
    minimax = {"epochs": None, "epochs_rule": "minimax", "evaluate_every": 1, "name": "rded"}
    ours = task(num_classes=1000, output=str(tmp_path / results.FILE), **minimax)
    quiet_trainer(tmp_path, max_epochs=1).fit(ours, digits_data(digits_set, image_size=16))
    assert ours.setting == Setting(20, 10, 32, "convnet2_w4")
    assert ours.protocol.epochs_for(ours.setting) == 2000  # 2 images per class; of 0.02 it would be 3000
    protocol = results.read(tmp_path)["protocol"]
    assert protocol["constants"]["batch_size"] == 10
    assert "batch_size" not in protocol["changed"]


@pytest.mark.parametrize(
    ("epochs", "every", "expected"), [(-1, -1, (400, True)), (7, -1, (7, True)), (-1, 2, (400, False))]
)
def test_only_what_the_trainer_leaves_open_is_the_protocols(epochs, every, expected):
    trainer = Trainer(max_epochs=epochs, check_val_every_n_epoch=every, accelerator="cpu", logger=False)
    by_protocol = follow(trainer, Protocol(epochs=None, epochs_rule="d3hr"), Setting(100, 10, 32, "convnet3"))
    assert (trainer.max_epochs, by_protocol) == expected


@pytest.mark.parametrize(
    ("constants", "expected"),
    [
        ({"epochs": 7, "evaluate_every": 3}, [3, 6, 7]),
        ({"epochs": 4, "evaluate_every": 1}, [1, 2, 3, 4]),
        ({"epochs": 5, "evaluate_every": 1, "evaluate_early": False, "best_from": 0.6}, [4, 5]),
        ({"epochs": 3, "evaluate_every": 1, "evaluate_early": False, "best_rule": "d3hr"}, [3]),
        ({"epochs": 3, "evaluate_every": None}, [1, 2, 3]),
    ],
)
def test_a_fit_has_the_protocols_epochs_and_evaluations(constants, expected, digits_set, tmp_path):
    ours = task(output=str(tmp_path / results.FILE), **constants)
    trainer = quiet_trainer(tmp_path, **BY_PROTOCOL)
    trainer.fit(ours, digits_data(digits_set))
    assert (trainer.current_epoch, evaluated(ours)) == (constants["epochs"], expected)
    used = results.read(tmp_path)["protocol"]["constants"]
    assert used["epochs"] == constants["epochs"]
    assert used["evaluate_every"] == (constants["evaluate_every"] or 1)
    assert used["evaluate_early"] is constants.get("evaluate_early", True)


def test_d3hr_evaluates_every_epoch_from_the_392nd_on_and_the_best_is_one_of_them(digits_set, tmp_path):
    d3hr = {"name": "d3hr", "epochs": None, "epochs_rule": "d3hr", "best_rule": "d3hr", "evaluate_every": 1}
    ours = task(output=str(tmp_path / results.FILE), student="convnet1_w4", evaluate_early=False, mix="none", **d3hr)
    trainer = quiet_trainer(tmp_path, **BY_PROTOCOL, limit_train_batches=1)
    trainer.fit(ours, digits_data(digits_set, batch_size=2))
    assert evaluated(ours) == list(range(392, 401))
    (run,) = results.read(tmp_path)["per_seed"]
    tops = [evaluation.accuracies.top1 for evaluation in ours.evaluations]
    assert (run["last"]["epoch"], run["best"]["epoch"]) == (400, 392 + tops.index(max(tops)))


def test_numbers_given_to_the_trainer_win_and_the_result_says_so(digits_set, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    ours = task(
        output=str(tmp_path / results.FILE), teacher=random_teacher(tmp_path), augmentation=Protocol().augmentation
    )
    quiet_trainer(tmp_path, max_epochs=2, check_val_every_n_epoch=2).fit(ours, digits_data(digits_set))
    assert evaluated(ours) == [2]
    assert results.read(tmp_path)["protocol"]["changed"] == {
        "epochs": {"protocol": 300, "used": 2},
        "evaluate_every": {"protocol": 10, "used": 2},
    }
    assert "Protocol rded, version 1; changed: epochs, evaluate_every." in caplog.text


def test_a_best_that_can_never_be_is_warned_of(digits_set, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "hieramp_lit"):
        ours = task(best_rule="d3hr")
        quiet_trainer(tmp_path, max_epochs=1).fit(ours, digits_data(digits_set))
    assert "after epoch 391, and this training has 1 epochs: `best` is `last`" in caplog.text


class _StopBefore(Callback):
    """Keeps a checkpoint and stops where the evaluation after an epoch would begin."""

    def __init__(self, folder, epoch):
        self.folder, self.epoch = folder, epoch

    def on_validation_start(self, trainer, pl_module):
        if trainer.current_epoch + 1 == self.epoch:
            trainer.save_checkpoint(self.folder / "kept.ckpt")
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["before an evaluation", "after an epoch without"])
def test_a_resumed_fit_evaluates_where_the_uninterrupted_does(at, digits_set, tmp_path):
    constants = {"epochs": 6, "evaluate_every": 2, "evaluate_early": False, "best_from": 0.5}

    def fit(*callbacks, ckpt_path=None):
        ours = task(**constants)
        trainer = quiet_trainer(
            tmp_path, **BY_PROTOCOL, callbacks=list(callbacks), enable_checkpointing=bool(callbacks)
        )
        try:
            trainer.fit(ours, digits_data(digits_set, batch_size=7), ckpt_path=ckpt_path)
        except (KeyboardInterrupt, SystemExit):
            assert callbacks
        return ours

    whole = fit()
    assert evaluated(whole) == [4, 6]
    if at == "before an evaluation":
        fit(_StopBefore(tmp_path, 4))
        kept = tmp_path / "kept.ckpt"
    else:
        fit(
            ModelCheckpoint(tmp_path / "steps", "{step}", every_n_train_steps=1, save_top_k=-1),
            _StopBefore(tmp_path, 4),
        )
        kept = (
            tmp_path / "steps/step=6.ckpt"
        )  # three batches an epoch: the second epoch is done, which is not evaluated
    resumed = fit(ckpt_path=str(kept))
    assert resumed.evaluations == whole.evaluations
    for name, tensor in whole.student.state_dict().items():
        assert torch.equal(tensor, resumed.student.state_dict()[name]), name


def test_hard_labels_leave_a_teacher_unloaded_and_say_so(digits_set, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    plain, taught = task(), task(teacher=random_teacher(tmp_path), labels="hard", output=str(tmp_path / results.FILE))
    for ours in (plain, taught):
        quiet_trainer(tmp_path, max_epochs=2).fit(ours, digits_data(digits_set))
    assert taught.teaching is None
    assert taught.teacher_network is None
    for name, tensor in plain.student.state_dict().items():
        assert torch.equal(tensor, taught.student.state_dict()[name]), name
    assert results.read(tmp_path)["teacher"] is None
    assert caplog.text.count("model.teacher is not loaded") == 1


def test_soft_labels_without_a_teacher_are_refused():
    with pytest.raises(ValueError, match=r"model\.protocol\.labels='soft' needs a teacher: give model\.teacher"):
        task(labels="soft")
