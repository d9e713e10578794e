"""Every shipped configuration is a test case: it parses, repeats itself, refuses what it does not know, and runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.cli import main
from hieramp_lit.data import TokenCache
from hieramp_lit.data.digits import load_digits_split
from hieramp_lit.report import results
from hieramp_lit.shards import ShardSet
from hieramp_lit.students import create_student

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "tokenizer": "fit",
    "tokenize": "tokenize",
    "token_tuning": "fit",
    "student": "fit",
    "generate": "predict",
}
OVERLAYS = sorted(ROOT.glob("configs/overlays/*.yaml"))
BASES = [path for path in sorted(ROOT.glob("configs/*/*.yaml")) if path not in OVERLAYS]


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def printed(capsys: pytest.CaptureFixture[str], command: str, *configs: Path) -> str:
    """The whole configuration as the command would run it."""
    flags = [item for config in configs for item in ("--config", str(config))]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([command, *flags, "--print_config"])
    shown = capsys.readouterr()
    assert stop.value.code == 0, shown.err
    return shown.out


def test_every_folder_has_a_command() -> None:
    assert {path.parent.name for path in BASES} == set(COMMANDS)
    assert all(path.suffix in {".yaml", ".md"} for path in ROOT.glob("configs/**/*.*"))


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a configuration with the name it stands under."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value


def test_what_one_configuration_reads_another_one_writes() -> None:
    texts = {(path, *found) for path in BASES for found in _texts(yaml.safe_load(path.read_text()))}
    made = {(path, key, text) for path, key, text in texts if text.startswith(("sets/", "runs/", "tokens/"))}
    written = {text for _, key, text in made if key in {"output", "export"}}
    read = {(_name(path), text) for path, key, text in made if key not in {"output", "export"}}
    assert ("student/digits", "sets/digits_amplified") in read
    assert [found for found in read if found[1] not in written] == []


@pytest.mark.parametrize("config", BASES, ids=_name)
class TestEveryConfiguration:
    def test_parses_and_repeats_itself(self, config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        command = COMMANDS[config.parent.name]
        whole = printed(capsys, command, config)
        resolved = tmp_path / "resolved.yaml"
        resolved.write_text(whole)
        assert printed(capsys, command, resolved) == whole

    def test_says_first_what_it_reproduces(self, config: Path) -> None:
        assert config.read_text().startswith("# ")

    def test_parses_under_every_overlay(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = COMMANDS[config.parent.name]
        fitting = [path for path in OVERLAYS if command == "fit" or "model" not in yaml.safe_load(path.read_text())]
        printed(capsys, command, config, *fitting)

    @pytest.mark.parametrize("section", ["model", "data", "trainer"])
    def test_refuses_an_unknown_key(
        self, config: Path, section: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        typo = tmp_path / "typo.yaml"
        values = {"batch_sise": 1} if section == "trainer" else {"init_args": {"batch_sise": 1}}
        typo.write_text(yaml.safe_dump({section: values}))
        with pytest.raises(SystemExit) as stop:
            main([COMMANDS[config.parent.name], "--config", str(config), "--config", str(typo), "--print_config"])
        assert stop.value.code == 2
        assert "batch_sise" in capsys.readouterr().err


@pytest.mark.parametrize("overlay", OVERLAYS, ids=_name)
def test_overlays_hold_no_science(overlay: Path) -> None:
    assert overlay.read_text().startswith("# ")
    values = yaml.safe_load(overlay.read_text())
    # A debugging run may leave the weights of a real one alone.
    assert values.pop("model", None) in (None, {"init_args": {"export": None}})
    assert set(values) == {"trainer"}


@pytest.fixture(scope="session")
def real_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard set of ten real digits."""
    folder = tmp_path_factory.mktemp("sets") / "real"
    quiet = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    config = str(ROOT / "configs/generate/digits_real.yaml")
    main(["predict", "--config", config, "--model.output", str(folder), *quiet])
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Somebody's own images, a folder for each of ten classes, as arguments of the data module."""
    root = tmp_path_factory.mktemp("images")
    for part in ("train", "test"):
        images, labels = load_digits_split(part)
        for label in range(10):
            folder = root / part / str(label)
            folder.mkdir(parents=True)
            for index, image in enumerate(images[labels == label][:2]):
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
    return {"train": str(root / "train"), "val": str(root / "test"), "image_size": 32, "num_workers": 0}


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A teacher that knows nothing, as argument of the task."""
    path = tmp_path_factory.mktemp("weights") / "teacher.safetensors"
    torch.manual_seed(0)
    save(path, create_student("convnet3", 10, 32).state_dict())
    return {"architecture": "convnet3", "checkpoint": str(path)}


@pytest.fixture(scope="session")
def token_cache(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path, image_folder: dict[str, Any]
) -> dict[str, Any]:
    """Somebody's own images as tokens of `tiny_tokenizer`, as arguments of the data module."""
    folder = tmp_path_factory.mktemp("tokens") / "tiny"
    images = [f"--data.images.{name}={value}" for name, value in image_folder.items()]
    config, tiny = ROOT / "configs/tokenize/folder.yaml", ROOT / "tests/tiny/tokenize.yaml"
    given = [f"--model.tokenizer.checkpoint={tiny_tokenizer}", f"--model.output={folder}", *images]
    main(["tokenize", f"--config={config}", f"--config={tiny}", *given, "--trainer.logger=false"])
    return {"path": str(folder)}


