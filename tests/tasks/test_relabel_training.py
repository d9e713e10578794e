import logging

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from hieramp_lit.checkpoints import read_tensors
from hieramp_lit.data.images.digits import load_digits_split
from hieramp_lit.students import Teacher, create_student
from tests.data.digits_set import make_digits_set
from tests.tasks.students import digits_data, quiet_trainer, random_teacher, task

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


def test_initial_weights_depend_on_the_seed_alone(digits_set, tmp_path):
    def initial(seed):
        torch.manual_seed(torch.seed() % 2**31)
        fresh = task(seed=seed)
        quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=0).fit(fresh, digits_data(digits_set))
        return fresh.student.classifier.weight

    assert torch.equal(initial(0), initial(0))
    assert not torch.equal(initial(0), initial(1))


def test_a_student_never_starts_from_the_weights_its_teacher_started_from(digits_set, tmp_path):
    starts = []
    for teacher in (None, random_teacher(tmp_path)):
        fresh = task(seed=0, teacher=teacher)
        quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=0).fit(fresh, digits_data(digits_set))
        starts.append(fresh.student.classifier.weight)
    assert not torch.equal(*starts)


class _Stop(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, *args):
        if trainer.global_step == self.step:
            raise KeyboardInterrupt

    def on_validation_start(self, trainer, pl_module):
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("step", [2, 3, 4, 9])  # 3 and 9 are kept before the evaluation at the end of their epoch
def test_a_fit_resumed_in_mid_epoch_ends_with_the_same_weights_and_results(step, digits_set, tmp_path):
    teacher = random_teacher(tmp_path)

    def run(folder, *callbacks, ckpt_path=None):
        ours = task(teacher=teacher, student="convnet2_w4", mix="cutmix")
        trainer = quiet_trainer(folder, max_epochs=3, enable_checkpointing=True, callbacks=list(callbacks))
        try:
            trainer.fit(ours, digits_data(digits_set, batch_size=7), ckpt_path=ckpt_path)
        except (KeyboardInterrupt, SystemExit):
            assert callbacks
        return ours

    whole = run(tmp_path / "whole")
    keep = ModelCheckpoint(tmp_path / "kept", "{step}", every_n_train_steps=1, save_top_k=-1)
    run(tmp_path / "cut", keep, _Stop(step))
    resumed = run(tmp_path / "resumed", ckpt_path=str(tmp_path / "kept" / f"step={step}.ckpt"))
    for name, tensor in whole.student.state_dict().items():
        assert torch.equal(tensor, resumed.student.state_dict()[name]), name
    assert resumed.evaluations == whole.evaluations
    assert [evaluation.epoch for evaluation in whole.evaluations] == [1, 2, 3]


def test_checkpoints_hold_no_teacher_and_load_strictly(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)
    ours = task(teacher=teacher)
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=1)
    trainer.fit(ours, digits_data(digits_set))
    trainer.save_checkpoint(tmp_path / "student.ckpt")
    names = set(torch.load(tmp_path / "student.ckpt", weights_only=True)["state_dict"])
    assert names == {f"student.{name}" for name in ours.student.state_dict()}
    again = task(teacher=teacher)
    quiet_trainer(tmp_path, max_epochs=2, limit_val_batches=1).fit(
        again, digits_data(digits_set), ckpt_path=str(tmp_path / "student.ckpt")
    )
    assert len(again.evaluations) == 2


def test_a_student_does_not_go_on_under_another_teacher_at_the_same_place(digits_set, tmp_path):
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=1)
    trainer.fit(task(teacher=random_teacher(tmp_path)), digits_data(digits_set))
    trainer.save_checkpoint(tmp_path / "student.ckpt")
    other = task(teacher=random_teacher(tmp_path))
    with pytest.raises(ValueError, match=r"model\.teacher.*SHA-256.*without --ckpt_path"):
        quiet_trainer(tmp_path, max_epochs=2, limit_val_batches=1).fit(
            other, digits_data(digits_set), ckpt_path=str(tmp_path / "student.ckpt")
        )


