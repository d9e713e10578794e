import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.cli import main
from hieramp_lit.shards import ShardError
from tests.inspection.conftest import digits, network, others, tokens  # noqa: F401 (fixtures)
from tests.inspection.sets import CODES, NETWORK, PATCH_NUMS, write_network

ROOT = Path(__file__).parents[2]
STUDENT = str(ROOT / "configs/student/digits.yaml")
REAL = str(ROOT / "configs/generate/digits_real.yaml")
AT = f"@{NETWORK}"


def inspect(*arguments, output="found.json"):
    main(["inspect", *map(str, arguments), "--output", output])
    return json.loads(Path(output).read_text())


def by(network):  # noqa: F811
    return ["--features", NETWORK, "--checkpoint", network]


def test_writes_the_result_beside_the_shards_and_the_set_stays_whole(digits, tmp_path, network, capsys):  # noqa: F811
    folder = shutil.copytree(digits, tmp_path / "set")
    main(["inspect", str(folder), *map(str, by(network))])
    out = capsys.readouterr().out
    assert "teacher_top1" + AT in out
    assert "not measured: precision" in out
    assert "OpenAI evaluator" in out
    found = json.loads((folder / "inspect.json").read_text())
    assert found["summary"]["teacher_top1" + AT] <= 1
    assert found["device"]
    main(["verify", str(folder)])
    assert "is whole" in capsys.readouterr().out
    main(["inspect", str(folder), *map(str, by(network))])  # and again


def test_the_teacher_of_a_student_s_configuration(digits):  # noqa: F811
    found = inspect(digits, "--config", STUDENT)
    assert found["summary"]["teacher_top1@convnet3_w32"] > 0.9
    assert found["features"]["convnet3_w32"]["image_size"] == 32


def test_flags_override_the_configuration(digits, network):  # noqa: F811
    teacher = ["--model.teacher.architecture", NETWORK, "--model.teacher.checkpoint", network]
    found = inspect(digits, "--config", STUDENT, *teacher, "--model.mean", "[0.485,0.456,0.406]")
    assert found["summary"] == inspect(digits, *by(network))["summary"]


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """The digits' training images as PNG files in a folder a digit."""
    from hieramp_lit.generate import DigitsImages

    root, data = tmp_path_factory.mktemp("training"), DigitsImages("train")
    for place, (pixels, digit) in enumerate(zip(data.pixels(range(len(data.rows()))), data.rows(), strict=True)):
        (root / str(int(digit))).mkdir(exist_ok=True)
        Image.fromarray(pixels.numpy()).save(root / str(int(digit)) / f"{place:04d}.png")
    return root


def test_a_reference_is_the_same_by_word_configuration_and_folder(digits, network, training):  # noqa: F811
    found = [inspect(digits, *by(network), "--reference", given) for given in ("digits", REAL, training)]
    word, configured, folder = (one["summary"] for one in found)
    assert word == configured
    assert folder == pytest.approx(word, rel=1e-5, abs=1e-6)  # the images come in another order
    assert word["nearest_mean" + AT] == 0  # the set was chosen among them
    assert [one["reference"]["images"] for one in found] == [1347] * 3
    assert re.fullmatch(r"\d/\d{4}\.png", found[2]["nearest"][NETWORK][0]["reference"])


def test_a_reference_may_be_a_set_and_be_limited(digits, others, network):  # noqa: F811
    whole = inspect(digits, *by(network), "--reference", others)
    assert whole["reference"]["images"] == 80
    limited = inspect(digits, *by(network), "--reference", others, "--reference-images", 40)
    assert limited["reference"]["images"] == 40
    assert limited["summary"]["nearest_mean" + AT] >= whole["summary"]["nearest_mean" + AT]


