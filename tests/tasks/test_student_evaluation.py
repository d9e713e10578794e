import pytest
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger

from hieramp_lit.data import DigitsDataModule
from tests.data.digits_set import make_digits_set
from tests.tasks.students import digits_data, quiet_trainer, random_teacher, task


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


class Measure(Callback):
    """Measures the student at the end of a fit, besides Lightning's own evaluation."""

    def __init__(self, limit=1.0):
        self.limit = limit

    def on_train_end(self, trainer, pl_module):
        pl_module.student.train()
        self.accuracies = pl_module.measure(pl_module.student, pl_module.student_input, self.limit)
        self.training = pl_module.student.training


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_measuring_equals_lightnings_own_evaluation(precision, digits_set, tmp_path):
    ours, measure = task(), Measure()
    trainer = quiet_trainer(tmp_path, max_epochs=1, precision=precision, callbacks=[measure])
    trainer.fit(ours, digits_data(digits_set))
    assert measure.accuracies == ours.evaluations[-1].accuracies
    assert measure.training


@pytest.mark.parametrize(("limit", "images"), [(1, 256), (1.0, 450), (0.5, 256), (2, 450)])
def test_a_limit_is_a_number_or_a_share_of_batches(limit, images, digits_set, tmp_path):
    measure = Measure(limit)
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=1, callbacks=[measure], limit_val_batches=limit)
    ours = task()
    trainer.fit(ours, digits_data(digits_set))
    assert measure.accuracies.n == images == ours.evaluations[-1].accuracies.n


def test_results_do_not_depend_on_where_the_validation_images_lie(digits_set, tmp_path):
    kept, streamed = (task(teacher=random_teacher(tmp_path)) for _ in range(2))
    for ours, gib in ((kept, 1.0), (streamed, 1e-3)):
        data = digits_data(digits_set, max_host_gib=gib)
        data.validation = DigitsDataModule(batch_size=64)
        quiet_trainer(tmp_path, max_epochs=2).fit(ours, data)
    assert kept.evaluations == streamed.evaluations
    assert kept.teaching.accuracies == streamed.teaching.accuracies


def test_images_of_another_size_are_refused(digits_set, tmp_path):
    with pytest.raises(ValueError, match="image_size"):
        quiet_trainer(tmp_path, max_epochs=1).fit(task(image_size=16), digits_data(digits_set))


def test_a_made_up_evaluation_is_logged(digits_set, tmp_path):
    class Stop(Callback):
        def on_validation_start(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "before.ckpt")
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        quiet_trainer(tmp_path, max_epochs=2, callbacks=[Stop()]).fit(task(), digits_data(digits_set))
    logger = CSVLogger(tmp_path, name="", version="log")
    ours = task()
    trainer = quiet_trainer(tmp_path, max_epochs=2, logger=logger, log_every_n_steps=1)
    trainer.fit(ours, digits_data(digits_set), ckpt_path=str(tmp_path / "before.ckpt"))
    assert [evaluation.epoch for evaluation in ours.evaluations] == [1, 2]
    logged = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    column = logged[0].split(",").index("val/top1")
    values = [float(line.split(",")[column]) for line in logged[1:] if line.split(",")[column]]
    assert values == pytest.approx([evaluation.accuracies.top1 for evaluation in ours.evaluations], abs=1e-6)
