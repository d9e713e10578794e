"""Damage for files: bytes changed, cut, put in and moved; JSON values exchanged; tar headers forged.

`FUZZ` draws the same few examples in every run. `HIERAMP_FUZZ_EXAMPLES=20000` draws that many, others every time:

    HIERAMP_FUZZ_EXAMPLES=20000 python -m pytest --timeout=0 tests/shards/test_fuzz.py tests/data/tokens/test_fuzz.py
"""

import copy
import json
import os
import tarfile
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_EXAMPLES = os.environ.get("HIERAMP_FUZZ_EXAMPLES")

FUZZ = settings(
    max_examples=int(_EXAMPLES or 60),
    derandomize=_EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

JUNK: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 255, 10**6, 2**31, 2**63, 2**70, 0.5, -0.0, 1e308, "", "0", "x", "../../x", "\0"),
    *([], {}, [[]], [None], {"": 0}, "png", "webp", "hieramp-shards", "a" * 300),
]
WORDS = [b"", b"\0", b"\xff" * 8, b"\0" * 512, b"PK\x03\x04", b"\x93NUMPY", b"\x89PNG\r\n\x1a\n", b"RIFF", b"NaN", b"["]
HEADER_FIELDS = {"name": (0, 100), "mode": (100, 108), "size": (124, 136), "type": (156, 157), "magic": (257, 265)}
SIZES = [0, 1, 511, 512, 513, 2**20, 2**28 + 1, 2**33, 8**11 - 1]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Other bytes, most of them those of `content`."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        match draw(st.sampled_from(["flip", "flip", "cut", "put in", "overwrite", "move", "anything"])):
            case "flip":
                if changed:
                    changed[place] ^= draw(st.integers(1, 255))
            case "cut":
                del changed[place:]
            case "put in":
                changed[place:place] = draw(st.sampled_from(WORDS) | st.binary(max_size=40))
            case "overwrite":
                word = draw(st.sampled_from(WORDS) | st.binary(max_size=40))
                changed[place : place + len(word)] = word
            case "move":
                end = draw(st.integers(place, min(len(changed), place + 2000)))
                changed[place:place] = changed[place:end]
            case "anything":
                changed = bytearray(draw(st.binary(max_size=1500)))
    return bytes(changed)


@st.composite
def forged_tar(draw: st.DrawFn, content: bytes) -> bytes:
    """A tar file whose headers claim something else, under a right checksum."""
    changed = bytearray(content)
    headers = [n for n in range(0, len(content), 512) if content[n + 257 : n + 262] == b"ustar"]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.sampled_from(headers))
        field = draw(st.sampled_from(sorted(HEADER_FIELDS)))
        begin, end = HEADER_FIELDS[field]
        if field == "size":
            octal = st.sampled_from(SIZES).map(lambda size: b"%011o\0" % size)
            value = draw(octal | st.binary(min_size=11, max_size=11).map(lambda number: b"\x80" + number))
        elif field == "name":
            names = [*("r00000_00000.png", "r00001_00000.cls", "../../etc/passwd", "/x.png", ".png", "r1.png", "")]
            value = draw(st.sampled_from(names).map(str.encode) | st.binary(max_size=100))
        else:
            value = draw(
                st.binary(min_size=end - begin, max_size=end - begin)
                | st.sampled_from([*b"0125LKgxSV\0"]).map(lambda kind: bytes([kind]))
            )
        changed[start + begin : start + end] = value.ljust(end - begin, b"\0")[: end - begin]
        header = changed[start : start + 512]
        sums = tarfile.calc_chksums(bytes(header)) if hasattr(tarfile, "calc_chksums") else (0, 0)
        changed[start + 148 : start + 156] = b"%06o\0 " % sums[0]
    return bytes(changed)


@st.composite
def other_json(draw: st.DrawFn, value: Any) -> bytes:
    """JSON of another content: values exchanged, keys taken away, lists made longer."""
    changed = {"": copy.deepcopy(value)}
    for _ in range(draw(st.integers(1, 3))):
        at: Any = changed
        key: Any = ""
        while isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 3)):
            at = at[key]
            key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        match draw(st.sampled_from(["exchange", "exchange", "take away", "twice", "like another"])):
            case "exchange":
                at[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
            case "take away" if at is not changed:
                del at[key]
            case "twice" if isinstance(at, list):
                at.append(copy.deepcopy(at[key]))
            case "like another" if isinstance(at, list):
                at[key] = copy.deepcopy(draw(st.sampled_from(at)))
            case _:
                at[key] = draw(st.integers(-3, 12) | st.text(max_size=5))
    return json.dumps(changed[""]).encode()