def test_settings_reach_the_metrics(digits, others, network):  # noqa: F811
    settings = ["--k", 2, 4, "--vendi-q", "inf", "--kid-subsets", 3, "--kid-subset-size", 20, "--seed", 5, "--pairs", 2]
    usual = inspect(digits, *by(network), "--reference", others)
    found = inspect(digits, *by(network), "--reference", others, *settings)
    for name in ("precision", "density", "vendi", "kid"):
        assert found["summary"][name + AT] != usual["summary"][name + AT]
    assert found["settings"]["vendi_q"] == "inf"
    assert len(found["nearest"][NETWORK]) == 2


def test_tokens_without_any_network(tokens, capsys):  # noqa: F811
    found = inspect(tokens)
    assert {"token_entropy/coarse", "token_coverage/fine"} <= set(found["summary"])
    assert "tokens by scale" in capsys.readouterr().out
    maps = ["--patch-nums", *PATCH_NUMS, "--vocab-size", CODES]
    assert inspect(tokens, *maps)["summary"] == found["summary"]


def test_imported_images_of_other_sizes_and_grey(tmp_path, network):  # noqa: F811
    draws = np.random.default_rng(0)
    for digit in range(10):
        (tmp_path / "images" / str(digit)).mkdir(parents=True)
        for n in range(2):
            grey = Image.fromarray(draws.integers(0, 256, (20, 28), dtype=np.uint8), mode=None)
            grey.save(tmp_path / "images" / str(digit) / f"{n}.png")
    main(["import", str(tmp_path / "images"), "--out", str(tmp_path / "set"), "--classes", "digits"])
    found = inspect(tmp_path / "set", *by(network), "--image-size", "32", "--reference", "digits", "--batch-size", 3)
    assert (found["set"]["image_size"], found["set"]["images"]) == (20, 20)
    assert found["summary"]["nearest_min" + AT] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--features", NETWORK, "--config", STUDENT], "not both"),
        (["--model.mean", "[0,0,0]"], "unknown without a --config"),
        (["--checkpoint", "weights.pth"], "belong to --features NAME"),
        (["--reference", "digits"], "--reference needs a feature network"),
        (["--k", "0", "5"], "0 is below 1"),
        (["--reference-images", "0"], "0 is below 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(digits, arguments, said, capsys):  # noqa: F811
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(digits), *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nowhere", "there is no such file or folder. Give the folder of a shard set"),
        (
            str(ROOT / "configs/generate/digits_plain.yaml"),
            "is a configuration of AmplifiedGeneration. Give the folder",
        ),
        (str(ROOT / "configs/generate/digits_rded.yaml"), "is a configuration of RDED"),
        (STUDENT, "is a configuration of RelabelTraining"),
        (str(ROOT / "configs"), "has no sub-folder for 10 of the set's 10 classes: 0, 1"),
    ],
)
def test_references_that_are_none_are_refused(digits, network, reference, said):  # noqa: F811
    with pytest.raises((ValueError, OSError), match=said):
        inspect(digits, *by(network), "--reference", reference)


def test_sets_and_networks_that_do_not_fit_are_refused(digits, tmp_path, network):  # noqa: F811
    with pytest.raises(ShardError, match="not a finished shard set"):
        inspect(tmp_path, *by(network))
    wrong = write_network(tmp_path / "three.safetensors", 3)
    with pytest.raises(ValueError, match=r"model\.teacher"):
        inspect(digits, "--config", STUDENT, "--model.teacher.architecture", NETWORK,
                "--model.teacher.checkpoint", wrong)  # fmt: skip
    with pytest.raises(ValueError, match=r"model\.teacher is null"):
        inspect(digits, "--config", ROOT / "configs/student/digits_teacher.yaml")
    with pytest.raises(FileNotFoundError, match="There is no file inception"):
        inspect(digits, "--inception", "inception.pth")


def test_a_folder_that_cannot_be_written_is_told(digits, network):  # noqa: F811
    Path("file").touch()
    with pytest.raises(OSError, match="cannot write to --output"):
        inspect(digits, *by(network), output="file/found.json")
