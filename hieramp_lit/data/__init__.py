"""Batches, data modules and the loaders behind them."""

from hieramp_lit.data.bank.image_bank import ImageBank
from hieramp_lit.data.bank.loading import BankBatches, BankLoader
from hieramp_lit.data.bank.shard_data import ShardDataModule
from hieramp_lit.data.bank.warp import Warp
from hieramp_lit.data.batches import ImageBatch, PlanBatch, TokenBatch, TokenizationBatch
from hieramp_lit.data.images.cifar import CIFARDataModule
from hieramp_lit.data.images.digits import DigitsDataModule, load_digits_split
from hieramp_lit.data.images.folder import ImageFolderDataModule
from hieramp_lit.data.images.tiny_imagenet import TinyImageNetDataModule
from hieramp_lit.data.plan import GenerationPlan, ShardPlan
from hieramp_lit.data.tokens.cache import TokenCache
from hieramp_lit.data.tokens.plan import TokenizationPlan
from hieramp_lit.data.tokens.token_data import TokenDataModule
from hieramp_lit.data.web.dataset import WebDatasetDataModule
from hieramp_lit.students.views.augment import Augmentation

__all__ = [
    "Augmentation",
    "BankBatches",
    "BankLoader",
    "CIFARDataModule",
    "DigitsDataModule",
    "GenerationPlan",
    "ImageBank",
    "ImageBatch",
    "ImageFolderDataModule",
    "PlanBatch",
    "ShardDataModule",
    "ShardPlan",
    "TinyImageNetDataModule",
    "TokenBatch",
    "TokenCache",
    "TokenDataModule",
    "TokenizationBatch",
    "TokenizationPlan",
    "Warp",
    "WebDatasetDataModule",
    "load_digits_split",
]
