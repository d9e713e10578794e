"""The format of a distilled set on disk: write it, read it, check it, look at it. No Lightning."""

from hieramp_lit.shards.contact_sheet import contact_sheet, draw_grid, side_by_side
from hieramp_lit.shards.errors import ShardError
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.shards.reader import ShardSample, ShardSet
from hieramp_lit.shards.writer import ShardFile, ShardRecord

__all__ = [
    "Manifest",
    "ShardError",
    "ShardFile",
    "ShardRecord",
    "ShardSample",
    "ShardSet",
    "contact_sheet",
    "draw_grid",
    "side_by_side",
]
