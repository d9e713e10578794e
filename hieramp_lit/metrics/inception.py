"""Inception's features, by which papers report FID and KID. Optional: torch-fidelity, and its weights as a file."""

from pathlib import Path

from torch import nn
from torchmetrics.image.fid import NoTrainInceptionV3

NUM_FEATURES = 2048


def inception(weights: Path, antialias: bool = False) -> nn.Module:
    """The Inception network of the original FID, from a file; nothing is downloaded.

    It maps uint8 images of any size, shape ``(B, 3, H, W)``, to features of shape ``(B, 2048)``, and resizes them to
    299 × 299 itself. As a feature network of `FID` and `KID` its name is ``inception`` with the original resizing and
    should be another with `antialias`.

    Args:
        weights: ``weights-inception-2015-12-05-6726825d.pth`` of github.com/toshas/torch-fidelity, release v0.2.0: the
            TensorFlow weights of 2015 as a state dict.
        antialias: Resize with antialiasing, torchmetrics' default. The original does not.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If torch-fidelity is not installed.
    """
    if not weights.is_file():
        raise FileNotFoundError(
            f"There is no file {weights}. Download weights-inception-2015-12-05-6726825d.pth from release v0.2.0 of "
            "github.com/toshas/torch-fidelity and give its path; or take the features of a teacher."
        )
    try:
        network: nn.Module = NoTrainInceptionV3(
            name="inception-v3-compat",
            features_list=[str(NUM_FEATURES)],
            feature_extractor_weights_path=str(weights),
            antialias=antialias,
        )
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Inception's features need the extra `fid`: `pip install 'hieramp_lit[fid]'`, or `pip install "
            "torch-fidelity`; or take the features of a teacher."
        ) from error
    return network.requires_grad_(False)