def test_a_student_is_tested_from_its_own_weights(digits_set, tmp_path):
    ours = task(export=str(tmp_path / "student.safetensors"))
    quiet_trainer(tmp_path, max_epochs=2).fit(ours, digits_data(digits_set))
    again = task(checkpoint=str(tmp_path / "student.safetensors"), seed=9)
    (metrics,) = quiet_trainer(tmp_path).test(again, digits_data(digits_set), verbose=False)
    last = ours.evaluations[-1].accuracies
    assert metrics["test/top1"] == pytest.approx(last.top1)
    assert [metrics[f"test/class_{k}"] for k in range(10)] == pytest.approx(list(last.per_class))


@pytest.mark.parametrize("command", ["test", "validate"])
def test_ckpt_path_also_gives_the_weights_to_judge(command, digits_set, tmp_path):
    ours = task()
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(ours, digits_data(digits_set))
    trainer.save_checkpoint(tmp_path / "student.ckpt")
    judge = getattr(quiet_trainer(tmp_path), command)
    (metrics,) = judge(task(seed=9), digits_data(digits_set), ckpt_path=str(tmp_path / "student.ckpt"), verbose=False)
    name = "test/top1" if command == "test" else "val/top1"
    assert metrics[name] == pytest.approx(ours.evaluations[-1].accuracies.top1)


@pytest.mark.parametrize("command", ["test", "validate"])
def test_random_weights_are_never_judged(command, digits_set, tmp_path):
    with pytest.raises(ValueError, match=rf"`hieramp {command}`.*model\.checkpoint"):
        getattr(quiet_trainer(tmp_path), command)(task(), digits_data(digits_set))


def test_accuracies_equal_those_counted_by_hand(digits_set, tmp_path):
    ours = task(export=str(tmp_path / "student.safetensors"))
    quiet_trainer(tmp_path, max_epochs=1).fit(ours, digits_data(digits_set))
    student = create_student("convnet2_w4", 10, 32).eval()
    student.load_state_dict(read_tensors(tmp_path / "student.safetensors"))
    images, labels = load_digits_split("test")
    with torch.no_grad():
        answers = student((images / 255 - MEAN[:, None, None]) / STD[:, None, None])
    right = answers.argmax(1) == labels
    in_five = [int(label) in row.topk(5).indices.tolist() for row, label in zip(answers, labels, strict=True)]
    last = ours.evaluations[-1].accuracies
    assert last.n == 450
    assert last.top1 == pytest.approx(float(right.double().mean()))
    assert last.top5 == pytest.approx(sum(in_five) / 450)
    for k in range(10):
        assert last.per_class[k] == pytest.approx(float(right[labels == k].double().mean()))


def test_students_learn_digits_from_two_images_a_class(digits_set, tmp_path):
    ours = task(student="convnet2_w16", mix="none", lr=0.005)
    trainer = quiet_trainer(tmp_path, max_epochs=60, check_val_every_n_epoch=60)
    trainer.fit(ours, digits_data(digits_set))
    assert ours.evaluations[-1].accuracies.top1 > 0.5


def test_a_teacher_near_chance_is_measured_first_and_warned_about(digits_set, tmp_path, caplog):
    ours = task(teacher=random_teacher(tmp_path))
    with caplog.at_level(logging.WARNING, "hieramp_lit"):
        quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=0).fit(ours, digits_data(digits_set))
    assert ours.teaching.accuracies.n == 450
    assert ours.teaching.accuracies.top1 < 0.19
    for cause in ("order", "stem", "normalization", "input size"):
        assert cause in caplog.text


def test_the_teacher_sees_its_own_normalization(digits_set, tmp_path):
    plain = random_teacher(tmp_path)
    own = Teacher(plain.architecture, plain.checkpoint, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    ours = task(teacher=own)
    quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=0).fit(ours, digits_data(digits_set))
    image = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(ours.teaching.network_input.make(image), (image - 0.5) / 0.25)
    torch.testing.assert_close(ours.student_input.make(image), (image - MEAN[:, None, None]) / STD[:, None, None])


@pytest.mark.parametrize(
    "setting",
    [
        {"std": (0.0, 1.0, 1.0)},
        {"num_classes": -1},
        {"image_size": 0},
    ],
)
def test_impossible_settings_name_their_key(setting):
    with pytest.raises(ValueError, match=rf"model\.{next(iter(setting))}="):
        task(**setting)


def test_labels_for_generators_are_refused(digits_set, tmp_path):
    data = digits_data(digits_set)
    data.validation.label = "row"
    with pytest.raises(ValueError, match=r"data\.validation\.label: cls"):
        quiet_trainer(tmp_path, max_epochs=1).fit(task(), data)


