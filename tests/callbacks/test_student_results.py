import json
import logging

import pytest
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from safetensors import safe_open

from hieramp_lit.callbacks.student_results import sha256_of_images
from hieramp_lit.classes import ClassList, load_classes
from hieramp_lit.data import DigitsDataModule, WebDatasetDataModule
from hieramp_lit.files import sha256
from hieramp_lit.metrics.accuracy import Accuracies, Evaluation
from hieramp_lit.report import results
from hieramp_lit.shards import ShardSet
from tests.data.digits_set import make_digits_set
from tests.data.web.web_sets import write_shards
from tests.devices.ranks import on_ranks
from tests.tasks.students import digits_data, quiet_trainer, random_teacher, task


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits", seed=7)


def fit(folder, data, epochs=4, **options):
    ours = task(output=str(folder / "result.json"), **options)
    quiet_trainer(folder, max_epochs=epochs, check_val_every_n_epoch=min(2, epochs)).fit(ours, data)
    return ours, results.read(folder)


def test_the_result_tells_everything_about_the_run(digits_set, tmp_path):
    teacher = random_teacher(tmp_path)
    ours, result = fit(tmp_path, digits_data(digits_set), teacher=teacher, seed=5)
    assert set(result) == {
        "schema", "protocol", "set", "teacher", "student", "student_seeds", "per_seed", "summary",
        "random_real_reference", "validation", "device", "precision", "versions", "seconds",
    }  # fmt: skip
    manifest = ShardSet.open(digits_set).manifest
    assert len(result["set"].pop("configuration_sha256")) == 64
    assert ClassList.from_json(result["set"].pop("class_list")) == ShardSet.open(digits_set).classes
    assert result["set"].pop("configuration") == dict(manifest.configuration)
    assert result["set"] == {
        "name": "digits", "manifest_sha256": [manifest.hash], "generator": "random_real", "images_per_class": 2,
        "classes": 10, "images": 20, "generate_seeds": [7],
    }  # fmt: skip
    assert result["teacher"]["sha256"] == sha256(tmp_path / "teacher.safetensors")
    assert result["teacher"]["validation_top1"] == ours.teaching.accuracies.top1
    assert result["student_seeds"] == [5]
    (run,) = result["per_seed"]
    assert [evaluation.epoch for evaluation in ours.evaluations] == [2, 4]
    assert run["last"] == json.loads(json.dumps(ours.evaluations[-1].to_json()))
    assert result["summary"]["mean"]["top1_last"] == run["last"]["top1"]
    assert result["validation"]["n"] == 450
    assert result["precision"] == "32-true"
    assert result["seconds"] > 0
    assert str(tmp_path) not in json.dumps(result)


class _Pretend(Callback):
    """Puts another history of accuracies before the result is written."""

    def on_train_end(self, trainer, pl_module):
        tops = [0.9, 0.2, 0.5, 0.4]
        pl_module.progress.evaluations = [
            Evaluation(k + 1, Accuracies(top, 1.0, (top,), 8)) for k, top in enumerate(tops)
        ]


@pytest.mark.parametrize(("best_from", "epoch", "top1"), [(0.0, 1, 0.9), (0.25, 3, 0.5), (0.8, 4, 0.4)])
def test_best_counts_from_the_asked_share_of_training_on(best_from, epoch, top1, digits_set, tmp_path):
    ours = task(output=str(tmp_path / "result.json"), best_from=best_from)
    trainer = quiet_trainer(tmp_path, max_epochs=4, limit_val_batches=0, callbacks=[_Pretend()])
    trainer.fit(ours, digits_data(digits_set))
    (run,) = results.read(tmp_path)["per_seed"]
    assert (run["best"]["epoch"], run["best"]["top1"]) == (epoch, top1)
    assert (run["last"]["epoch"], run["last"]["top1"]) == (4, 0.4)


def test_the_protocols_constants_are_resolved_and_changes_named(digits_set, tmp_path):
    _, result = fit(tmp_path, digits_data(digits_set))
    constants, changed = result["protocol"]["constants"], result["protocol"]["changed"]
    assert (result["protocol"]["name"], result["protocol"]["version"]) == ("rded", 1)
    assert (constants["lr"], constants["batch_size"], constants["epochs"]) == (0.001, 10, 4)
    assert constants["labels"] == "hard"
    assert set(changed) == {"labels", "loss", "temperature", "augmentation", "epochs", "evaluate_every"}
    assert changed["epochs"] == {"protocol": 300, "used": 4}


