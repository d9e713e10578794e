"""What a network makes of an image before it decides: features for all metrics that compare images.

Legend: ``B`` batch · ``D`` features of an image · ``N`` classes.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn


class FeaturesAndLogits(NamedTuple):
    """One pass through a classifier.

    Attributes:
        features: Input of its last linear layer, shape ``(B, D)``.
        logits: Its answer, shape ``(B, N)``.
    """

    features: Tensor
    logits: Tensor


class PenultimateFeatures(nn.Module):
    """The input of a classifier's last linear layer, by which teachers of any library serve as feature networks.

    As a module it maps images to features, which is what `FID` and `KID` take. It stays in eval mode.

    Args:
        network: Classifier whose last linear layer answers; what it takes, for example normalized images of one size,
            is what this takes.

    Raises:
        ValueError: If the network has no linear layer.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise ValueError(
                f"{type(network).__name__} has no linear layer, so it is unknown which of its values are features. "
                "Give a feature network of your own: a module that answers (images, num_features)."
            )
        self.network = network
        self.last = linear[-1]
        self.num_features = self.last.in_features
        self.eval()

    def train(self, mode: bool = True) -> "PenultimateFeatures":
        """Stay in eval mode, whatever holds this is put into."""
        return super().train(False)

    def answer(self, image_BCHW: Tensor) -> FeaturesAndLogits:
        """Pass images once, for features and for the teacher's answer.

        Raises:
            RuntimeError: If the last linear layer was not used once, on one vector an image.
        """
        inputs: list[Tensor] = []

        def keep(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs.append(arguments[0])

        handle = self.last.register_forward_pre_hook(keep)
        try:
            logits: Tensor = self.network(image_BCHW)
        finally:
            handle.remove()
        if len(inputs) != 1 or inputs[0].shape != (len(image_BCHW), self.num_features):
            raise RuntimeError(
                f"The last linear layer of {type(self.network).__name__} took inputs of shapes "
                f"{[tuple(each.shape) for each in inputs]}, one of ({len(image_BCHW)}, {self.num_features}) was "
                "expected. It does not answer by its last linear layer: give a feature network of your own."
            )
        return FeaturesAndLogits(inputs[0], logits)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Give the features alone, shape ``(B, D)``."""
        return self.answer(image_BCHW).features


class GivenFeatures(nn.Module):
    """Takes features for images: for `FID` and `KID` where features were computed already, once for all metrics.

    Args:
        num_features: D.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, feature_BD: Tensor) -> Tensor:
        """Give back what came."""
        return feature_BD
