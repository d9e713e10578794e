import pytest
import torch
from torch import nn

from hieramp_lit.metrics.feature_network import GivenFeatures, PenultimateFeatures
from hieramp_lit.students import create_student
from hieramp_lit.students.teacher import RowSelection


@pytest.mark.parametrize(
    "name", ["convnet3", "resnet_ap10", "resnet18_modified", "mobilenet_v2", "timm/vit_tiny_patch16_224"]
)
def test_the_last_layer_makes_the_answer_of_the_features(name):
    size = 32
    network = PenultimateFeatures(create_student(name, 7, size))
    image = torch.rand(2, 3, size, size)
    with torch.no_grad():
        found = network.answer(image)
        assert torch.equal(network.last(found.features), found.logits)
        assert torch.equal(network.network(image), found.logits)
        assert torch.equal(network(image), found.features)
    assert found.features.shape == (2, network.num_features)
    assert found.logits.shape == (2, 7)


def test_a_teacher_cut_to_some_classes_keeps_its_features():
    whole = create_student("convnet3", 7, 32)
    image = torch.rand(2, 3, 32, 32)
    cut = PenultimateFeatures(RowSelection(whole, (5, 0))).answer(image)
    assert torch.equal(cut.features, PenultimateFeatures(whole)(image))
    assert cut.logits.shape == (2, 2)


def test_stays_in_eval_mode_and_leaves_the_network_without_hooks():
    network = PenultimateFeatures(create_student("convnet3", 7, 32))
    nn.ModuleList([network]).train()
    assert not any(module.training for module in network.modules())
    network(torch.rand(2, 3, 32, 32))
    with pytest.raises(RuntimeError):
        network(torch.rand(2, 4, 32, 32))
    assert not network.last._forward_pre_hooks


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, image):
        return image.flatten(1)


def test_networks_without_such_a_layer_are_refused():
    with pytest.raises(ValueError, match="Sequential has no linear layer"):
        PenultimateFeatures(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten()))
    with pytest.raises(RuntimeError, match=r"The last linear layer of Unused took inputs of shapes \[\]"):
        PenultimateFeatures(Unused())(torch.rand(2, 3, 2, 2))
    with pytest.raises(RuntimeError, match=r"took inputs of shapes \[\(2, 3, 4\)\]"):
        PenultimateFeatures(nn.Sequential(nn.Linear(4, 5)))(torch.rand(2, 3, 4))


def test_given_features_come_back():
    feature = torch.rand(2, 3)
    assert GivenFeatures(3)(feature) is feature
