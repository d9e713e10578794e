import errno
import itertools
import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from hieramp_lit.data import DigitsDataModule
from hieramp_lit.generate import DigitsImages, Generated, RandomReal
from hieramp_lit.shards import ShardError, ShardSet
from hieramp_lit.shards.lock import FolderLock
from hieramp_lit.shards.writer import ShardFile
from hieramp_lit.tasks import Generation
from tests.shards.making import NoiseGenerator, contents, make_set, quiet_trainer


def test_made_twice_is_byte_identical(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_set(tmp_path / name, save_saliency=True).verify()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_stored_as_asked(tmp_path: Path, image_format: Any) -> None:
    shards = make_set(tmp_path / "set", image_format=image_format, save_size=5)
    shards.verify()
    assert {sample.image.shape for sample in shards} == {(5, 5, 3)}
    assert all(sample.saliency is None for sample in shards)


def test_the_same_command_again_makes_nothing(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()}
    generator = NoiseGenerator()
    make_set(tmp_path / "set", generator)
    assert generator.calls == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()} == before


def test_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    whole = contents(tmp_path / "set")
    (tmp_path / "set" / "train-000001.tar").unlink()
    (tmp_path / "set" / "train-000003.json").unlink()
    generator = NoiseGenerator()
    make_set(tmp_path / "set", generator)
    assert [place[0] for place in generator.made] == [3, 3, 4, 4, 5, 5, 9, 9]
    assert contents(tmp_path / "set") == whole


@pytest.mark.parametrize("name", ["contact_sheet.png", "README.md", "manifest.json", "classes.json", "_info.json"])
def test_a_lost_index_file_comes_back_without_generating(tmp_path: Path, name: str) -> None:
    make_set(tmp_path / "set")
    whole = contents(tmp_path / "set")
    (tmp_path / "set" / name).unlink()
    generator = NoiseGenerator()
    make_set(tmp_path / "set", generator)
    assert generator.calls == 0
    assert contents(tmp_path / "set") == whole


@pytest.mark.parametrize("fail_at", range(7))
def test_an_exception_leaves_no_shard_that_looks_complete_and_the_run_goes_on(tmp_path: Path, fail_at: int) -> None:
    make_set(tmp_path / "whole")
    folder = tmp_path / "set"
    with pytest.raises(RuntimeError, match="the generator broke"):
        make_set(folder, NoiseGenerator(fail_at=fail_at))
    left = contents(folder)
    tars = {name for name in left if name.endswith(".tar")}
    assert not [name for name in left if name.endswith(".tmp")]
    assert {name.replace(".tar", ".json") for name in tars} == {
        name for name in left if name.startswith("train-")
    } - tars
    whole = contents(tmp_path / "whole")
    assert all(left[name] == whole[name] for name in tars)
    assert len(tars) == fail_at // 2  # two batches a shard
    with pytest.raises(ShardError, match="not a finished shard set"):
        ShardSet.open(folder)
    again = NoiseGenerator()
    make_set(folder, again)
    assert contents(folder) == whole
    assert len(again.made) == 20 - 6 * len(tars)


def test_a_class_with_too_few_images_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Else shards of a plan that cannot be finished would stand in the way of one that can."""
    real = RandomReal(DigitsImages())
    least = int(torch.bincount(real.data.rows()).min())
    with pytest.raises(ValueError, match=rf"data\.images_per_class={least + 1}, and .* \(row \d\) has {least}"):
        make_set(tmp_path / "set", real, images_per_class=least + 1)
    assert not (tmp_path / "set").exists()
    make_set(tmp_path / "set", real, class_subset=[3])


def test_resuming_with_another_batch_size_gives_the_same_set(tmp_path: Path) -> None:
    make_set(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="broke"):
        make_set(tmp_path / "set", NoiseGenerator(fail_at=4))
    make_set(tmp_path / "set", batch_size=1)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_run_cut_short_is_continued(tmp_path: Path) -> None:
    make_set(tmp_path / "whole")
    with pytest.raises(ShardError, match="not a finished"):
        make_set(tmp_path / "set", trainer={"limit_predict_batches": 3})
    assert {name for name in contents(tmp_path / "set") if not name.startswith(".")} == {
        "train-000000.tar",
        "train-000000.json",
    }
    make_set(tmp_path / "set")
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"generator": NoiseGenerator(2.0)}, r"configuration\.sampling\.strength: folder 1\.0, this run 2\.0"),
    ({"seed": 1}, "seed: folder 0, this run 1"),
    ({"images_per_class": 3}, r"plan\.images_per_class: folder 2, this run 3"),
    ({"shard_size": 5}, r"plan\.shard_size: folder 6, this run 5"),
    ({"class_subset": [1]}, r"plan\.rows: folder"),
    ({"save_size": 4}, "save_size: folder null, this run 4"),
    ({"image_format": "webp"}, 'image_format: folder "png", this run "webp"'),
    ({"save_saliency": True}, "save_saliency: folder false, this run true"),
    ({"trainer": {"precision": "bf16-mixed"}}, 'precision: folder "32-true", this run "bf16-mixed"'),
]


@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize(("change", "message"), OTHERS, ids=[next(iter(change)) for change, _ in OTHERS])
def test_another_configuration_is_refused_and_nothing_is_touched(
    tmp_path: Path, change: dict[str, Any], message: str, state: str
) -> None:
    folder = tmp_path / "set"
    if state == "finished":
        make_set(folder)
    else:
        with pytest.raises(RuntimeError, match="broke"):
            make_set(folder, NoiseGenerator(fail_at=3))
    before = contents(folder)
    with pytest.raises(ShardError, match=message) as error:
        make_set(folder, **change)
    assert "another `model.output`" in str(error.value)
    assert contents(folder) == before


def test_a_subset_of_classes_has_the_images_of_the_whole(tmp_path: Path) -> None:
    every = {sample.key: sample for sample in make_set(tmp_path / "all")}
    some = list(make_set(tmp_path / "some", class_subset=[7, 2]))
    assert [(sample.row, sample.cls) for sample in some] == [(2, 0), (2, 0), (7, 1), (7, 1)]
    for sample in some:
        assert (sample.image == every[sample.key].image).all()
        assert (sample.tokens == every[sample.key].tokens).all()


def test_a_larger_set_extends_a_smaller_one(tmp_path: Path) -> None:
    small = make_set(tmp_path / "small", images_per_class=1)
    large = {sample.key: sample for sample in make_set(tmp_path / "large", images_per_class=3)}
    assert all((sample.image == large[sample.key].image).all() for sample in small)


def test_predictions_are_not_kept(tmp_path: Path) -> None:
    from hieramp_lit.data import GenerationPlan

    trainer = quiet_trainer()
    plan = GenerationPlan("digits", 2, 6, batch_size=4)
    assert not trainer.predict(Generation(NoiseGenerator(), str(tmp_path / "set")), plan, return_predictions=True)


class Watched(NoiseGenerator):
    """Says which batch is being generated."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0
        self.second = threading.Event()

    def generate(self, *args: Any, **kwargs: Any) -> Generated:
        self.batches += 1
        if self.batches == 2:
            self.second.set()
        return super().generate(*args, **kwargs)


