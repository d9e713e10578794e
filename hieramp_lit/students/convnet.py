"""ConvNet-D, the plain convolutional student of dataset distillation.

Written from the field's definition (Gidaris and Komodakis, arXiv:1804.09458; Zhao et al., arXiv:2006.05929):
D × [3×3 convolution, norm, ReLU, 2×2 average pool], then one linear layer on the flattened map.
"""

from typing import cast

from torch import Tensor, nn

from hieramp_lit.students.norm import Norm, norm_layer


class ConvNet(nn.Module):
    """ConvNet-D. State-dict names are the published ones: ``layers.conv.i``, ``layers.norm.i``, ``classifier``.

    Args:
        depth: Number of blocks D, at least 1.
        num_classes: Rows of the classifier.
        image_size: Side of the square input in pixels; at least ``2 ** depth``, because every block halves it.
        width: Channels of every convolution.
        norm: ``batch`` as in RDED, or ``instance`` as in the Minimax protocol.

    Raises:
        ValueError: If the input is too small for the depth.
    """

    def __init__(self, depth: int, num_classes: int, image_size: int, width: int = 128, norm: Norm = "batch") -> None:
        super().__init__()
        side = image_size >> depth
        if depth < 1 or side < 1 or width < 1:
            raise ValueError(
                f"student=convnet{depth} needs a block, a channel and images of at least {2**depth} pixels, got "
                f"image_size={image_size}, width={width}. Choose a smaller depth or larger images."
            )
        channels = [3] + [width] * depth
        self.layers = nn.ModuleDict(
            {
                "conv": nn.ModuleList(nn.Conv2d(channels[i], width, 3, padding=1) for i in range(depth)),
                "norm": nn.ModuleList(norm_layer(norm, width) for _ in range(depth)),
            }
        )
        self.activation = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)
        self.classifier = nn.Linear(width * side * side, num_classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Give logits, shape ``(B, num_classes)``, for normalized images of shape ``(B, 3, H, W)``."""
        x = image_BCHW
        convs, norms = cast(nn.ModuleList, self.layers["conv"]), cast(nn.ModuleList, self.layers["norm"])
        for conv, norm in zip(convs, norms, strict=True):
            x = self.pool(self.activation(norm(conv(x))))
        return cast(Tensor, self.classifier(x.flatten(1)))
