"""All that tuning reports of one stage, per scale.

Legend: ``B`` batch · ``K`` scales · ``L`` tokens of all scales · ``l₀`` tokens of the first scale · ``N`` classes ·
``V`` codebook size · ``c`` latent channels.
"""

import torch
from torch import Tensor, nn

from hieramp_lit.losses.token_cross_entropy import class_token_cross_entropy, token_cross_entropy
from hieramp_lit.metrics.scale_mean import ScaleMean
from hieramp_lit.var.scales import Scales
from hieramp_lit.var.transformer import VAR


class TuningMetrics(nn.Module):
    """Token loss and accuracy; with class tokens also their loss and accuracy, with and without the label as condition.

    Args:
        scales: Token maps; a class token on each, or none.
    """

    def __init__(self, scales: Scales) -> None:
        super().__init__()
        self.token_loss = ScaleMean(scales.lengths)
        self.token_accuracy = ScaleMean(scales.lengths)
        one_each = [1] * len(scales)
        self.class_loss = ScaleMean(one_each)
        self.class_accuracy = ScaleMean(one_each)
        self.class_accuracy_unconditional = ScaleMean(one_each)

    def measure(self, var: VAR, tokens_BL: Tensor, teacher_input_BLc: Tensor, label_B: Tensor) -> None:
        """Take in a batch of images: under their labels and, with class tokens, under the unconditional row.

        Args:
            var: In eval mode, so that no path is dropped.
            tokens_BL: True tokens, int64.
            teacher_input_BLc: The transformer's input that they make, shape ``(B, L − l₀, c)``.
            label_B: True class rows, int64.
        """
        output = var(label_B, teacher_input_BLc)
        loss_BL = token_cross_entropy(output.token_logits, tokens_BL)
        self.update_tokens(loss_BL, output.token_logits, tokens_BL)
        if output.class_logits is not None:
            self.update_classes(output.class_logits, label_B)
            unconditional_B = torch.full_like(label_B, var.num_classes)
            self.update_unconditional(var(unconditional_B, teacher_input_BLc).class_logits, label_B)

    def update_tokens(self, loss_BL: Tensor, token_logits_BLV: Tensor, tokens_BL: Tensor) -> None:
        """Take in the token losses and logits of a batch."""
        self.token_loss.update(loss_BL)
        self.token_accuracy.update(token_logits_BLV.argmax(dim=-1) == tokens_BL)

    def update_classes(self, class_logits_BKN: Tensor, label_B: Tensor) -> None:
        """Take in the class tokens' logits of a batch and its true labels."""
        self.class_loss.update(class_token_cross_entropy(class_logits_BKN, label_B))
        self.class_accuracy.update(_hits(class_logits_BKN, label_B))

    def update_unconditional(self, class_logits_BKN: Tensor, label_B: Tensor) -> None:
        """Take in the class tokens' logits under the unconditional row: what each scale has seen of the image."""
        self.class_accuracy_unconditional.update(_hits(class_logits_BKN, label_B))

    def images(self) -> int:
        """Images taken in since the last `pop`, of all ranks; every rank must ask."""
        return self.token_loss.samples()

    def pop(self, stage: str) -> dict[str, Tensor]:
        """Means since the last call, named ``stage/token_loss``, ``stage/token_loss/03`` …; starts afresh."""
        named: dict[str, Tensor] = {}
        for name, metric in self.named_children():
            if isinstance(metric, ScaleMean) and metric.update_called:
                named |= metric.summary(f"{stage}/{name}", last=name.startswith("token"))
                metric.reset()
        return named


def _hits(class_logits_BKN: Tensor, label_B: Tensor) -> Tensor:
    return class_logits_BKN.argmax(dim=-1) == label_B[:, None]
