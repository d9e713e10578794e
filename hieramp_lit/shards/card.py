"""The data set card: README.md with the front matter that Hugging Face reads."""

import json
from typing import Any

from hieramp_lit.shards.format import CONTACT_SHEET, SPLIT
from hieramp_lit.shards.identity import IMPORTED
from hieramp_lit.shards.manifest import Manifest
from hieramp_lit.shards.reader import ShardSet

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(shard_set: ShardSet) -> str:
    """Describe a set: what it holds, what made it, how to read it.

    Args:
        shard_set: The set; no shard is read.
    """
    manifest = shard_set.manifest
    configuration = json.dumps(manifest.configuration, indent=2, sort_keys=True, ensure_ascii=False)
    return f"""---
pretty_name: {json.dumps(_title(shard_set))}
task_categories:
- image-classification
tags:
- dataset-distillation
- webdataset
- hieramp_lit
size_categories:
- {_size(len(shard_set))}
configs:
- config_name: default
  data_files:
  - split: {SPLIT}
    path: {SPLIT}-*.tar
---

# {_title(shard_set)}

A distilled image data set {_origin(manifest)}.

![The first images of each class]({CONTACT_SHEET})

| | |
|---|---|
| Classes | {len(shard_set.classes)} |
| Images per class | {manifest.images_per_class} |
| Images | {len(shard_set)} in {len(manifest.shards)} shards |
| Seed | {manifest.seed} |
| Stored as | {_stored(manifest.identity)} |
| Identity | `{manifest.identity_hash}` |

Classes: {_classes(shard_set)}

## Reading it

```python
from hieramp_lit.shards import ShardSet

shards = ShardSet.open(".")
shards.verify()
for sample in shards:
    sample.image, sample.cls
```

Or as plain tar files in the webdataset convention: `datasets.load_dataset("webdataset", data_files="{SPLIT}-*.tar")`,
`timm.data.create_dataset("wds/", root=".", split="{SPLIT}")`. Every sample has the fields
`{manifest.identity["image_format"]}` (the image), `cls` (the label, an index into `classes.json`) and `json` (what
made it).

## What made it

```json
{configuration}
```
"""


def _title(shard_set: ShardSet) -> str:
    manifest = shard_set.manifest
    return f"{len(shard_set.classes)} classes × {manifest.images_per_class} images by {manifest.generator}"


def _origin(manifest: Manifest) -> str:
    if IMPORTED in manifest.configuration:
        return f"imported into hieramp_lit from a folder of images; its generator was named `{manifest.generator}`"
    return f"made by hieramp_lit's generator `{manifest.generator}`"


def _stored(identity: Any) -> str:
    side = identity["save_size"]
    return f"lossless {identity['image_format']}" + (f", {side} × {side} pixels" if side else ", as generated")


def _classes(shard_set: ShardSet, most: int = 50) -> str:
    names = shard_set.classes.names
    return ", ".join(names[:most]) + (f", … and {len(names) - most} more" if len(names) > most else "")


def _size(samples: int) -> str:
    return next((name for limit, name in _SIZES if samples < limit), "n>1M")