def test_one_image_a_step_is_refused_where_batch_norm_would_see_it(digits_set, tmp_path):
    with pytest.raises(ValueError, match=r"data\.batch_size"):
        quiet_trainer(tmp_path, max_epochs=1).fit(task(), digits_data(digits_set, batch_size=1))
    quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=2).fit(
        task(norm="instance"), digits_data(digits_set, batch_size=1)
    )


def test_an_epoch_with_one_image_left_over_trains_on_all(digits_set, tmp_path):
    ours = task(student="convnet5_w4")  # its last maps have one pixel
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(ours, digits_data(digits_set, batch_size=19))
    assert trainer.global_step == 1


@pytest.mark.parametrize(("norm", "passes"), [("batch", 2), ("instance", 1)])
def test_the_pass_for_batch_norm_runs_only_where_there_is_one(norm, passes, digits_set, tmp_path):
    seen = []

    class Count(Callback):
        def on_train_start(self, trainer, pl_module):
            pl_module.student.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))

    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0, callbacks=[Count()])
    trainer.fit(task(norm=norm), digits_data(digits_set, batch_size=20))
    assert seen == [False, True][-passes:]


def test_the_teacher_labels_and_is_measured_in_the_trainers_precision(digits_set, tmp_path):
    answers = []

    class Watch(Callback):
        def on_fit_start(self, trainer, pl_module):
            network = pl_module.teaching.network
            network.register_forward_hook(lambda module, args, answer: answers.append((answer.dtype, module.training)))

    ours = task(teacher=random_teacher(tmp_path))
    trainer = quiet_trainer(tmp_path, max_epochs=1, precision="bf16-mixed", limit_val_batches=0, callbacks=[Watch()])
    trainer.fit(ours, digits_data(digits_set, batch_size=20))
    assert answers == [(torch.bfloat16, False)] * 3  # two batches of validation images, one of training images
    assert ours.student.classifier.weight.dtype == torch.float32


def test_compiling_changes_no_name_and_reaches_both_networks(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)

    def fit(**options):
        ours = task(teacher=teacher, **options)
        with torch.compiler.set_stance("force_eager"):
            quiet_trainer(tmp_path, max_epochs=2).fit(ours, digits_data(digits_set))
        return ours

    plain, compiled = fit(), fit(compile="default")
    assert list(compiled.student.state_dict()) == list(plain.student.state_dict())
    for name, tensor in plain.student.state_dict().items():
        assert torch.equal(tensor, compiled.student.state_dict()[name])
    for ours, expected in ((plain, False), (compiled, True)):
        for network in (ours.student, ours.teaching.network):
            assert (network._compiled_call_impl is not None) is expected


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_compiled_networks_run_and_give_the_same_losses(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)
    compiled_graphs = torch._dynamo.utils.counters["stats"]

    class Losses(Callback):
        def __init__(self):
            self.seen = []

        def on_train_batch_end(self, trainer, pl_module, outputs, *_):
            self.seen.append(outputs["loss"].item())

    def fit(**options):
        torch._dynamo.reset()
        compiled_graphs.clear()
        losses, ours = Losses(), task(teacher=teacher, temperature=1.0, **options)
        run = {"max_epochs": 4, "callbacks": [losses], "limit_val_batches": 0}
        quiet_trainer(tmp_path, **run).fit(ours, digits_data(digits_set, batch_size=20))
        return losses.seen, compiled_graphs["unique_graphs"]

    (plain, none), (compiled, graphs) = fit(), fit(compile="default")
    assert none == 0
    assert graphs >= 2  # the student's and the teacher's
    assert len(set(plain)) == 4  # each step's loss shows what the steps before it learned
    assert compiled == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize(("norm", "expected"), [("batch", True), ("instance", False)])
def test_networks_are_trained_in_their_fastest_format(norm, expected, digits_set, tmp_path):
    ours = task(norm=norm, teacher=random_teacher(tmp_path))
    quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0).fit(ours, digits_data(digits_set))
    weight = ours.student.layers["conv"][1].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is expected
    assert ours.teaching.network.layers["conv"][0].weight.is_contiguous(memory_format=torch.channels_last)
