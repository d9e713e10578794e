"""Weights know the classes of their rows, from the fit through all its files to the set that they generate."""

from pathlib import Path

import pytest

from hieramp_lit.checkpoints import read_record, save
from hieramp_lit.classes import ClassList, load_classes
from hieramp_lit.cli import main
from hieramp_lit.data import GenerationPlan
from hieramp_lit.generate.base import KnowsClasses
from hieramp_lit.tasks import AmplifiedGeneration
from hieramp_lit.var import class_record, known_classes
from tests.shards.making import quiet_trainer
from tests.tasks.tuning import NoiseDataModule, architecture, trainer, tuning, write_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class OwnClasses(NoiseDataModule):
    """The same images under other names, on given rows."""

    def __init__(self, names, batch_size=4):
        super().__init__(batch_size)
        self.classes = ClassList.of_names(names)


@pytest.mark.parametrize("name", ["tuned.ckpt", "tuned.pth", "tuned.safetensors"])
def test_all_that_a_fit_leaves_knows_its_classes_and_tuning_again_keeps_to_them(tmp_path, name):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    fit, tuned = trainer(max_steps=1), str(tmp_path / name)
    fit.fit(tuning(tokenizer, export=None if name == "tuned.ckpt" else tuned), NoiseDataModule(4))
    if name == "tuned.ckpt":
        fit.save_checkpoint(tuned)
    assert known_classes(tuned).classes == NoiseDataModule.classes
    again = trainer(max_steps=1)
    others = OwnClasses([*(str(digit) for digit in range(1, 10)), "ten"])
    with pytest.raises(ValueError, match=r"row 0 is '1' in the data, '0' in.*label_rows: new.*num_classes: 10"):
        again.fit(tuning(tokenizer, checkpoint=tuned), others)
    assert again.global_step == 0
    export = str(tmp_path / "again.safetensors")
    again.fit(tuning(tokenizer, checkpoint=tuned, label_rows="new", export=export), others)
    assert known_classes(export).classes == others.classes


def test_rows_kept_from_the_start_keep_their_classes(tmp_path):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    start, export = str(tmp_path / "var.safetensors"), str(tmp_path / "tuned.safetensors")
    names = [*"abcdefghij", "k", "l"]
    record = class_record(ClassList.of_names(names))
    save(tmp_path / "var.safetensors", architecture(num_classes=12).build().state_dict(), record)
    task = tuning(tokenizer, checkpoint=start, var=architecture(num_classes=13), export=export)
    trainer(max_steps=1).fit(task, OwnClasses(names[:10]))
    assert known_classes(export).classes.names == names


def test_own_classes_take_no_rows_of_imagenets_in_silence(tmp_path):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    start = str(tmp_path / "var.safetensors")
    save(tmp_path / "var.safetensors", architecture(num_classes=1000).build().state_dict())
    keeping = tuning(tokenizer, checkpoint=start, var=architecture(num_classes=1000))
    with pytest.raises(ValueError, match=r"row 0 is '0' in the data, 'tench'.*label_rows: new.*num_classes: 10`"):
        trainer(max_steps=1).fit(keeping, NoiseDataModule(4))
    trainer(max_steps=1).fit(tuning(tokenizer, checkpoint=start, label_rows="new"), NoiseDataModule(4))
    wnids = OwnClasses([entry.wnid for entry in load_classes("imagenet").entries[:10]])
    export = str(tmp_path / "tuned.safetensors")
    task = tuning(tokenizer, checkpoint=start, var=architecture(num_classes=1000), export=export)
    trainer(max_steps=1).fit(task, wnids)
    assert known_classes(export).classes == load_classes("imagenet")


def test_without_a_class_list_nothing_is_claimed(tmp_path):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    task = tuning(tokenizer, export=str(tmp_path / "tuned.safetensors"))
    trainer(max_steps=1).fit(task, NoiseDataModule(4).train_dataloader())
    assert known_classes(str(tmp_path / "tuned.safetensors")).classes is None


def plan_of(root: Path, names: list[str]) -> GenerationPlan:
    for name in names:
        (root / name).mkdir(parents=True)
    return GenerationPlan(str(root), images_per_class=1, batch_size=5)


@pytest.mark.parametrize("by", ["export", "export-weights"])
def test_a_set_of_other_classes_than_the_weights_were_tuned_on_is_refused(tmp_path, by):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    tuned, digits = str(tmp_path / "tuned.safetensors"), [str(digit) for digit in range(10)]
    trainer(max_steps=1).fit(tuning(tokenizer, export=tuned), NoiseDataModule(4))
    if by == "export-weights":
        main(["export-weights", tuned, "--out", str(tmp_path / "again.pth")])
        tuned = str(tmp_path / "again.pth")
    task = AmplifiedGeneration(tuned, tokenizer, str(tmp_path / "set"), amplification=None)
    assert isinstance(task.generator, KnowsClasses)
    with pytest.raises(ValueError, match=rf"data\.classes and model\.checkpoint='{tuned}'.*row 0 is '1' in .*, '0' in"):
        quiet_trainer().predict(task, plan_of(tmp_path / "images2", digits[1:]))
    with pytest.raises(ValueError, match=r"row 0 is 'airplane' in data\.classes, '0' in the weights"):
        quiet_trainer().predict(task, GenerationPlan("cifar10", images_per_class=1))
    assert not (tmp_path / "set").exists()
    quiet_trainer().predict(task, plan_of(tmp_path / "images", digits))
    assert ClassList.read(tmp_path / "set" / "classes.json").names == digits


def test_weights_that_do_not_say_their_classes_can_be_made_to(tmp_path):
    save(tmp_path / "var.pth", architecture(num_classes=1000).build().state_dict(), {"started_from_sha256": "ab"})
    assert not known_classes(str(tmp_path / "var.pth")).recorded
    ClassList.of_names(["a", "b"]).write(tmp_path / "classes.json")
    command = ["export-weights", str(tmp_path / "var.pth"), "--out", str(tmp_path / "told.pth"), "--classes"]
    main([*command, str(tmp_path / "classes.json")])
    assert known_classes(str(tmp_path / "told.pth")).classes.names == ["a", "b"]
    assert read_record(tmp_path / "told.pth")["started_from_sha256"] == "ab"
    ClassList.of_names([str(number) for number in range(1001)]).write(tmp_path / "classes.json")
    with pytest.raises(ValueError, match=r"--classes .*rows up to 1000; the VAR has 0 to 999"):
        main([*command, str(tmp_path / "classes.json")])
    write_tokenizer(tmp_path / "tokenizer.safetensors")
    with pytest.raises(ValueError, match="--classes digits: a tokenizer knows no classes"):
        main(["export-weights", str(tmp_path / "tokenizer.safetensors"), "--out", "x.pth", "--classes", "digits"])
