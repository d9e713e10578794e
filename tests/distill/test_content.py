"""A stage's hash follows what decides its output, and nothing else."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from hieramp_lit.distill import Stages
from hieramp_lit.distill.configuration import resolve
from hieramp_lit.distill.content import decisive_values, stage_hash
from hieramp_lit.distill.inspecting import inspected_content
from hieramp_lit.distill.planning import plan_stages
from hieramp_lit.distill.reading import Setting
from tests.configs.shipped import ROOT
from tests.distill.trials import stages_of, trial_of

EVERYTHING = {"tune", "generate", "real", "students", "real_students"}
AFTER_TUNING = {"tune", "generate", "students"}
ON_THE_SET = {"generate", "students"}
ALL_STUDENTS = {"students", "real_students"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("base"))
        return stages_of()


def changed(base: Stages, other: Stages) -> set[str]:
    """Names of the stages whose hash is another one."""
    names = base.named().keys() | other.named().keys()
    return {name for name in names if _digest(base, name) != _digest(other, name)}


def _digest(stages: Stages, name: str) -> str | None:
    stage = stages.named().get(name)
    return None if stage is None else stage.digest()


@pytest.mark.parametrize(
    ("arguments", "stages"),
    [
        (["--students.seeds=[0, 1, 2, 3]"], ALL_STUDENTS),
        (["--generate.model.amplification.rho=0.3"], ON_THE_SET),
        (["--generate.model.amplification=null"], ON_THE_SET),
        (["--generate.data.seed=1"], ON_THE_SET | {"real", "real_students"}),  # another choice of real images, too
        (["--tune.model.label_dropout=0.4", "--tune.model.seed=1"], AFTER_TUNING),
        (["--students.model.student=convnet3"], ALL_STUDENTS),
        (["--generate.trainer.precision=bf16-mixed"], ON_THE_SET),
        (["--real=null"], {"real", "real_students"}),
        (["--students=null"], ALL_STUDENTS),
        (["--generate.model.tokenizer.checkpoint=asset://digits/var.safetensors"], ON_THE_SET),
        (["--students.model.teacher=null"], ALL_STUDENTS),
        # of the machine, or paths and names
        (
            [
                *("--generate.trainer.devices=4", "--generate.data.batch_size=2", "--generate.trainer.accelerator=cpu"),
                *("--generate.model.compile=default", "--generate.model.decode_batch_size=1"),
                *("--tune.trainer.log_every_n_steps=1", "--tune.data.num_workers=3"),
                *("--tune.trainer.callbacks=null", "--tune.model.checkpointing=true"),
                *("--students.trainer.enable_progress_bar=false", "--students.data.max_host_gib=1"),
                *("--students.data.validation.batch_size=9", "--real.data.batch_size=3"),
                *("--store=elsewhere", "--name=other", "--wandb.project=p"),
            ],
            set(),
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_a_change_leaves_as_it_was(base: Stages, arguments: list[str], stages: Iterable[str]) -> None:
    other = stages_of(*arguments)
    assert changed(base, other) == stages
    assert (base.hash == other.hash) == (not stages)


def test_off_is_the_set_of_a_trial_that_amplifies_nothing(base: Stages) -> None:
    plain = stages_of("--generate.model.amplification=null", "--real=null", "--students=null")
    for change in ("--generate.model.amplification.rho=0.3", "--generate.model.amplification={beta: 7, stages: [mid]}"):
        both = stages_of(change, "--off={}", "--real=null", "--students=null")
        assert both.off is not None
        assert (both.off.digest(), both.off.folder) == (plain.generate.digest(), plain.generate.folder)
        assert both.off.name == plain.generate.name  # one record, one log
        assert both.off.command_line == plain.generate.command_line
        assert both.generate.digest() != plain.generate.digest()
    none = stages_of("--generate.model.amplification=null", "--off={}", "--real=null", "--students=null")
    assert (none.off, none.hash) == (None, plain.hash)
    assert changed(base, stages_of("--off={}")) == {"off"}
    assert base.hash != stages_of("--off={}").hash


def test_a_smaller_off_is_a_smaller_plain_set() -> None:
    arguments = ("--real=null", "--students=null")
    plain = stages_of(*arguments, "--generate.model.amplification=null", "--generate.data.class_subset=[3, 5]")
    few = stages_of(*arguments, "--generate.data.images_per_class=4", "--off={data.images_per_class: 1}",
                    "--off.data.class_subset=[3, 5]", "--off.data.batch_size=2", "--off.trainer.devices=2")  # fmt: skip
    assert few.off is not None
    assert few.off.digest() == plain.generate.digest()


def test_whether_there_is_a_report_changes_no_hash(base: Stages) -> None:
    other = stages_of("--report=true")
    assert (changed(base, other), other.hash) == (set(), base.hash)


def test_seeds_in_another_order_are_the_same_students(base: Stages) -> None:
    assert changed(base, stages_of("--students.seeds=[2, 0, 1]")) == set()


def test_the_same_values_from_another_file_are_the_same(base: Stages) -> None:
    trial_of()
    shutil.copy(ROOT / "configs/generate/digits.yaml", "mine.yaml")
    other = stages_of("--generate.config=[mine.yaml]", "--generate.model.amplification.beta={coarse: 5}")
    assert changed(base, other) == set()


def test_weights_count_by_content_and_not_by_place(tmp_path: Path) -> None:
    def hash_with(weights: str) -> str:
        return stages_of("--tune=null", "--real=null", "--students=null", f"--generate.model.checkpoint={weights}").hash

    asset = ROOT / "hieramp_lit/assets/digits/var.safetensors"
    shutil.copy(asset, "copy.safetensors")
    (tmp_path / "other.safetensors").write_bytes(asset.read_bytes() + b" ")
    first = hash_with("asset://digits/var.safetensors")
    assert hash_with("copy.safetensors") == first
    assert hash_with(str(tmp_path / "copy.safetensors")) == first
    assert hash_with("other.safetensors") != first


def test_weights_of_the_hub_count_by_name() -> None:
    trial_of()
    hashes = {
        name: stage_hash(
            "generate",
            decisive_values(
                "generate", resolve(trial_of("--tune=null", f"--generate.model.checkpoint={name}").generate)
            ),
        )
        for name in ("hf://a/b/var.pth", "hf://a/b@main/var.pth")
    }
    assert len(set(hashes.values())) == 2


def test_a_global_batch_frees_the_tuning_from_devices_and_batches() -> None:
    one = stages_of("--tune.model.global_batch=32")
    four = stages_of("--tune.model.global_batch=32", "--tune.trainer.devices=4", "--tune.data.batch_size=8")
    assert changed(one, four) == set()
    assert changed(one, stages_of("--tune.model.global_batch=64")) == AFTER_TUNING


def test_a_callback_that_ends_a_fit_early_counts(base: Stages) -> None:
    stopping = (
        '[{"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "val/token_loss"}}]'
    )
    assert changed(base, stages_of(f"--tune.trainer.callbacks={stopping}")) == AFTER_TUNING


def test_moving_the_repository_and_the_store_changes_nothing(base: Stages, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copytree(ROOT / "configs", moved / "configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(moved)
        other = plan_stages(trial_of(f"--store={tmp_path / 'store'}"))
    assert changed(base, other) == set()
    assert {stage.folder.relative_to(tmp_path / "store") for stage in other.named().values()} == {
        stage.folder.relative_to("runs/distill/digits") for stage in base.named().values()
    }


def test_what_is_inspected_is_the_set_under_these_flags() -> None:
    flags = ["--inspect.config=configs/student/digits.yaml", "--inspect.reference=digits"]
    first = stages_of(*flags)
    assert first.inspect is not None
    assert first.inspect.arguments[2:6] == ("--config", "configs/student/digits.yaml", "--reference", "digits")
    assert changed(first, stages_of(*flags, "--inspect.batch-size=3")) == set()
    assert changed(first, stages_of(*flags, "--inspect.k=[4, 5]")) == {"inspect"}
    assert changed(first, stages_of(*flags, "--generate.data.seed=1")) == ON_THE_SET | {
        "real",
        "real_students",
        "inspect",
    }


def _on_folder(**arguments: object) -> str:
    """Hash of a stage on real images."""
    data = {"class_path": "FolderImages", "init_args": arguments}
    model = {"class_path": "Generation", "init_args": {"generator": {"init_args": {"data": data}}}}
    return stage_hash("real", decisive_values("real", {"trainer": {}, "model": model}))


@pytest.mark.parametrize("key", ["classes", "root", "train", "val"])
def test_a_folder_counts_by_the_classes_in_it(key: str) -> None:
    for name in ("images/dog", "images/cat", "other/dog", "other/cat", "dog/within"):
        Path(name).mkdir(parents=True)
    first = _on_folder(**{key: "images"})
    assert first == _on_folder(**{key: "images"})
    assert (first == _on_folder(**{key: "other"})) == (key == "classes")  # other images, of the same classes
    words = _on_folder(classes=["dog"])
    Path("images/fish").mkdir()
    Path("dog/more").mkdir()
    assert first != _on_folder(**{key: "images"})
    assert words == _on_folder(classes=["dog"])  # a word, though there is a folder of this name


def test_a_set_of_other_classes_is_another_one() -> None:
    Path("images/dog").mkdir(parents=True)
    arguments = (
        *("--tune=null", "--real=null", "--students=null", "--generate.data.classes=images"),
        "--generate.model.checkpoint=asset://digits/var.safetensors",
    )
    one = stages_of(*arguments)
    Path("images/cat").mkdir()
    assert changed(one, stages_of(*arguments)) == {"generate"}


def test_lists_of_classes_count_by_content() -> None:
    hashes = []
    for content in ("dog", "dog", "cat"):
        Path("classes.txt").write_text(content)
        Path("copy.txt").write_text(content)
        assert _on_folder(classes="classes.txt") == _on_folder(classes="copy.txt")
        hashes.append(_on_folder(classes="classes.txt"))
    assert (hashes[0] == hashes[1], hashes[0] == hashes[2]) == (True, False)


def test_a_teacher_counts_by_content() -> None:
    def hash_with(content: bytes, name: str) -> str:
        Path(name).write_bytes(content)
        values = {"trainer": {}, "model": {"init_args": {"teacher": {"init_args": {"checkpoint": name}}}}}
        return stage_hash("students", decisive_values("students", values))

    assert hash_with(b"teacher", "a.pth") == hash_with(b"teacher", "b.pth") != hash_with(b"another", "a.pth")


def test_what_a_set_is_compared_with_counts_by_content() -> None:
    def hash_with(setting: Setting) -> str:
        return stage_hash("inspect", inspected_content([setting]))

    def reference(name: str) -> str:
        return hash_with(Setting(("inspect", "reference"), name, "a test"))

    Path("one.yaml").write_text("a: 1")
    Path("two.yaml").write_text("a: 1")
    before = reference("one.yaml")
    assert before == reference("two.yaml")
    Path("one.yaml").write_text("a: 2")
    assert before != reference("one.yaml")
    Path("images/dog").mkdir(parents=True)
    before = reference("images")
    Path("images/cat").mkdir()
    assert before != reference("images")
    Path("set").mkdir()
    Path("set/manifest.json").write_text("1")
    before = reference("set")
    Path("set/manifest.json").write_text("2")
    assert before != reference("set")


def test_plugins_may_change_the_arithmetic() -> None:
    def hash_with(plugins: object) -> str:
        return stage_hash("tune", decisive_values("students", {"trainer": {"plugins": plugins}}))

    assert hash_with(None) != hash_with({"class_path": "lightning.pytorch.plugins.TransformerEnginePrecision"})
