"""Files that a sweep's command leads to are found, and known by what they say."""

from pathlib import Path

import pytest

from hieramp_lit.sweeps.contents import contents

FILES = {
    "trial.yaml": "generate: {config: [set.yaml, more.yaml], model.amplification.beta: 3}\ntune: {config: tune.yaml}",
    "set.yaml": "model: {init_args: {checkpoint: weights.safetensors, tokenizer: {checkpoint: 'asset://x'}}}",
    "more.yaml": "a: 1",
    "tune.yaml": "a: 1",
    "flag.yaml": "a: 1",
    "weights.safetensors": "w",
    "others.safetensors": "w",
}
WORDS = (
    "hieramp", "distill", "--config=trial.yaml", "--students.config", "flag.yaml",
    "--generate.model.checkpoint=others.safetensors", "--config", "absent.yaml", "--config", "${args_json_file}",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _write() -> None:
    for name, text in FILES.items():
        Path(name).write_text(text)


def test_all_files_are_found() -> None:
    found = contents(WORDS)
    assert set(found) == {*FILES, "absent.yaml"}
    assert [name for name, content in found.items() if content is None] == ["absent.yaml"]


@pytest.mark.parametrize("name", FILES)
def test_each_counts_by_what_it_says(name: str) -> None:
    before = contents(WORDS)
    path = Path(name)
    if path.suffix == ".yaml":
        path.write_text(f"# a comment\n{path.read_text()}\n")
        assert contents(WORDS) == before
    path.write_text(path.read_text() + ("\nb: 2" if path.suffix == ".yaml" else "w"))
    assert {key for key, content in contents(WORDS).items() if content != before[key]} == {name}


def test_what_is_no_yaml_counts_by_its_bytes_and_circles_end() -> None:
    Path("more.yaml").write_text("a: [")
    before = contents(WORDS)
    Path("more.yaml").write_text("a: [[")
    assert contents(WORDS) != before
    Path("more.yaml").write_text("config: trial.yaml\n1: {b: 2}")
    assert contents(WORDS)["more.yaml"] is not None
