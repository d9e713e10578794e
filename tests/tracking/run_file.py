"""Reads back what an offline W&B run wrote: a LevelDB log (32 KiB blocks) of protobuf records, each with a CRC-32."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import ArtifactRecord, Record

_BLOCK = 32768
_HEADER = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class RunFile:
    """What one run file holds."""

    folder: Path
    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[ArtifactRecord] = field(default_factory=list)
    step_metrics: dict[str, str] = field(default_factory=dict)
    preempting: bool = False
    exit_code: int | None = None

    def media(self, value: dict[str, Any]) -> bytes:
        """Content of the media file that a history value names."""
        return (self.folder / "files" / value["path"]).read_bytes()

    def value(self, key: str) -> Any:
        """The last value of a key in the history."""
        return [row[key] for row in self.history if key in row][-1]


def only_run(folder: Path) -> RunFile:
    """The one run under a folder."""
    (file,) = folder.rglob("*.wandb")
    return read_run(file)


def read_run(file: Path) -> RunFile:
    found = RunFile(file.parent)
    for content in _contents(file.read_bytes()):
        record = Record.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
            _update(found.config, record.run.config.update)
        elif kind == "config":
            _update(found.config, record.config.update)
        elif kind == "summary":
            _update(found.summary, record.summary.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            found.history.append(row)
        elif kind == "artifact":
            found.artifacts.append(record.artifact)
        elif kind == "metric":
            found.step_metrics[record.metric.glob_name or record.metric.name] = record.metric.step_metric
        elif kind == "preempting":
            found.preempting = True
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _update(values: dict[str, Any], items: Any) -> None:
    for item in items:
        values["/".join(item.nested_key) if item.nested_key else item.key] = json.loads(item.value_json)


def _contents(data: bytes) -> Iterator[bytes]:
    assert struct.unpack("<4sHB", data[:7]) == (b":W&B", 0xBEE1, 0)
    position, parts = 7, b""
    while position < len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER.size:
            position += left
            continue
        checksum, length, kind = _HEADER.unpack_from(data, position)
        part = data[position + _HEADER.size : position + _HEADER.size + length]
        assert zlib.crc32(part, zlib.crc32(bytes([kind]))) == checksum
        position += _HEADER.size + length
        parts = part if kind in {_WHOLE, _FIRST} else parts + part
        if kind in {_WHOLE, _LAST}:
            yield parts
