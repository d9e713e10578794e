"""Tokens from a cache for `ClassTokenTuning`: no image, no encoder."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hieramp_lit.classes import ClassList
from hieramp_lit.data.batches import TokenBatch
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.data.tokens.cache import TokenCache, TokenCacheError
from hieramp_lit.data.tokens.layout import Split
from hieramp_lit.pace import SlowLines


class TokenSamples:
    """One split of a cache as a source of batches; epoch e takes view ``e mod views``.

    Args:
        cache: The cache.
        split: Training or validation samples.
    """

    def __init__(self, cache: TokenCache, split: Split) -> None:
        self._cache = cache
        self._split: Split = split

    def __len__(self) -> int:
        """Number of samples."""
        return self._cache.layout.samples(self._split)

    def __getitem__(self, keys: Sequence[SampleKey]) -> TokenBatch:
        """The batch of these samples."""
        views = self._cache.layout.views_of(self._split)
        tokens, labels = self._cache.read(self._split, [(key.epoch % views, key.sample) for key in keys])
        return TokenBatch(torch.from_numpy(tokens), torch.from_numpy(labels))

    def identity(self) -> dict[str, Any] | None:
        """What decided the images that the tokens are of; None if the cache does not say."""
        identity: dict[str, Any] | None = self._cache.identity.get(self._split)
        return identity


class TokenDataModule(SampledDataModule[TokenBatch]):
    """Tokens that `hieramp tokenize` has stored; training on them is training on the images, without the encoder.

    With the seed of the images' data module, the first `views` epochs see the very crops, in the very order, that
    training from the images sees; then the views come again.

    Args:
        path: Folder of the cache.
        batch_size: Samples per batch and device.
        num_workers: Processes that read ahead, per device; 0 is fast enough: a batch is a copy of a few hundred kB.
        seed: Decides the order of the training samples. A fit warns where the crops were drawn with another.
        check: Compare every file with its checksum once, before anything is trained or judged on it. It takes seconds
            for a million images, and once a node.

    Raises:
        ValueError: If a number is out of range, or `path` is no finished token cache.
    """

    tested: ClassVar[str] = "tokens of the validation images"

    def __init__(
        self, path: str, batch_size: int = 64, num_workers: int = 0, seed: int = 0, check: bool = True
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        self.cache = TokenCache.open(path)
        self._unchecked = check

    def setup(self, stage: str) -> None:
        """Refuse damaged files; warn if order and crops are of two seeds.

        Raises:
            TokenCacheError: Naming the files.
        """
        if self._unchecked:
            self._verify()
            self._unchecked = False
        seeds = _seeds(self.train_samples().identity())
        if stage == "fit" and seeds and self.seed not in seeds:
            rank_zero_warn(
                f"data.seed={self.seed} orders the samples, the crops in data.path={str(self.cache.path)!r} were drawn "
                f"with seed {seeds[0]}: a fit on the images, whose data.seed decides both, gives other losses with "
                f"either. Give data.seed={seeds[0]} to repeat it; several orders of the same crops are fine."
            )

    @property
    def classes(self) -> ClassList:
        """The cache's class list."""
        return self.cache.classes

    def _verify(self) -> None:
        """One process a node reads the files; all learn what it finds, so that none waits for one that has stopped."""
        error: TokenCacheError | None = None
        if self.trainer is None or self.trainer.local_rank == 0:
            try:
                self.cache.verify(SlowLines("checked", "shards of tokens", rank_zero_info))
            except TokenCacheError as found:
                error = found
        sound = error is None
        if self.trainer is not None:
            sound = self.trainer.strategy.reduce_boolean_decision(sound, all=True)
        if not sound:
            raise error or TokenCacheError(
                f"data.path={str(self.cache.path)!r} is damaged, as another process has found; its message names files "
                "and remedy."
            )

    def train_samples(self) -> TokenSamples:
        """Training samples, another view in each epoch."""
        return TokenSamples(self.cache, "train")

    def val_samples(self) -> TokenSamples:
        """Validation samples."""
        return TokenSamples(self.cache, "val")

    def test_samples(self) -> TokenSamples:
        """The validation samples."""
        return self.val_samples()


def _seeds(identity: Mapping[str, Any] | None) -> list[int]:
    """Seeds of what was drawn when the images were cached."""
    drawn = [part for part in (identity or {}).values() if isinstance(part, Mapping)]
    return [part["seed"] for part in drawn if "seed" in part]