def test_writing_overlaps_with_generating_and_holds_two_batches_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Watched()
    add, behind = ShardFile.add, []

    def slow(self: ShardFile, key: str, fields: Any) -> None:
        assert generator.second.wait(20), "the second batch is not generated while the first is written"
        behind.append(generator.batches - len(behind) // 4)
        add(self, key, fields)

    monkeypatch.setattr(ShardFile, "add", slow)
    make_set(tmp_path / "set", generator, images_per_class=6, shard_size=60, batch_size=4)
    assert len(behind) == 60
    assert max(behind) == 2  # the batch that is written, and the one in the making


def test_a_full_disk_keeps_what_was_complete_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_set(tmp_path / "whole")
    folder = tmp_path / "set"
    add, calls = ShardFile.add, itertools.count()

    def full(self: ShardFile, key: str, fields: Any) -> None:
        if next(calls) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(self, key, fields)

    with monkeypatch.context() as patch:
        patch.setattr(ShardFile, "add", full)
        with pytest.raises(OSError, match=r"model\.output=.*No space left on device.*same command again") as error:
            make_set(folder)
    assert error.value.errno == errno.ENOSPC
    assert {name for name in contents(folder) if not name.startswith(".")} == {"train-000000.tar", "train-000000.json"}
    make_set(folder)
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_folder_that_cannot_be_made_is_an_error_before_anything_is_generated(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    generator = NoiseGenerator()
    with pytest.raises(OSError, match=r"model\.output"):
        make_set(tmp_path / "file" / "set", generator)
    assert generator.calls == 0


@pytest.mark.parametrize("state", ["new", "interrupted", "finished"])
def test_a_second_command_is_refused_while_another_holds_the_folder(tmp_path: Path, state: str) -> None:
    folder = tmp_path / "set"
    if state == "finished":
        make_set(folder)
    elif state == "interrupted":
        with pytest.raises(RuntimeError, match="broke"):
            make_set(folder, NoiseGenerator(fail_at=3))
    lock = FolderLock(folder, first=True)
    before = contents(folder)
    generator = NoiseGenerator()
    with pytest.raises(ShardError, match="being written by another command"):
        make_set(folder, generator)
    assert generator.calls == 0
    assert contents(folder) == before
    lock.release()
    make_set(folder)
    make_set(tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


def test_generation_needs_a_plan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the data module GenerationPlan, got DigitsDataModule"):
        quiet_trainer().predict(Generation(NoiseGenerator(), str(tmp_path)), DigitsDataModule())


def test_a_generator_that_answers_with_another_number_is_an_error(tmp_path: Path) -> None:
    class Short(NoiseGenerator):
        def generate(
            self, labels_B: torch.Tensor, indices_B: torch.Tensor, seed: int, record_saliency: bool = False
        ) -> Generated:
            return super().generate(labels_B[:-1], indices_B[:-1], seed, record_saliency)

    with pytest.raises(ValueError, match="asked for 4 images"):
        make_set(tmp_path / "set", Short())
    assert not list((tmp_path / "set").glob("train-*"))


def test_saliency_without_maps_is_an_error_that_names_the_key(tmp_path: Path) -> None:
    class Plain(NoiseGenerator):
        def generate(
            self, labels_B: torch.Tensor, indices_B: torch.Tensor, seed: int, record_saliency: bool = False
        ) -> Generated:
            return super().generate(labels_B, indices_B, seed)

    with pytest.raises(ValueError, match=r"model\.save_saliency"):
        make_set(tmp_path / "set", Plain(), save_saliency=True)


def test_says_where_the_set_is_and_what_it_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    make_set(tmp_path / "set")
    assert f"The set is complete: {tmp_path / 'set'}" in caplog.text
    assert "20 images: 10 classes × 2 images by noise, seed 0" in caplog.text
    assert "20 of 20 images, 4 of 4 shards" in caplog.text


def test_a_moved_set_is_the_same_set(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    shutil.move(tmp_path / "set", tmp_path / "elsewhere")
    generator = NoiseGenerator()
    make_set(tmp_path / "elsewhere", generator).verify()
    assert generator.calls == 0
