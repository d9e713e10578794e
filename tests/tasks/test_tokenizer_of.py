"""A VAR's file says which tokenizer it was trained with, and another one is warned about by name."""

import warnings

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.checkpoints import save
from hieramp_lit.tasks import AmplifiedGeneration
from hieramp_lit.tasks.tokenizer_of import recorded_tokenizer
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
def test_another_tokenizer_is_warned_about_by_both_names(files, name):
    folder, first, second = files
    path = str(folder / name)
    assert recorded_tokenizer(folder / name) == first.sha256()
    for make in (
        lambda t: tuning(t, checkpoint=path),
        lambda t: AmplifiedGeneration(path, t, "set", amplification=None),
    ):
        make(first)  # warnings are errors here
        with pytest.warns(UserWarning, match=rf"model\.checkpoint=.*{first.sha256()}.*{second.sha256()}"):
            make(second)


def test_files_that_do_not_say_are_taken_as_they_are(files):
    folder, _, second = files
    assert recorded_tokenizer(folder / "plain.pth") is None
    assert recorded_tokenizer(folder / "first.safetensors") is None
    tuning(second, checkpoint=str(folder / "plain.pth"))
