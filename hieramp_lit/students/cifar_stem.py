"""Torchvision ResNets for small images: 3×3 stride-1 stem and no max-pool (the field's ``resnet18_modified``)."""

from typing import Any, cast

from torch import nn

MODIFIED_SUFFIX = "_modified"


def with_cifar_stem(resnet: Any) -> nn.Module:
    """Replace the stem of a torchvision ResNet, in place; every other name stays torchvision's.

    Used by RDED and D³HR for CIFAR and Tiny-ImageNet; their teachers load strictly into it.

    Args:
        resnet: A freshly built `torchvision.models.ResNet`.
    """
    resnet.conv1 = nn.Conv2d(3, resnet.conv1.out_channels, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(resnet.conv1.weight, mode="fan_out", nonlinearity="relu")
    resnet.maxpool = nn.Identity()
    return cast(nn.Module, resnet)
