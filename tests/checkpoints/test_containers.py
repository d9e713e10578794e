import pickle
from pathlib import Path

import pytest
import safetensors
import torch
from torch import nn

from hieramp_lit.checkpoints import check_network, load_strictly, read_record, read_tensors, resolve, save

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_round_trip(tmp_path: Path, suffix: str):
    save(tmp_path / f"w.{suffix}", TENSORS)
    read = read_tensors(tmp_path / f"w.{suffix}")
    assert list(read) == sorted(TENSORS) or list(read) == list(TENSORS)
    assert all(torch.equal(read[name], TENSORS[name]) for name in TENSORS)


def test_an_unknown_suffix_is_refused_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match=r"\.safetensors, \.pth or \.pt"):
        save(tmp_path / "w.bin", TENSORS)
    assert list(tmp_path.iterdir()) == []


def test_the_first_prefix_that_fits_chooses_and_is_cut_off(tmp_path: Path):
    torch.save({"state_dict": {"a.x": torch.ones(1), "b.x": torch.zeros(1)}}, tmp_path / "w.ckpt")
    assert read_tensors(tmp_path / "w.ckpt", prefixes=("c.", "b.", ""))["x"] == 0
    assert set(read_tensors(tmp_path / "w.ckpt", prefixes=("c.", ""))) == {"a.x", "b.x"}
    with pytest.raises(ValueError, match=r"no names that start with any of \['c\.'\]"):
        read_tensors(tmp_path / "w.ckpt", prefixes=("c.",))


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("pwned"),))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut short", pickle.dumps({"a": 1}, protocol=2)])
def test_a_damaged_file_is_named_with_key_and_remedy(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.checkpoint: .*{name}"):
        read_tensors(tmp_path / name, key="model.checkpoint")


def test_a_truncated_file_is_refused(tmp_path: Path):
    for name in ("w.pth", "w.safetensors"):
        save(tmp_path / name, TENSORS)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match="damaged, cut short"):
            read_tensors(tmp_path / name)


def test_pickled_code_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Evil()}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="pickled Python objects, which we refuse to run"):
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "pwned").exists()


def test_a_file_without_tensors_says_what_it_found(tmp_path: Path):
    torch.save({"epoch": 3, "args": "x"}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"holds no state dict. Found: \['args', 'epoch'\]"):
        read_tensors(tmp_path / "w.pth")


def test_strict_loading_lists_missing_surplus_and_shapes():
    with pytest.raises(ValueError, match=r"(?s)key: here does not fit Linear") as error:
        load_strictly(
            nn.Linear(3, 2), {"weight": torch.ones(3, 3), "b": torch.ones(2)}, source="here", key="key", hint="Do."
        )
    message = str(error.value)
    assert "Missing in the file (1): bias." in message
    assert "Surplus in the file (1): b." in message
    assert "weight: file (3, 3), model (2, 3)" in message
    assert message.endswith("Do.")


def test_half_precision_files_load_into_float32_models(tmp_path: Path):
    save(tmp_path / "w.safetensors", {name: tensor.half() for name, tensor in TENSORS.items()})
    linear = nn.Linear(3, 2)
    load_strictly(linear, read_tensors(tmp_path / "w.safetensors"), source="", key="")
    assert linear.weight.dtype == torch.float32
    assert torch.equal(linear.weight.data, TENSORS["weight"])


def test_names_resolve_to_shipped_assets_or_paths_or_say_what_to_do(tmp_path: Path):
    assert resolve("asset://digits/tokenizer.safetensors").is_file()
    with pytest.raises(FileNotFoundError, match=r"no such asset\. Shipped: .*asset://digits/tokenizer\.safetensors"):
        resolve("asset://digits/none.safetensors")
    with pytest.raises(FileNotFoundError, match=r"model\.checkpoint=.*no such file"):
        resolve(str(tmp_path / "none.pth"), key="model.checkpoint")


def test_a_checkpoint_of_another_task_is_refused_by_its_networks():
    theirs = {"state_dict": {"vqvae.a": torch.ones(1), "vqvae.b": torch.ones(1)}}
    check_network(theirs, "vqvae")
    with pytest.raises(ValueError, match=r"--ckpt_path: this task's network is called 'var', .* holds \['vqvae'\]"):
        check_network(theirs, "var")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_text_beside_the_weights_is_read_again_and_other_tools_see_plain_weights(tmp_path: Path, suffix: str):
    path = tmp_path / f"w.{suffix}"
    save(path, TENSORS, {"made": "here"})
    assert read_record(path) == {"made": "here"}
    assert read_tensors(path).keys() == TENSORS.keys()
    linear = nn.Linear(3, 2)
    if suffix == "pth":
        loaded = torch.load(path, weights_only=True)
        assert loaded.keys() == TENSORS.keys()
        linear.load_state_dict(loaded, strict=True)
    save(path, TENSORS)
    assert read_record(path) == {}


def test_equal_weights_give_equal_files(tmp_path):
    """A set's identity holds the file's SHA-256: the order of metadata, which safetensors draws, may not change it."""
    tensors = {"b.weight": torch.arange(6.0).reshape(2, 3), "a": torch.zeros(4, dtype=torch.float16)}
    entries = {f"entry{i}": f"value é {i}" for i in range(12)}
    files = set()
    for i in range(8):
        shuffled = dict(sorted(entries.items(), key=lambda entry, i=i: hash((entry, i))))
        save(tmp_path / "weights.safetensors", tensors, shuffled)
        files.add((tmp_path / "weights.safetensors").read_bytes())
    assert len(files) == 1
    with safetensors.safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert file.metadata() == entries
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in tensors.items())