@pytest.fixture
def tiny_inputs(
    tiny_tokenizer: Path,
    tiny_var: Path,
    real_set: Path,
    image_folder: dict[str, Any],
    token_cache: dict[str, Any],
    teacher: dict[str, Any],
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Tiny files and folders in place of those that a configuration names."""

    def exchange(shipped: dict[str, Any]) -> dict[str, Any]:
        model, data = shipped["model"]["init_args"], shipped["data"]
        own_data = {
            "DigitsDataModule": {},
            "ImageFolderDataModule": image_folder,
            "GenerationPlan": {"classes": "digits", "images_per_class": 1},
            "ShardDataModule": {"path": str(real_set), "image_size": 32},
            "TokenDataModule": token_cache,
            "TokenizationPlan": {},
        }
        new_model: dict[str, Any] = {}
        new_data = dict(own_data[data["class_path"]])
        if "tokenizer" in model:
            new_model["tokenizer"] = {"checkpoint": str(tiny_tokenizer)}
            if model.get("checkpoint") is not None:
                new_model["checkpoint"] = str(tiny_var)
        if model.get("teacher"):
            new_model["teacher"] = teacher
        if model.get("generator", {}).get("init_args", {}).get("data", {}).get("class_path") == "FolderImages":
            folder = {"root": image_folder["train"], "image_size": 32}
            new_model["generator"] = {"init_args": {"data": {"init_args": folder}}}
            new_data["classes"] = image_folder["train"]
        if "image_size" in model:
            new_model["image_size"] = 32
        if "images" in data["init_args"]:
            new_data["images"] = {"init_args": own_data[data["init_args"]["images"]["class_path"]]}
        if "validation" in data["init_args"] and isinstance(data["init_args"]["validation"], dict):
            new_data["validation"] = {"init_args": own_data[data["init_args"]["validation"]["class_path"]]}
        return {"model": {"init_args": new_model}, "data": {"init_args": new_data}}

    return exchange


@pytest.mark.parametrize("config", BASES, ids=_name)
def test_runs_on_the_cpu_in_seconds(
    config: Path,
    tiny_inputs: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """The configuration itself, made small by tests/tiny, with its input files exchanged for tiny ones."""
    shipped = yaml.safe_load(config.read_text())
    Path("inputs.yaml").write_text(yaml.safe_dump(tiny_inputs(shipped)))
    tiny = ROOT / "tests" / "tiny" / f"{config.parent.name}.yaml"
    command = COMMANDS[config.parent.name]
    main([command, "--config", str(config), "--config", str(tiny), "--config", "inputs.yaml"])

    model = shipped["model"]["init_args"]
    if command == "predict":
        made = ShardSet.open(Path(model["output"]))
        assert len(made) == 10
        made.verify()
    if command == "tokenize":
        assert TokenCache.open(Path(model["output"])).layout.views == 1
    if model.get("export"):
        assert read_tensors(Path(model["export"]))
    if config.parent.name == "student":
        (result,) = Path("runs").rglob(results.FILE)
        assert results.read(result)["summary"]["n"] == 1
