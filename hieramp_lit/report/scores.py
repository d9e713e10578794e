"""What accuracies say about a distilled set beside themselves: IOR, hard-label recovery, LRS and ARS.

DD-Ranking (Li et al., arXiv:2505.13300) takes out of an accuracy what soft labels and augmentation contribute, which
random real images profit from as well. All accuracies are top-1 in [0, 1].
"""

import math
from collections.abc import Mapping


def improvement_over_random(distilled: float, random_real: float) -> float:
    """IOR: accuracy on the distilled set minus that on random real images of the same classes, number and size.

    Args:
        distilled: Of a student on the distilled set.
        random_real: Of the same student, under the same protocol, on random real images.

    Returns:
        In [-1, 1]; above 0 where distilling was worth it.

    Raises:
        ValueError: If an accuracy is outside [0, 1].
    """
    _refuse_outside({"distilled": distilled, "random_real": random_real})
    return distilled - random_real


def hard_label_recovery(full: float, distilled_hard: float) -> float:
    """HLR: what is still missing to the full data when both are trained on hard labels.

    Args:
        full: Of a student on the full data set with hard labels.
        distilled_hard: Of a student on the distilled set with hard labels.

    Returns:
        In [-1, 1]; 0 is full recovery, less is better.

    Raises:
        ValueError: If an accuracy is outside [0, 1].
    """
    _refuse_outside({"full": full, "distilled_hard": distilled_hard})
    return full - distilled_hard


def label_robust_score(ior: float, hlr: float, weight: float = 0.5) -> float:
    """LRS: ``(e^α − e^−1) / (e − e^−1)`` with ``α = weight · IOR − (1 − weight) · HLR``.

    Args:
        ior: See `improvement_over_random`.
        hlr: See `hard_label_recovery`.
        weight: Share of the improvement, in [0, 1]; DD-Ranking takes ½.

    Returns:
        In [0, 1]; more is better. A set that equals random real images and recovers all has 0.269.

    Raises:
        ValueError: If a difference is outside [-1, 1], or the weight outside [0, 1].
    """
    _refuse_difference({"ior": ior, "hlr": hlr})
    _refuse_outside({"weight": weight})
    return _normalized(weight * ior - (1 - weight) * hlr)


def augmentation_robust_score(augmented: float, plain: float, weight: float = 0.5) -> float:
    """ARS: ``(e^β − e^−1) / (e − e^−1)`` with ``β = weight · augmented + (1 − weight) · plain``.

    Args:
        augmented: IOR of students that see augmented images.
        plain: IOR of students that see the images as they are, neither cropped nor mixed.
        weight: Share of the first, in [0, 1]; DD-Ranking takes ½.

    Returns:
        In [0, 1]; more is better. A set that equals random real images has 0.269.

    Raises:
        ValueError: If a difference is outside [-1, 1], or the weight outside [0, 1].
    """
    _refuse_difference({"augmented": augmented, "plain": plain})
    _refuse_outside({"weight": weight})
    return _normalized(weight * augmented + (1 - weight) * plain)


def _normalized(exponent: float) -> float:
    """Map [-1, 1] to [0, 1], rising."""
    return (math.exp(exponent) - math.exp(-1)) / (math.e - math.exp(-1))


def _refuse_outside(shares: Mapping[str, float]) -> None:
    for name, value in shares.items():
        if not 0 <= value <= 1:  # NaN too
            raise ValueError(f"{name}={value} must lie in [0, 1]: give shares, 0.453 for 45.3 %.")


def _refuse_difference(differences: Mapping[str, float]) -> None:
    for name, value in differences.items():
        if not -1 <= value <= 1:
            raise ValueError(f"{name}={value} must lie in [-1, 1]: it is a difference of accuracies in [0, 1].")
