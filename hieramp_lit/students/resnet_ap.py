"""ResNetAP: a ResNet that average-pools wherever a ResNet strides (Kim et al., arXiv:2205.14959; Minimax protocol)."""

from typing import cast

from torch import Tensor, nn

from hieramp_lit.students.norm import Norm, norm_layer

STAGE_WIDTHS = (64, 128, 256, 512)


class PooledBlock(nn.Module):
    """Basic residual block; where a ResNet would stride, it pools 2×2 after the first activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        pooled: Halve the side. The shortcut is then 1×1 convolution, pool, norm.
        norm: Normalization.
    """

    def __init__(self, in_channels: int, out_channels: int, pooled: bool, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = norm_layer(norm, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = norm_layer(norm, out_channels)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(2) if pooled else nn.Identity()
        self.downsample: nn.Module = nn.Identity()
        if pooled or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.AvgPool2d(2) if pooled else nn.Identity(),
                norm_layer(norm, out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``, or half the side where pooled."""
        y = self.pool(self.relu(self.bn1(self.conv1(x))))
        y = self.bn2(self.conv2(y))
        return cast(Tensor, self.relu(y + self.downsample(x)))


class Stem(nn.Module):
    """First convolution and pool; their sizes follow the input's side.

    Args:
        image_size: Side in pixels. Above 128: 7×7 and pool 4; 65…128: 3×3 and pool 2; up to 64: 3×3, no pool.
        norm: Normalization.
    """

    def __init__(self, image_size: int, norm: Norm) -> None:
        super().__init__()
        kernel = 7 if image_size > 128 else 3
        pool = 4 if image_size > 128 else 2 if image_size > 64 else 1
        self.conv1 = nn.Conv2d(3, STAGE_WIDTHS[0], kernel, padding=kernel // 2, bias=False)
        self.bn1 = norm_layer(norm, STAGE_WIDTHS[0])
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(pool)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` to features ``(B, 64, H / pool, W / pool)``."""
        return cast(Tensor, self.pool(self.relu(self.bn1(self.conv1(image_BCHW)))))


class ResNetAP(nn.Module):
    """ResNetAP-(2 + 8·blocks): the field's ResNetAP-10 has one block a stage.

    State-dict names are the published ones: ``layer0.conv1``, ``layer1.0.conv1``, …, ``fc``.

    Args:
        num_classes: Rows of the classifier.
        image_size: Side of the square input in pixels; it decides the stem.
        blocks: Residual blocks in each of the four stages.
        norm: ``instance`` as in the Minimax protocol, or ``batch``.
    """

    def __init__(self, num_classes: int, image_size: int, blocks: int = 1, norm: Norm = "instance") -> None:
        super().__init__()
        self.layer0 = Stem(image_size, norm)
        widths = (STAGE_WIDTHS[0], *STAGE_WIDTHS)
        stages = [
            nn.Sequential(
                *(
                    PooledBlock(widths[stage] if block == 0 else widths[stage + 1], widths[stage + 1],
                                pooled=stage > 0 and block == 0, norm=norm)
                    for block in range(blocks)
                )
            )
            for stage in range(4)
        ]  # fmt: skip
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(STAGE_WIDTHS[-1], num_classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Give logits, shape ``(B, num_classes)``, for normalized images of shape ``(B, 3, H, W)``."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.layer0(image_BCHW)))))
        return cast(Tensor, self.fc(self.pool(x).flatten(1)))
