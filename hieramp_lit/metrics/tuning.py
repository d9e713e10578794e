"""All that tuning reports of one stage, per scale.

Legend: ``B`` batch · ``K`` scales · ``L`` tokens of all scales · ``N`` classes · ``V`` codebook size.
"""

from torch import Tensor, nn

from hieramp_lit.losses.token_cross_entropy import class_token_cross_entropy
from hieramp_lit.metrics.scale_mean import ScaleMean
from hieramp_lit.var.scales import Scales


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
