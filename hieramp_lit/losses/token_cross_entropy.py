"""The two losses of tuning: next-scale tokens (VAR, arXiv:2404.02905) and class tokens (HIERAMP, Sec. 3.3).

Legend: ``B`` batch · ``K`` class tokens · ``L`` tokens of all scales · ``N`` classes · ``V`` codebook size.
"""

from torch import Tensor
from torch.nn import functional as F


def token_cross_entropy(token_logits_BLV: Tensor, tokens_BL: Tensor) -> Tensor:
    """Cross-entropy of every token; the training loss is its mean.

    Args:
        token_logits_BLV: Scores before softmax, any float type; reduced in float32.
        tokens_BL: True tokens, int64 in ``[0, V)``.

    Returns:
        Nats, float32, shape ``(B, L)``.

    Raises:
        ValueError: If the shapes disagree.
    """
    if token_logits_BLV.shape[:2] != tokens_BL.shape:
        raise ValueError(
            f"Logits for (images, tokens) = {tuple(token_logits_BLV.shape[:2])}, true tokens {tuple(tokens_BL.shape)}. "
            "Check that `patch_nums` is the same for tokenizer and transformer."
        )
    # One row a token: with the codes in the middle, (B, V, L), forward and backward take seven times as long on a CPU.
    loss = F.cross_entropy(token_logits_BLV.float().flatten(0, 1), tokens_BL.flatten(), reduction="none")
    return loss.view_as(tokens_BL)


def class_token_cross_entropy(class_logits_BKN: Tensor, label_B: Tensor) -> Tensor:
    """Cross-entropy of every class token against the image's label; the training loss is its mean over the scales.

    Args:
        class_logits_BKN: Scores before softmax, any float type; reduced in float32.
        label_B: True class rows, int64 in ``[0, N)``, also of images whose condition was dropped.

    Returns:
        Nats, float32, shape ``(B, K)``.
    """
    target_BK = label_B[:, None].expand(-1, class_logits_BKN.shape[1])
    return F.cross_entropy(class_logits_BKN.float().transpose(1, 2), target_BK, reduction="none")
