"""Exported weights are the checkpoint's, under published names, whatever the container was."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hieramp_lit.checkpoints import read_tensors
from hieramp_lit.cli import main
from hieramp_lit.var import Scales, load_var, load_vqvae


def _same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def fit_checkpoint(tiny_var: Path, tiny_tokenizer: Path, tmp_path: Path) -> Path:
    """What a fit leaves: both networks below their attribute names, in half precision, among other things."""
    state = {f"var.{name}": value for name, value in read_tensors(tiny_var).items()}
    state |= {f"vqvae.{name}": value for name, value in read_tensors(tiny_tokenizer).items()}
    state = {name: value.bfloat16() if value.is_floating_point() else value for name, value in state.items()}
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": state, "global_step": 3, "optimizer_states": []}, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_both_networks_load_strictly_again(
    fit_checkpoint: Path, tiny_var: Path, tiny_tokenizer: Path, tmp_path: Path, suffix: str
) -> None:
    var, tokenizer = tmp_path / f"var{suffix}", tmp_path / f"tokenizer{suffix}"
    main(["export-weights", str(fit_checkpoint), "--out", str(var), "--part", "var"])
    main(["export-weights", str(fit_checkpoint), "--out", str(tokenizer), "--part", "tokenizer"])
    loaded = load_var(str(var))
    assert _same(
        loaded.state_dict(),
        {
            n: t.bfloat16().float() if t.is_floating_point() else t
            for n, t in load_var(str(tiny_var)).state_dict().items()
        },
    )
    assert {t.dtype for t in read_tensors(var).values()} <= {torch.float32, torch.int64, torch.bool}
    load_vqvae(str(tokenizer), loaded.scales)
    assert read_tensors(tokenizer).keys() == read_tensors(tiny_tokenizer).keys()


def test_a_file_with_one_network_needs_no_choice(tiny_tokenizer: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokenizer.pth"
    main(["export-weights", str(tiny_tokenizer), "--out", str(out)])
    assert _same(read_tensors(out), read_tensors(tiny_tokenizer))
    assert load_vqvae(str(out), Scales((1, 2, 3, 4))).vocab_size == 16


def test_it_says_what_it_wrote(tiny_var: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export-weights", str(tiny_var), "--out", str(tmp_path / "var.pth")])
    said = capsys.readouterr().out
    assert "VAR depth 2" in said
    assert str(tmp_path / "var.pth") in said


class TestRefusals:
    def test_two_networks_and_no_choice(self, fit_checkpoint: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="--part"):
            main(["export-weights", str(fit_checkpoint), "--out", str(tmp_path / "x.pth")])

    def test_a_part_that_is_not_there(self, tiny_var: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no tokenizer"):
            main(["export-weights", str(tiny_var), "--out", str(tmp_path / "x.pth"), "--part", "tokenizer"])

    def test_neither_network(self, tmp_path: Path) -> None:
        torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "other.pth")
        with pytest.raises(ValueError, match="not a VAR"):
            main(["export-weights", str(tmp_path / "other.pth"), "--out", str(tmp_path / "x.pth")])

    def test_an_unknown_suffix_leaves_nothing(self, tiny_var: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"\.safetensors"):
            main(["export-weights", str(tiny_var), "--out", str(tmp_path / "x.bin")])
        assert not list(tmp_path.iterdir())
