import pytest
import torch

from hieramp_lit.students import ConvNet, ResNetAP, create_student


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("convnet3", 32),
        ("convnet4", 48),
        ("resnet_ap10", 32),
        ("resnet18_modified", 32),
        ("resnet18", 64),
        ("mobilenet_v2", 64),
        ("vit_b_16", 32),
        ("timm/vit_tiny_patch16_224", 32),
        ("mobilenetv3_small_050", 64),
    ],
)
def test_every_source_answers_the_asked_classes_at_the_asked_size(name, size):
    student = create_student(name, num_classes=7, image_size=size).eval()
    with torch.no_grad():
        assert student(torch.rand(2, 3, size, size)).shape == (2, 7)


def test_precedence_is_own_then_torchvision_then_timm():
    assert isinstance(create_student("convnet3", 10, 32), ConvNet)
    assert isinstance(create_student("resnet_ap10", 10, 32), ResNetAP)
    assert type(create_student("resnet18", 10, 32)).__module__ == "torchvision.models.resnet"
    assert type(create_student("torchvision/resnet18", 10, 32)).__module__ == "torchvision.models.resnet"
    assert type(create_student("timm/resnet18", 10, 32)).__module__ == "timm.models.resnet"
    assert type(create_student("resnet26", 10, 32)).__module__ == "timm.models.resnet"


def test_modified_resnet_keeps_torchvisions_names_and_full_resolution():
    plain, modified = create_student("resnet18", 10, 32), create_student("resnet18_modified", 10, 32)
    assert list(plain.state_dict()) == list(modified.state_dict())
    assert modified.conv1.weight.shape == (64, 3, 3, 3)
    seen = []
    modified.layer1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    modified.eval()(torch.rand(1, 3, 32, 32))
    assert seen == [(1, 64, 32, 32)]


@pytest.mark.parametrize("name", ["resnet18", "resnet18_modified"])
def test_resnets_take_instance_norm_and_then_ignore_the_rest_of_the_batch(name):
    student = create_student(name, 10, 64, norm="instance")
    assert not any("running" in key for key in student.state_dict())
    alone, together = torch.rand(1, 3, 64, 64), torch.rand(3, 3, 64, 64)
    together[0] = alone[0]
    student.train()
    torch.testing.assert_close(student(alone)[0], student(together)[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_off(name):
    student = create_student(name, 10, 96)
    assert student(torch.rand(2, 3, 96, 96)).shape == (2, 10)


def test_unknown_name_says_what_exists_and_what_is_close():
    with pytest.raises(ValueError, match=r"convnet3.*resnet_ap10.*torchvision names.*timm names.*Closest: .*resnet18"):
        create_student("resnet81", 10, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "convnet6", "image_size": 32}, "at least 64 pixels"),
        ({"name": "resnet_ap11"}, "resnet_ap10"),
        ({"name": "vgg11", "norm": "instance"}, "own normalization"),
        ({"name": "timm/resnet18", "norm": "instance"}, "own normalization"),
        ({"name": "vgg11_modified"}, "only ResNets"),
        ({"name": "convnet3", "pretrained": True}, "no published weights"),
        ({"name": "resnet18_modified", "pretrained": True}, "no published weights"),
        ({"name": "convnet3", "norm": "layer"}, "batch or instance"),
        ({"name": "convnet3", "num_classes": 0}, "num_classes=0"),
    ],
)
def test_impossible_requests_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        create_student(**{"num_classes": 10, "image_size": 32, **arguments})