def test_validation_sets_are_told_apart_by_their_hash(digits_set, tmp_path):
    first = fit(tmp_path / "a", digits_data(digits_set), epochs=2)[1]["validation"]
    again = fit(tmp_path / "b", digits_data(digits_set), epochs=2)[1]["validation"]
    other = digits_data(digits_set)
    other.validation = DigitsDataModule(validation="train_split")
    third = fit(tmp_path / "c", other, epochs=2)[1]["validation"]
    assert first == again
    assert third["n"] == 270
    assert third["sha256"] != first["sha256"]


@pytest.mark.parametrize("parts", [[[0, 1, 2, 3, 4]], [[0, 2, 4], [1, 3]], [[4, 3], [], [2, 1, 0]]])
def test_the_hash_does_not_depend_on_how_images_are_dealt_out(parts):
    digests = [bytes([number]) * 32 for number in range(5)]
    whole = sha256_of_images([digests])
    assert sha256_of_images([[digests[k] for k in part] for part in parts]) == whole
    assert sha256_of_images([digests[:4]]) != whole


def judged_on_two_ranks(folder, output):
    trainer = quiet_trainer(output.parent, max_epochs=1, devices=2, strategy="ddp")
    trainer.fit(task(output=str(output)), digits_data(folder, batch_size=5))
    return trainer.world_size


def test_two_devices_judge_by_the_same_images_as_one(digits_set, tmp_path):
    alone = fit(tmp_path / "one", digits_data(digits_set, batch_size=10), epochs=1)[1]
    output = tmp_path / "two" / results.FILE
    assert on_ranks(tmp_path / "two", judged_on_two_ranks, digits_set, output) == [2, 2]
    assert results.read(tmp_path / "two")["validation"] == alone["validation"]


def test_a_teacher_trained_on_real_images_has_a_result_too(tmp_path):
    data = DigitsDataModule(batch_size=64)
    ours = task(output=str(tmp_path / "result.json"), num_classes=10)
    quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=1).fit(ours, data)
    result = results.read(tmp_path)
    assert result["set"]["images"] == 1347
    assert result["set"]["generator"] is None
    assert "full data set" in result["set"]["absent"]
    assert ClassList.from_json(result["set"]["class_list"]) == load_classes("digits")


def test_a_teacher_trained_on_a_stream_has_a_result_too(tmp_path):
    shards = [write_shards(tmp_path / name) for name in ("train", "val")]
    same = {"image_size": 32, "label": "cls", "batch_size": 4, "num_workers": 0}
    listed = WebDatasetDataModule(shards[0], [207, 208], shards[1], **same)
    stream = {"stream": True, "epoch_samples": 8, "readers": 1, "shuffle": 2}
    streamed = WebDatasetDataModule(shards[0], [207, 208], shards[1], **same, **stream)
    for name, data in (("listed", listed), ("streamed", streamed)):
        ours = task(output=str(tmp_path / name / "result.json"), num_classes=2)
        quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=1).fit(ours, data)
        assert results.read(tmp_path / name)["set"]["images"] == (24 if name == "listed" else None)


def test_it_stands_in_the_loggers_folder_by_default(digits_set, tmp_path):
    logger = CSVLogger(tmp_path, name="runs")
    quiet_trainer(tmp_path, max_epochs=1, logger=logger, log_every_n_steps=1).fit(task(), digits_data(digits_set))
    assert results.read(tmp_path / "runs" / "version_0")["summary"]["n"] == 1


def test_the_student_is_exported_with_what_it_is(digits_set, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    ours, result = fit(tmp_path, digits_data(digits_set), epochs=2, export=str(tmp_path / "student.safetensors"))
    with safe_open(tmp_path / "student.safetensors", "pt") as file:
        assert set(file.keys()) == set(ours.student.state_dict())
        assert file.metadata()["architecture"] == "convnet2_w4"
        assert file.metadata()["image_size"] == "32"
    assert f"Student's weights: {tmp_path / 'student.safetensors'}" in caplog.text
    top1 = result["per_seed"][0]["last"]["top1"]
    assert f"Top-1 {100 * top1:.2f} % after the last epoch; all results: {tmp_path / 'result.json'}" in caplog.text


def test_a_last_epoch_without_evaluation_is_warned_about(digits_set, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "hieramp_lit"):
        _, result = fit(tmp_path, digits_data(digits_set), epochs=3)
    assert "after epoch 2" in caplog.text
    assert result["per_seed"][0]["last"]["epoch"] == 2


def test_a_fit_that_never_evaluates_says_so(digits_set, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "hieramp_lit"):
        quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0).fit(
            task(output=str(tmp_path / "result.json")), digits_data(digits_set)
        )
    assert not (tmp_path / "result.json").exists()
    assert "never evaluated" in caplog.text


def test_export_refuses_other_suffixes():
    with pytest.raises(ValueError, match=r"model\.export='student\.bin'"):
        task(export="student.bin").configure_callbacks()
