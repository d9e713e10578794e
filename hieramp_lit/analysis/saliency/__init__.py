"""What class tokens attend to: their maps over images, how spread these are, and how well they find an object."""

from hieramp_lit.analysis.saliency.choosing import chosen_positions
from hieramp_lit.analysis.saliency.entropy import entropy_share, map_entropy
from hieramp_lit.analysis.saliency.grids import Map, enlarged, own_grids
from hieramp_lit.analysis.saliency.maps import (
    ImageMaps,
    Recomputed,
    every_stored_map,
    has_maps,
    patch_nums_of,
    recomputed_maps,
    stored_maps,
)
from hieramp_lit.analysis.saliency.masks import MaskFolder, bright_mask
from hieramp_lit.analysis.saliency.measuring import MapMeasures, Mean, paired_differences
from hieramp_lit.analysis.saliency.overlap import Mask, Overlap, overlap
from hieramp_lit.analysis.saliency.strips import StripRow, draw_maps, draw_strips, overlay

__all__ = [
    "ImageMaps",
    "Map",
    "MapMeasures",
    "Mask",
    "MaskFolder",
    "Mean",
    "Overlap",
    "Recomputed",
    "StripRow",
    "bright_mask",
    "chosen_positions",
    "draw_maps",
    "draw_strips",
    "enlarged",
    "entropy_share",
    "every_stored_map",
    "has_maps",
    "map_entropy",
    "overlap",
    "overlay",
    "own_grids",
    "paired_differences",
    "patch_nums_of",
    "recomputed_maps",
    "stored_maps",
]
