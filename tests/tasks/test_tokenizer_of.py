"""A VAR's file says which tokenizer it was trained with, and another one is refused or named."""

import warnings

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.tasks import AmplifiedGeneration
from hieramp_lit.tasks.tokenizer_of import recorded_tokenizer
from hieramp_lit.var import Tokenizer
from tests.tasks.tuning import NoiseDataModule, trainer, tuning, write_tokenizer


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two tokenizers, and all that a fit with the first leaves."""
    folder = tmp_path_factory.mktemp("files")
    first = write_tokenizer(folder / "first.safetensors")
    second = write_tokenizer(folder / "second.safetensors", seed=1)
    storing = ModelCheckpoint(folder, filename="task", every_n_train_steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        task = tuning(first, export=str(folder / "export.safetensors"))
        trainer(storing, max_steps=1).fit(task, NoiseDataModule(4))
    save(folder / "plain.pth", task.var.state_dict())
    return folder, first, second


@pytest.mark.parametrize("name", ["export.safetensors", "task.ckpt"])
def test_another_tokenizer_is_refused_by_a_generation_and_named_to_a_tuning(files, name):
    folder, first, second = files
    path = str(folder / name)
    assert recorded_tokenizer(folder / name) == first.sha256()
    both = rf"model\.checkpoint=.*{first.sha256()}.*{second.sha256()}"
    tuning(first, checkpoint=path)  # warnings are errors here
    AmplifiedGeneration(path, first, "set", amplification=None)
    with pytest.warns(UserWarning, match=both):
        tuning(second, checkpoint=path)
    with pytest.raises(ValueError, match=both):
        AmplifiedGeneration(path, second, "set", amplification=None)


def test_the_same_tokenizer_in_a_file_of_another_format_is_the_same(files):
    folder, first, _ = files
    save(folder / "first.pth", read_tensors(folder / "first.safetensors"))
    again = Tokenizer(str(folder / "first.pth"))
    assert again.sha256() != first.sha256()
    tuning(again, checkpoint=str(folder / "export.safetensors"))
    AmplifiedGeneration(str(folder / "export.safetensors"), again, "set", amplification=None)


def test_files_that_do_not_say_are_taken_as_they_are(files):
    folder, _, second = files
    assert recorded_tokenizer(folder / "plain.pth") is None
    assert recorded_tokenizer(folder / "first.safetensors") is None
    tuning(second, checkpoint=str(folder / "plain.pth"))
