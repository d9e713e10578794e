"""Batches, data modules and the loaders behind them."""

from hieramp_lit.data.augment import Augmentation
from hieramp_lit.data.bank import ImageBank
from hieramp_lit.data.bank_loading import BankBatches, BankLoader
from hieramp_lit.data.batches import ImageBatch, PlanBatch, TokenBatch, TokenizationBatch
from hieramp_lit.data.cifar import CIFARDataModule
from hieramp_lit.data.digits import DigitsDataModule, load_digits_split
from hieramp_lit.data.image_folder import ImageFolderDataModule
from hieramp_lit.data.plan import GenerationPlan, ShardPlan
from hieramp_lit.data.shard_data import ShardDataModule
from hieramp_lit.data.tiny_imagenet import TinyImageNetDataModule
from hieramp_lit.data.token_cache import TokenCache
from hieramp_lit.data.token_data import TokenDataModule
from hieramp_lit.data.token_plan import TokenizationPlan
from hieramp_lit.data.warp import Warp
from hieramp_lit.data.web_dataset import WebDatasetDataModule

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
