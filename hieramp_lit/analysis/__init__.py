"""What amplification does to a set: its tokens, and where class tokens look (HIERAMP, Sec. 5)."""

from hieramp_lit.analysis.changes import Change, Changes, changes, check_comparable
from hieramp_lit.analysis.encoding import ImageEncoder
from hieramp_lit.analysis.set_tokens import Encode, has_tokens
from hieramp_lit.analysis.token_maps import TokenMaps, token_maps
from hieramp_lit.analysis.tokens import TokenAnalysis, analyze_tokens

__all__ = [
    "Change",
    "Changes",
    "Encode",
    "ImageEncoder",
    "TokenAnalysis",
    "TokenMaps",
    "analyze_tokens",
    "changes",
    "check_comparable",
    "has_tokens",
    "token_maps",
]
