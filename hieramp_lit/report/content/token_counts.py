"""Token statistics of sets, each counted once, as long as the report's share of images lasts."""

from collections.abc import Callable, Sequence

from hieramp_lit.analysis import TokenAnalysis, analyze_tokens, token_maps
from hieramp_lit.analysis.set_tokens import has_tokens
from hieramp_lit.shards import ShardError, ShardSet


class TokenCounts:
    """Counts the tokens of sets, streaming.

    Args:
        most_images: Whose tokens are counted in all.
        progress: Told of the images of the set that is being counted.
    """

    def __init__(self, most_images: int, progress: Callable[[int, int], None] | None = None) -> None:
        self._left = most_images
        self._progress = progress
        self._found: dict[str, TokenAnalysis | str] = {}

    def of(self, shards: ShardSet) -> TokenAnalysis | str:
        """The statistics of a set; a sentence that says why there are none."""
        key = shards.manifest.hash
        if key not in self._found:
            self._found[key] = self._count(shards)
        return self._found[key]

    def _count(self, shards: ShardSet) -> TokenAnalysis | str:
        maps = token_maps(shards.manifest.configuration, None, None)
        try:
            if not has_tokens(shards):
                return (
                    f"{shards.path} stores no tokens: `hieramp analyze {shards.path} --tokenizer TOKENIZER` encodes "
                    "its images."
                )
            if maps is None:
                return f"{shards.path} does not say what its tokens are of: `hieramp analyze` takes --patch-nums."
            if len(shards) > self._left:
                return (
                    f"The tokens of {shards.path} were not counted: its {len(shards)} images are more than what is "
                    f"left of --token-images, {self._left}. `hieramp analyze {shards.path}` counts them."
                )
            self._left -= len(shards)
            return analyze_tokens(shards, maps, heatmap_classes=heatmap_classes(shards), progress=self._progress)
        except (ShardError, ValueError) as error:
            return f"The tokens of {shards.path} cannot be counted: {error}"


def heatmap_classes(shards: ShardSet, most: int = 2) -> Sequence[int]:
    """Classes whose positions are looked at: evenly spaced ones; none where a class has one image."""
    count = len(shards.classes)
    if shards.manifest.images_per_class < 2:
        return ()
    return tuple(dict.fromkeys(place * count // most for place in range(most)))
