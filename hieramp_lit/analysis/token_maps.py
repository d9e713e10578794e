"""What a set's tokens are of: sides of the token maps and size of the codebook."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hieramp_lit.var.scales import Scales

UNKNOWN = (
    "the set does not say which token maps and codebook its tokens are of, since it was made before sets said so: give "
    "--patch-nums and --vocab-size"
)


class TokenMaps(NamedTuple):
    """What tokens mean.

    Attributes:
        scales: Sides of the token maps.
        vocab_size: Codebook size.
    """

    scales: Scales
    vocab_size: int


def token_maps(
    configuration: Mapping[str, Any], patch_nums: Sequence[int] | None, vocab_size: int | None
) -> TokenMaps | None:
    """The token maps of a set: as given, else as its manifest says; None if neither tells.

    Args:
        configuration: The generator's, of the manifest.
        patch_nums: Sides of the token maps.
        vocab_size: Codebook size.

    Raises:
        ValueError: If one is given without the other, they contradict the manifest, or are impossible.
    """
    if (patch_nums is None) != (vocab_size is None):
        raise ValueError("--patch-nums and --vocab-size: give both, or neither.")
    told = configuration.get("tokens")
    known = TokenMaps(Scales(told["patch_nums"]), told["vocab_size"]) if isinstance(told, Mapping) else None
    if patch_nums is None or vocab_size is None:
        return known
    if vocab_size < 1:
        raise ValueError(f"--vocab-size {vocab_size}: expected the number of codes, e.g. 4096.")
    given = TokenMaps(Scales(patch_nums), vocab_size)
    if known is not None and given != known:
        raise ValueError(
            f"--patch-nums and --vocab-size say {given.scales} and {vocab_size}, the set says {known.scales} and "
            f"{known.vocab_size}. Leave them out."
        )
    return given
