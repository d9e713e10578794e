import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

from hieramp_lit.checkpoints import read_tensors, resolve, save, weights_sha256
from hieramp_lit.files import sha256
from hieramp_lit.var import Scales, VARArchitecture, VQVAEArchitecture, load_var, load_vqvae
from tests.golden.recipe import fill

TENSORS = {"weight": torch.arange(6.0).view(2, 3).half(), "steps": torch.tensor(3), "bias": torch.ones(2)}
OTHERS = {
    "optimizer_0": {"state": {"weight": {"exp_avg": torch.ones(2, 3)}}, "param_groups": [{"lr": 0.1, "x": object}]}
}


@pytest.fixture
def sharded(tmp_path: Path) -> Callable[..., Path]:
    """Writes the folder that a strategy of Lightning leaves: weights and optimizer under one root."""

    def write(tensors: dict[str, torch.Tensor], root: str = "model", **others: object) -> Path:
        folder = tmp_path / "last.ckpt"
        content = {root: tensors, **others} if root else {**tensors}
        with pytest.warns(UserWarning, match="single process"):
            dcp.save(content, checkpoint_id=folder, no_dist=True)
        torch.save({"epoch": 3}, folder / "meta.pt")
        return folder

    return write


@pytest.mark.parametrize("root", ["model", "state_dict", ""])
def test_whole_tensors_come_out_of_a_folder_and_nothing_of_the_optimizer(sharded, root: str):
    folder = sharded(TENSORS, root, **(OTHERS if root else {}))
    read = read_tensors(resolve(str(folder)))
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == tensor.dtype


def test_var_loads_from_the_folder_of_a_task(sharded):
    var = VARArchitecture((1, 2), 8, 4, 1, 16, 2, 3).build()
    fill(var.state_dict())
    folder = sharded({f"var.{name}": tensor for name, tensor in var.state_dict().items()})
    loaded = load_var(str(folder))
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in var.state_dict().items())


def test_the_hash_is_that_of_the_weights_files(sharded, tmp_path: Path):
    folder = sharded(TENSORS)
    before = weights_sha256(folder)
    torch.save({"epoch": 4}, folder / "meta.pt")
    assert weights_sha256(folder) == before
    part = next(folder.glob("*.distcp"))
    part.write_bytes(part.read_bytes() + b" ")
    assert weights_sha256(folder) != before
    save(tmp_path / "w.pth", TENSORS)
    assert weights_sha256(tmp_path / "w.pth") == sha256(tmp_path / "w.pth")


def test_a_folder_without_metadata_is_no_checkpoint(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"model\.checkpoint=.*no sharded checkpoint"):
        resolve(str(tmp_path), key="model.checkpoint")


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("pwned"),))


def test_metadata_that_would_run_code_is_refused(sharded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folder = sharded(TENSORS)
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    metadata.planner_data = Evil()
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    with pytest.raises(ValueError, match=r"key: .*\.metadata names .*which does not describe tensors"):
        read_tensors(folder, key="key")
    assert not (tmp_path / "pwned").exists()


def test_metadata_may_not_point_elsewhere(sharded):
    folder = sharded(TENSORS)
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    for info in metadata.storage_data.values():
        info.relative_path = "../elsewhere.distcp"
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    with pytest.raises(ValueError, match="points out of its folder"):
        read_tensors(folder)


@pytest.mark.parametrize("part", [".metadata", "__0_0.distcp"])
@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 1}), None])
def test_damaged_and_missing_files_are_named(sharded, part: str, content: bytes | None):
    folder = sharded(TENSORS)
    if content is None:
        (folder / "__0_0.distcp").unlink()
    else:
        (folder / part).write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.checkpoint: cannot read weights from .*last\.ckpt"):
        read_tensors(folder, key="model.checkpoint")


def test_wrappers_of_training_are_taken_out_of_names(tmp_path: Path):
    wrapped = {
        "_orig_mod.module.a": TENSORS["bias"],
        "module.blocks.0._checkpoint_wrapped_module._orig_mod.b": TENSORS["bias"],
        "_fsdp_wrapped_module.module_c.module.d": TENSORS["bias"],
        "e_orig_mod.f": TENSORS["bias"],
    }
    torch.save({"state_dict": wrapped}, tmp_path / "w.ckpt")
    assert list(read_tensors(tmp_path / "w.ckpt")) == ["a", "blocks.0.b", "module_c.module.d", "e_orig_mod.f"]
    torch.save({"a": TENSORS["bias"], "module.a": TENSORS["steps"]}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"model\.checkpoint: .* holds some weights twice"):
        read_tensors(tmp_path / "w.pth", key="model.checkpoint")


def test_both_networks_come_out_of_a_training_scripts_checkpoint(tmp_path: Path):
    scales = Scales((1, 2))
    var = VARArchitecture((1, 2), 8, 4, 1, 16, 2, 3).build()
    vqvae = VQVAEArchitecture(8, 4, 32, (1, 2), 1, 2).build(scales)
    for network in (var, vqvae):
        fill(network.state_dict())
    trainer = {"config": {"prog_it": 0}, "vae_local": vqvae.state_dict(), "var_wo_ddp": var.state_dict(),
               "var_opt": {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}}  # fmt: skip
    torch.save({"epoch": 1, "trainer": trainer, "args": {"depth": 1}}, tmp_path / "ar-ckpt-last.pth")
    path = str(tmp_path / "ar-ckpt-last.pth")
    for ours, theirs in ((load_var(path), var), (load_vqvae(path, scales), vqvae)):
        assert all(torch.equal(tensor, ours.state_dict()[name]) for name, tensor in theirs.state_dict().items())
    torch.save({"trainer": {"var_wo_ddp": var.state_dict()}}, tmp_path / "ar-ckpt-last.pth")
    with pytest.raises(ValueError, match=r"is not a tokenizer .* but a VAR"):
        load_vqvae(path, scales)
