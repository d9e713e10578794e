import pytest
import safetensors
import torch
from lightning.pytorch import LightningModule
from torch import nn

from hieramp_lit.callbacks.export_weights import ExportWeights
from hieramp_lit.checkpoints import read_tensors
from tests.tasks.tuning import NoiseDataModule, trainer


class Net(LightningModule):
    def __init__(self, fail=False):
        super().__init__()
        self.net = nn.Linear(1, 2).to(torch.bfloat16)
        self.count = 3
        self.fail = fail

    def training_step(self, batch, batch_idx):
        if self.fail:
            raise RuntimeError("lost")
        return self.net.weight.float().sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_the_named_network_is_written_in_float32_with_its_steps(tmp_path):
    path = tmp_path / "deep" / "net.safetensors"
    task = Net()
    trainer(ExportWeights(str(path), "net"), max_steps=3, limit_val_batches=0).fit(task, NoiseDataModule(4))
    tensors = read_tensors(path)
    assert set(tensors) == {"weight", "bias"}
    assert tensors["weight"].dtype == torch.float32
    assert torch.equal(tensors["weight"], task.net.weight.detach().float())
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata()["steps"] == "3"


def test_a_fit_that_fails_writes_nothing(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(RuntimeError, match="lost"):
        trainer(ExportWeights(str(path), "net"), max_steps=3).fit(Net(fail=True), NoiseDataModule(4))
    assert not path.exists()


def test_another_suffix_and_another_part_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"model\.export='net\.bin'"):
        ExportWeights("net.bin", "net")
    callback = ExportWeights(str(tmp_path / "net.pth"), "count")
    with pytest.raises(ValueError, match="no such network"):
        trainer(callback, max_steps=1, limit_val_batches=0).fit(Net(), NoiseDataModule(4))
