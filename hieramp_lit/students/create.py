"""Networks by name: our two families, torchvision's and timm's."""

import difflib
import re
from functools import partial
from typing import Any, cast

from torch import nn

from hieramp_lit.students.cifar_stem import MODIFIED_SUFFIX, with_cifar_stem
from hieramp_lit.students.convnet import ConvNet
from hieramp_lit.students.norm import Norm, norm_layer
from hieramp_lit.students.resnet_ap import ResNetAP

TIMM_PREFIX = "timm/"
TORCHVISION_PREFIX = "torchvision/"


def create_student(
    name: str,
    num_classes: int,
    image_size: int,
    norm: Norm | None = None,
    pretrained: bool = False,
) -> nn.Module:
    """Build a classifier by name.

    A name is looked up in this order, the first that knows it wins: ``convnetD`` (``convnetD_wC`` has C channels, not
    128) and ``resnet_apN`` (our families), ``resnetN_modified`` (torchvision's with a CIFAR stem), torchvision,
    timm. ``torchvision/NAME`` and ``timm/NAME`` ask for one library.

    Args:
        name: For example ``convnet3``, ``resnet_ap10``, ``resnet18_modified``, ``resnet18``, ``timm/resnet18``.
        num_classes: Rows of the last layer. With `pretrained` it must be what the published weights have.
        image_size: Side of the square input in pixels.
        norm: ``batch``, ``instance``, or None for the network's own. Only our families and ResNets take it.
        pretrained: Load the published weights, through the library's own download and cache.

    Returns:
        A module that maps normalized images ``(B, 3, image_size, image_size)`` to logits ``(B, num_classes)``.

    Raises:
        ValueError: For an unknown name, with what exists and the closest names; for a norm that the network does not
            take; for published weights where there are none.
    """
    if num_classes < 1 or image_size < 1:
        raise ValueError(f"model.num_classes={num_classes} and model.image_size={image_size} must be positive.")
    own = _own_family(name, num_classes, image_size, norm)
    if own is not None:
        if pretrained:
            raise ValueError(f"{name} has no published weights. Give a checkpoint instead of pretrained: true.")
        return own
    bare = name.removeprefix(TORCHVISION_PREFIX)
    if name.startswith(TORCHVISION_PREFIX) and _in_torchvision(bare.removesuffix(MODIFIED_SUFFIX)):
        return _torchvision(bare, num_classes, image_size, norm, pretrained)
    if "/" not in name and _in_torchvision(name.removesuffix(MODIFIED_SUFFIX)):
        return _torchvision(name, num_classes, image_size, norm, pretrained)
    if not name.startswith(TORCHVISION_PREFIX) and _in_timm(name.removeprefix(TIMM_PREFIX)):
        return _timm(name.removeprefix(TIMM_PREFIX), num_classes, image_size, norm, pretrained)
    raise ValueError(_unknown(name))


def _own_family(name: str, num_classes: int, image_size: int, norm: Norm | None) -> nn.Module | None:
    if match := re.fullmatch(r"convnet(\d+)(?:_w(\d+))?", name):
        return ConvNet(int(match[1]), num_classes, image_size, int(match[2] or 128), norm or "batch")
    if match := re.fullmatch(r"resnet_ap(\d+)", name):
        blocks, rest = divmod(int(match[1]) - 2, 8)
        if rest or blocks < 1:
            raise ValueError(f"{name}: a ResNetAP has 2 + 8·n layers; choose resnet_ap10, resnet_ap18, ….")
        return ResNetAP(num_classes, image_size, blocks, norm or "instance")
    return None


def _in_torchvision(name: str) -> bool:
    return name in _torchvision_names()


def _torchvision_names() -> list[str]:
    import torchvision.models

    return list(torchvision.models.list_models(module=torchvision.models))


def _torchvision(name: str, num_classes: int, image_size: int, norm: Norm | None, pretrained: bool) -> nn.Module:
    import torchvision.models

    base = name.removesuffix(MODIFIED_SUFFIX)
    modified = base != name
    builder = torchvision.models.get_model_builder(base)
    is_resnet = builder.__module__.endswith(".resnet")
    if modified and not is_resnet:
        raise ValueError(f"{name}: only ResNets have a {MODIFIED_SUFFIX} form, e.g. resnet18{MODIFIED_SUFFIX}.")
    if modified and pretrained:
        raise ValueError(f"{name} has no published weights: they belong to the 7×7 stem. Give a checkpoint instead.")
    options: dict[str, Any] = {"num_classes": num_classes}
    if norm is not None:
        if not is_resnet:
            raise ValueError(f"norm={norm!r}: {name} has its own normalization. Leave norm out (null).")
        options["norm_layer"] = partial(norm_layer, norm)
    if base.startswith("vit_"):
        options["image_size"] = image_size
    if base in {"googlenet", "inception_v3"} and not pretrained:
        options |= {"aux_logits": False, "init_weights": True}
    network = builder(weights="DEFAULT" if pretrained else None, **options)
    if pretrained and base in {"googlenet", "inception_v3"}:
        network.aux_logits = False  # in train mode they would answer tuples
    return with_cifar_stem(network) if modified else cast(nn.Module, network)


def _in_timm(name: str) -> bool:
    import timm

    return bool(timm.is_model(name))


def _timm(name: str, num_classes: int, image_size: int, norm: Norm | None, pretrained: bool) -> nn.Module:
    import timm

    if norm is not None:
        raise ValueError(f"norm={norm!r}: timm's {name} has its own normalization. Leave norm out (null).")
    # Transformers with learned positions are built for one size; convolutional networks refuse the argument.
    configuration = timm.get_pretrained_cfg(name)
    fixed = configuration is not None and configuration.fixed_input_size
    options: dict[str, Any] = {"img_size": image_size} if fixed else {}
    return timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **options)


def _unknown(name: str) -> str:
    import timm

    own = ["convnet3", "convnet4", "convnet6", "resnet_ap10", "resnet18_modified", "resnet50_modified"]
    torchvision_names = _torchvision_names()
    timm_names = list(timm.list_models())
    bare = name.rsplit("/", 1)[-1]
    close = difflib.get_close_matches(bare, [*own, *torchvision_names, *timm_names], n=6, cutoff=0.5)
    nearest = ", ".join(dict.fromkeys(close)) or "none"
    return (
        f"student={name!r}: no such network. Known: convnetD (convnet3, convnet6, …; convnet3_w32 is narrow); "
        f"resnet_ap10; resnetN_modified (3×3 stem, no max-pool); {len(torchvision_names)} torchvision names; "
        f"{len(timm_names)} timm names (bare or {TIMM_PREFIX}NAME). Closest: {nearest}."
    )
