"""What `hieramp test` of tuning finds and writes, against an oracle that knows no batches."""

import csv
import json

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.callbacks import RunLogger
from hieramp_lit.figures import save_figure
from hieramp_lit.figures.class_token_accuracy import ScaleAccuracy, draw_class_token_accuracy
from hieramp_lit.files import sha256
from tests.tasks.tuning import (
    NoiseDataModule,
    NoiseSamples,
    architecture,
    trainer,
    tuning,
    weights,
    write_tokenizer,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


@pytest.fixture(scope="module")
def tuned(tokenizer, tmp_path_factory):
    """Weights that a fit exported, and its checkpoint."""
    folder = tmp_path_factory.mktemp("tuned")
    storing = ModelCheckpoint(folder, filename="task", every_n_train_steps=8)
    exporting = tuning(tokenizer, export=str(folder / "tuned.safetensors"), label_dropout=0.5)
    trainer(storing, max_steps=8).fit(exporting, NoiseDataModule(4))
    return folder


def of_weights(tokenizer, tuned):
    return tuning(tokenizer, checkpoint=str(tuned / "tuned.safetensors"))


def found_by(task, tmp_path, batch_size=4, data=None, ckpt_path=None, **run):
    """The JSON of a test."""
    logger = RunLogger(str(tmp_path), "found")
    running = trainer(**{**run, "logger": logger})
    running.test(task, data or NoiseDataModule(batch_size), verbose=False, ckpt_path=ckpt_path)
    return json.loads((tmp_path / "found" / f"version_{logger.version}" / "class_tokens.json").read_text())


def numbers(result):
    return {name: result[name] for name in ("scales", "overall", "n", "chance")}


def shares_of_hits(task, unconditional):
    """Of all images at once, a loop for each."""
    samples, vqvae = NoiseSamples(7), task.tokenizer.load_encoder()
    task.var.eval()
    hits = [0] * 3
    for image, label in zip(samples.images, samples.labels.tolist(), strict=True):
        with torch.no_grad():
            tokens = vqvae.encode(image[None] / 127.5 - 1)
            row = torch.tensor([10 if unconditional else label])
            logits = task.var(row, vqvae.teacher_input(tokens)).class_logits[0]
        for scale in range(3):
            hits[scale] += int(logits[scale].argmax()) == label
    return [count / 7 for count in hits]


def test_accuracies_are_those_of_every_image_by_itself(tokenizer, tuned, tmp_path):
    task = of_weights(tokenizer, tuned)
    for block in task.var.blocks:  # so few steps have not learnt to look at the label
        torch.nn.init.normal_(block.ada_lin[1].weight, std=5.0)
    result = found_by(task, tmp_path)
    blind, seeing = shares_of_hits(task, unconditional=True), shares_of_hits(task, unconditional=False)
    assert blind != seeing
    assert [one["class_accuracy_unconditional"] for one in result["scales"]] == pytest.approx(blind, abs=1e-6)
    assert [one["class_accuracy"] for one in result["scales"]] == pytest.approx(seeing, abs=1e-6)
    assert result["overall"]["class_accuracy_unconditional"] == pytest.approx(sum(blind) / 3, abs=1e-6)
    assert (result["n"], result["chance"]) == (7, 0.1)
    assert [(one["scale"], one["side"], one["stage"]) for one in result["scales"]] == [
        (0, 1, "none"), (1, 2, "coarse"), (2, 4, "mid"),
    ]  # fmt: skip
    points = [ScaleAccuracy(side, *both) for side, *both in zip((1, 2, 4), blind, seeing, strict=True)]
    figure = draw_class_token_accuracy(points, chance=0.1)
    (drawn,) = save_figure(figure, tmp_path / "expected", ("png",))
    assert (tmp_path / "found/version_0/class_tokens.png").read_bytes() == drawn.read_bytes()


def test_batches_change_nothing_and_validation_measures_the_same(tokenizer, tuned, tmp_path):
    task = of_weights(tokenizer, tuned)
    result = numbers(found_by(task, tmp_path, 7))
    other = numbers(found_by(task, tmp_path, 3))
    assert [list(one.values())[3:] for one in other["scales"]] == [
        pytest.approx(list(one.values())[3:], abs=1e-5) for one in result["scales"]
    ]
    (validated,) = trainer().validate(task, NoiseDataModule(7), verbose=False)
    for one in result["scales"]:
        name = f"val/class_accuracy_unconditional/{one['scale']:02d}"
        assert validated[name] == pytest.approx(one["class_accuracy_unconditional"], abs=1e-6)
    again = numbers(found_by(task, tmp_path, 7))
    assert again == result, "a second test starts afresh"


def test_files_say_the_same_and_what_was_measured(tokenizer, tuned, tmp_path, capsys):
    result = found_by(of_weights(tokenizer, tuned), tmp_path, limit_test_batches=1)
    assert result["n"] == 4
    assert result["data"] == {"module": "NoiseDataModule", "measured": "test images", "limit_test_batches": 1}
    assert result["weights"] == {"given_by": "model.checkpoint", "sha256": sha256(tuned / "tuned.safetensors")}
    assert result["tokenizer"] == {"sha256": tokenizer.sha256()}
    folder = tmp_path / "found/version_0"
    with (folder / "class_tokens.csv").open() as file:
        rows = [{name: float(v) if name != "stage" else v for name, v in row.items()} for row in csv.DictReader(file)]
    assert rows == result["scales"]
    assert {path.suffix for path in folder.glob("class_tokens.*")} == {".json", ".csv", ".png", ".pdf", ".svg"}
    table = capsys.readouterr().out
    assert "4×4" in table
    assert "…" not in table, "a heading is cut at 80 columns"
    assert "4 test images of NoiseDataModule, trainer.limit_test_batches 1" in " ".join(table.split())


@pytest.mark.parametrize(
    ("part", "run", "named"),
    [
        ("class_head", {}, r"nothing: class_loss at scale 0, 1, 2\. .*finite \(--model\.checkpoint FILE .*FILE\)\.$"),
        ("head", {"precision": "bf16-mixed"}, r"nothing: token_loss at .*--trainer\.precision 32-true, not bf16-mixed"),
    ],
    ids=["class loss", "token loss"],
)
def test_what_is_not_finite_is_refused_by_name_and_nothing_is_written(tokenizer, tuned, tmp_path, part, run, named):
    task = of_weights(tokenizer, tuned)
    torch.nn.init.constant_(task.var.get_submodule(part).bias, torch.nan)
    with pytest.raises(ValueError, match=named):
        found_by(task, tmp_path, **run)
    assert not list(tmp_path.rglob("class_tokens.*"))


def test_a_checkpoint_of_the_fit_gives_the_weights(tokenizer, tuned, tmp_path):
    exported = found_by(of_weights(tokenizer, tuned), tmp_path)
    loaded = found_by(tuning(tokenizer, seed=5), tmp_path, ckpt_path=tuned / "task.ckpt")
    assert numbers(loaded) == numbers(exported)
    assert loaded["weights"] == {"given_by": "--ckpt_path", "sha256": sha256(tuned / "task.ckpt")}


def test_a_fit_may_be_tested_in_its_own_process(tokenizer, tmp_path):
    task = tuning(tokenizer)
    trainer(max_steps=2).fit(task, NoiseDataModule(4))
    before = weights(task)
    assert found_by(task, tmp_path)["weights"]["sha256"] is None
    assert all(torch.equal(before[name], value) for name, value in weights(task).items())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, r"model\.checkpoint=None leaves untrained.*everything.*--ckpt_path"),
        ({"checkpoint": "plain"}, r"cls_tokens\.0, cls_tokens\.1.*--model\.checkpoint FILE"),
        ({"checkpoint": "tuned", "label_rows": "new"}, r"class_head\.weight\[0:10\].*--model\.label_rows keep"),
        ({"var": architecture(class_tokens=False)}, r"model\.var\.class_tokens=False.*hieramp validate"),
    ],
    ids=["scratch", "plain", "new rows", "no class tokens"],
)
def test_networks_without_tuned_class_tokens_are_refused(tokenizer, tuned, tmp_path, arguments, named):
    if arguments.get("checkpoint") == "plain":
        plain = tuning(tokenizer, var=architecture(class_tokens=False), export=str(tmp_path / "plain.safetensors"))
        trainer(max_steps=1).fit(plain, NoiseDataModule(4))
        arguments = {"checkpoint": str(tmp_path / "plain.safetensors")}
    elif arguments.get("checkpoint") == "tuned":
        arguments = {**arguments, "checkpoint": str(tuned / "tuned.safetensors")}
    with pytest.raises(ValueError, match=named):
        trainer().test(tuning(tokenizer, **arguments), NoiseDataModule(4), verbose=False)
