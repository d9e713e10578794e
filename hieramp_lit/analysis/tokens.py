"""Use of the codebook by a set: entropy and coverage per scale, stage and class, and where it varies (HIERAMP, Sec. 5).

Legend: ``B`` batch · ``C`` classes · ``K`` scales · ``L`` tokens of all scales · ``N`` images of a class.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hieramp_lit.analysis.set_tokens import Encode, encoded_tokens, stored_tokens
from hieramp_lit.analysis.token_maps import TokenMaps
from hieramp_lit.classes import ClassList
from hieramp_lit.metrics.class_tokens import ClassTokenUsage
from hieramp_lit.metrics.codebook import CodebookStatistics
from hieramp_lit.shards import ShardSet
from hieramp_lit.var.scales import STAGES, Scales, Stage

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TokenAnalysis:
    """How a set uses the codebook.

    Attributes:
        about: The set, and whose tokens these are, as plain values: see `describe`.
        classes: Its classes.
        maps: What the tokens mean.
        images_C: Images of each class, int64.
        entropy_CK: Entropy of each class' tokens at each scale (Eq. 12), in nats.
        coverage_CK: Share of the codebook that each class uses at each scale (Eq. 13).
        whole: Of all classes together, a value a scale.
        distinct: For chosen classes, by cls: different codes at each position of each scale over the images of the
            class (Fig. 4), from 1 to N, int64, shape ``(side, side)`` a scale.
    """

    about: Mapping[str, Any]
    classes: ClassList
    maps: TokenMaps
    images_C: NDArray[np.int64]
    entropy_CK: Floats
    coverage_CK: Floats
    whole: CodebookStatistics
    distinct: Mapping[int, tuple[NDArray[np.int64], ...]]

    def stages(self, values_CK: Floats) -> dict[Stage, Floats]:
        """Of each class the mean over the scales of a stage, each counting the same, shape ``(C,)``.

        A stage without scales, as there are with few of them, is left out.
        """
        return {
            stage: values_CK[:, members].mean(axis=1) for stage, members in scales_of_stages(self.maps.scales).items()
        }

    def as_json(self) -> dict[str, Any]:
        """Every number, as plain values."""
        scales = self.maps.scales
        stages = {name: self.stages(values) for name, values in self._measures.items()}
        return {
            "set": dict(self.about),
            "tokens": {"patch_nums": list(scales.patch_nums), "vocab_size": self.maps.vocab_size},
            "per_scale": self.per_scale(),
            "per_stage": {
                stage: {"scales": members, **{f"class_{name}": float(of[stage].mean()) for name, of in stages.items()}}
                for stage, members in scales_of_stages(scales).items()
            },
            "per_class": [
                entry._asdict()
                | {"images": int(self.images_C[entry.cls])}
                | {name: values[entry.cls].tolist() for name, values in self._measures.items()}
                | {
                    f"{name}_of_stage": {stage: float(value[entry.cls]) for stage, value in of.items()}
                    for name, of in stages.items()
                }
                for entry in self.classes.entries
            ],
            "distinct": [
                {
                    "cls": cls,
                    "name": self.classes.entries[cls].name,
                    "images": int(self.images_C[cls]),
                    "scales": [
                        {"scale": scale, "side": len(counts), "mean": float(counts.mean()), "counts": counts.tolist()}
                        for scale, counts in enumerate(each)
                    ],
                }
                for cls, each in self.distinct.items()
            ],
        }

    def per_scale(self) -> list[dict[str, Any]]:
        """A row a scale: of the whole set, and mean and standard deviation over the classes (n − 1; 0 of one class)."""
        scales, whole = self.maps.scales, self.whole
        return [
            {
                "scale": scale,
                "side": side,
                "stage": scales.stage_of(scale),
                "tokens": int(self.images_C.sum()) * scales.lengths[scale],
                "codes_used": int(whole.used[scale]),
                "entropy": float(whole.entropy[scale]),
                "coverage": float(whole.coverage[scale]),
                "perplexity": float(whole.perplexity[scale]),
            }
            | {
                f"class_{name}_{kind}": value
                for name, values in self._measures.items()
                for kind, value in (("mean", float(values[:, scale].mean())), ("std", _spread(values[:, scale])))
            }
            for scale, side in enumerate(scales.patch_nums)
        ]

    @property
    def _measures(self) -> dict[str, Floats]:
        return {"entropy": self.entropy_CK, "coverage": self.coverage_CK}


def analyze_tokens(
    shards: ShardSet,
    maps: TokenMaps,
    *,
    heatmap_classes: Sequence[int] = (),
    encode: Encode | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TokenAnalysis:
    """Count the tokens of a set in one pass.

    Memory holds counts, twice ``4 · C · K · V`` bytes (2 · 164 MB for ImageNet-1K and 4096 codes, since torchmetrics
    keeps what a reset would restore) until the collector of cycles comes, a few shards' tokens, and those of the chosen
    classes. No image is decoded unless it is to be encoded.

    Args:
        shards: The set.
        maps: What its tokens, or those that are made, mean.
        heatmap_classes: cls whose different codes are counted position by position.
        encode: Makes tokens of the images, whatever tokens the set stores; None reads those.
        progress: Called with the numbers of images that are done and of all.

    Raises:
        ShardError: If the set is damaged, or images have no tokens.
        ValueError: If tokens do not fit `maps`, or there is no such class.
    """
    num_classes, total = len(shards.classes), len(shards)
    unknown = sorted(set(heatmap_classes) - set(range(num_classes)))
    if unknown:
        raise ValueError(f"heatmap_classes={unknown}: the set has the cls 0 to {num_classes - 1}.")
    usage = ClassTokenUsage(maps.scales, maps.vocab_size, num_classes)
    chosen: dict[int, list[Tensor]] = {cls: [] for cls in heatmap_classes}
    done = 0
    for tokens_BL, label_B in stored_tokens(shards) if encode is None else encoded_tokens(shards, encode):
        try:
            with _one_thread():
                usage.update(tokens_BL, label_B)
        except ValueError as error:
            error.add_note(f"The set is {shards.path}; --patch-nums and --vocab-size say what its tokens are of.")
            raise
        for cls in chosen.keys() & set(label_B.tolist()):
            chosen[cls].append(tokens_BL[label_B == cls].int())
        done += len(label_B)
        if progress is not None:
            progress(done, total)
    with _one_thread():
        found = usage.compute()
    C, K = num_classes, len(maps.scales)
    return TokenAnalysis(
        about=describe(shards, encode),
        classes=shards.classes,
        maps=maps,
        images_C=found.images.reshape(C).numpy(),
        entropy_CK=found.class_entropy.reshape(C, K).numpy(),
        coverage_CK=found.class_coverage.reshape(C, K).numpy(),
        whole=CodebookStatistics(*(value.reshape(K) for value in found.scales)),
        distinct={cls: distinct_codes(torch.cat(of_class), maps.scales) for cls, of_class in chosen.items()},
    )


def distinct_codes(tokens_NL: Tensor, scales: Scales) -> tuple[NDArray[np.int64], ...]:
    """Different codes at each position of each scale, from 1 to N, int64, shape ``(side, side)`` a scale.

    Args:
        tokens_NL: Codebook indices of images, shape ``(N, L)``, at least one image.
        scales: Token maps.
    """
    ordered = tokens_NL.sort(dim=0).values
    counts = 1 + (ordered[1:] != ordered[:-1]).sum(dim=0)
    maps = (counts[part].reshape(side, side) for part, side in zip(scales.slices, scales.patch_nums, strict=True))
    return tuple(one.numpy() for one in maps)


def describe(shards: ShardSet, encode: Encode | None = None) -> dict[str, Any]:
    """A set and whose tokens it is seen by: hashes, generator, numbers, seed; ``tokens`` is stored or encoded.

    ``tokenizer_sha256`` is None where tokens are stored and the set does not say which tokenizer made them.
    """
    manifest = shards.manifest
    weights = manifest.configuration.get("weights")
    stored = weights.get("vqvae") if isinstance(weights, Mapping) else None
    return {
        "name": shards.path.resolve().name,
        "manifest_sha256": manifest.hash,
        "generator": manifest.generator,
        "configuration": dict(manifest.configuration),
        "generate_seed": manifest.seed,
        "precision": manifest.identity["precision"],
        "save_size": manifest.identity["save_size"],
        "images_per_class": manifest.images_per_class,
        "classes": len(shards.classes),
        "images": len(shards),
        "tokens": "stored" if encode is None else "encoded",
        "tokenizer_sha256": stored if encode is None else encode.sha256,
    }


def scales_of_stages(scales: Scales) -> dict[Stage, list[int]]:
    """Scales of each stage that has any."""
    members = {stage: [k for k in range(len(scales)) if scales.stage_of(k) == stage] for stage in STAGES}
    return {stage: own for stage, own in members.items() if own}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Within it torch computes on the calling thread.

    Its own threads would wait for those that read shards, at each of many small steps: ten times as long on two cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
