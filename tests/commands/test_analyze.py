"""`hieramp analyze` from command line to files."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hieramp_lit.checkpoints import weights_sha256
from hieramp_lit.cli import main
from hieramp_lit.files import read_json, write_json
from hieramp_lit.shards.encode import encode_image
from hieramp_lit.shards.export import export_folder
from hieramp_lit.shards.verify import find_faults
from tests.analysis.synthetic import random_tokens, write_set
from tests.conftest import TINY_PATCH_NUMS
from tests.inspection.sets import TokenGenerator
from tests.report.content.made import made_set
from tests.shards.making import make_set

CODES = 16
IMAGE = encode_image(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8), "png")


def made(folder: Path, draw: int, tokenizer: str = "a" * 64, **options) -> Path:
    tokens = random_tokens(30, CODES, draw)
    options = {"patch_nums": TINY_PATCH_NUMS, "vocab_size": CODES, "tokenizer": tokenizer, "image": IMAGE} | options
    return write_set(folder, tokens, **options).path


def bare(folder: Path, **options) -> Path:
    options = {"configuration": {}, "generator": "another", "image": IMAGE} | options
    return write_set(folder, lambda cls, index: None, **options).path


def run(*arguments: object) -> None:
    main(["analyze", *map(str, arguments), "--formats", "png"])


def test_sets_beside_a_plain_one(tmp_path, capsys):
    ours, more, plain = (made(tmp_path / name, draw) for draw, name in enumerate(("ours", "more", "plain")))
    run(ours, more, "--against", plain, "--labels", "A", "B", "P", "--classes", "class 1", "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "analysis.json")
    assert (list(found["sets"]), found["against"], list(found["changes"])) == (["A", "B", "P"], "P", ["A", "B"])
    assert set(found["figures"]) == {
        "token-statistics", "entropy-changes", "coverage-changes", "entropy-changes-scales", "coverage-changes-scales",
        "distinct-codes-0001",
    }  # fmt: skip
    with (tmp_path / "out" / "entropy-changes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], row["set"]) for row in rows] == [
        (s, name) for s in ("coarse", "mid", "fine") for name in "AB"
    ]
    for row in rows:
        told = found["changes"][row["set"]]["stages"]["entropy"][row["stage"]]
        values = [
            [one["entropy_of_stage"][row["stage"]] for one in found["sets"][name]["per_class"]]
            for name in (row["set"], "P")
        ]
        assert int(row["rise"]) == told["rise"] == sum(new > old for new, old in zip(*values, strict=True))
    told = capsys.readouterr()
    assert "beside “P”" in told.out
    assert "note: No class-token maps" in told.out
    assert "36 of 36 images counted" in told.err
    assert "tokens of 36 images in 3 sets counted, 6 figures" in told.err
    assert f"hieramp report {ours} {more} --against {plain} -o report.html" in told.err


@pytest.mark.parametrize("word", ["1", "5"], ids=["cls", "name"])
def test_codes_and_maps_are_of_the_same_class_where_rows_are_not_numbered_from_0(tmp_path, word):
    shards = made_set(tmp_path / "set", class_subset=[3, 5])
    run(shards.path, "--classes", word, "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "analysis.json")
    assert found["saliency"]["images"] == ["r00005_00000"]
    assert [[one["name"] for one in each["distinct"]] for each in found["sets"].values()] == [["5"]]


def test_results_beside_the_shards_are_no_part_of_the_set(tmp_path):
    shards = make_set(tmp_path / "set", TokenGenerator())
    run(shards.path, "--classes", 3)
    assert (shards.path / "analysis" / "analysis.json").is_file()
    assert list(find_faults(shards.path)) == []
    export_folder(shards, tmp_path / "images", "index")
    assert len(list((tmp_path / "images").rglob("*.png"))) == len(shards)
    assert make_set(tmp_path / "set", TokenGenerator()).manifest.hash == shards.manifest.hash


@pytest.mark.parametrize("all_encoded", [False, True], ids=["bare", "all"])
def test_images_without_tokens_are_encoded(tmp_path, capsys, tiny_tokenizer, all_encoded):
    plain = made(tmp_path / "plain", 0, weights_sha256(tiny_tokenizer))
    options = ["--encode-all"] if all_encoded else []
    other = bare(tmp_path / "other")
    run(other, "--against", plain, "--tokenizer", tiny_tokenizer, "--classes", 0, "--out", tmp_path / "out", *options)
    found = read_json(tmp_path / "out" / "analysis.json")
    kinds = [one["set"]["tokens"] for one in found["sets"].values()]
    assert kinds == ["encoded", "encoded" if all_encoded else "stored"]
    mixed = "One set's tokens are stored, the other's encoded" in capsys.readouterr().out
    assert mixed != all_encoded
    if all_encoded:  # both have the same images
        change = found["changes"]["another, encoded"]["stages"]["entropy"]["fine"]
        assert (change["stay"], change["mean"]) == (3, 0)


def test_a_configuration_names_tokenizer_and_token_maps(tmp_path, tiny_tokenizer):
    config = tmp_path / "tokenize.yaml"
    images = {"class_path": "DigitsDataModule"}
    model = {"output": "x", "patch_nums": list(TINY_PATCH_NUMS), "tokenizer": {"checkpoint": str(tiny_tokenizer)}}
    write_json(
        config,
        {
            "model": {"class_path": "Tokenization", "init_args": model},
            "data": {"class_path": "TokenizationPlan", "init_args": {"images": images}},
        },
    )
    run(bare(tmp_path / "set"), "--tokenizer", config, "--classes", 0, "--out", tmp_path / "out")
    (found,) = read_json(tmp_path / "out" / "analysis.json")["sets"].values()
    assert found["tokens"] == {"patch_nums": [1, 2, 3, 4], "vocab_size": CODES}
    assert found["set"]["tokenizer_sha256"] == weights_sha256(tiny_tokenizer)


def test_one_image_of_a_class_has_no_different_codes(tmp_path, capsys):
    run(made(tmp_path / "set", 0, images_per_class=1), "--classes", 2, "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "analysis.json")
    assert list(found["figures"]) == ["token-statistics"]
    assert found["notes"][0] in capsys.readouterr().out.replace("\n", " ")
    assert "need two images of a class or more" in found["notes"][0]


def test_refusals_come_before_anything_is_counted(tmp_path, tiny_tokenizer, capsys):
    ours, seeded = made(tmp_path / "ours", 0), made(tmp_path / "seeded", 1, seed=5)
    for message, arguments in {
        r"seed \(--any-seed lets seeds differ\): 0 and 5": [ours, "--against", seeded],
        "stores no tokens, its generator .another. has none: give --tokenizer": [bare(tmp_path / "bare")],
        "no file of a tokenizer says its token maps": [tmp_path / "bare", "--tokenizer", tiny_tokenizer],
        "--encode-all needs --tokenizer": [ours, "--encode-all"],
        "--tokenizer='nowhere.pth'": [tmp_path / "bare", "--tokenizer", "nowhere.pth", "--patch-nums", 1, 2],
        "SHA-256 of the tokenizer": [tmp_path / "bare", "--against", ours, "--tokenizer", tiny_tokenizer],
        "the set has no such class": [ours, "--classes", "zebra"],
        "--patch-nums and --vocab-size: give both": [ours, "--patch-nums", 1, 2],
        "the set does not say which token maps": [made(tmp_path / "old", 0, configuration={})],
    }.items():
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            run(*arguments, "--out", tmp_path / "out")
    assert "counted" not in capsys.readouterr().err
    for message, arguments in {
        "a set is given twice": [ours, "--against", tmp_path / "." / "ours"],
        "3 names for 1 sets": [ours, "--labels", "a", "b", "c"],
        "names must differ": [ours, seeded, "--labels", "a", "a"],
    }.items():
        with pytest.raises(SystemExit):
            run(*arguments)
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not (ours / "analysis").exists()
