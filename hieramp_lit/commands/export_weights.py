"""`hieramp export-weights`: tuned weights in the published naming, for other VAR tools and for publishing."""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from torch import Tensor

from hieramp_lit.checkpoints import CLASS_LIST, CODES, STARTED_FROM, TOKENIZER, read_record, read_tensors, resolve, save
from hieramp_lit.classes import load_classes
from hieramp_lit.commands import following
from hieramp_lit.commands.closing import close
from hieramp_lit.var import VARArchitecture, VQVAEArchitecture, class_record, read_var_tensors
from hieramp_lit.var.weights import published_tensors

PARTS = ("var", "tokenizer")
KEPT = (TOKENIZER, CODES, STARTED_FROM, CLASS_LIST)
"""What is taken over of the text beside a VAR's weights."""


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.
    """
    options = build_parser(prog).parse_args(args)
    export_weights(options.checkpoint, options.out, options.part, options.classes)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Write the VAR or the tokenizer of a checkpoint under its published names, in float32.",
        epilog=f"Example: {prog} runs/token_tuning/version_0/checkpoints/last.ckpt --out var_tuned.safetensors",
    )
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="a .ckpt of a fit, a .pth, a .safetensors, or asset://NAME"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="target, by suffix .safetensors, .pth or .pt"
    )
    parser.add_argument(
        "--part", choices=PARTS, help="what to write, where CHECKPOINT holds both (default: what it holds)"
    )
    parser.add_argument(
        "--classes",
        metavar="CLASSES",
        help="what the rows of the label embedding stand for, where CHECKPOINT does not say it: a folder of classes, a "
        "classes.json, or a list such as cifar10; kept beside the weights",
    )
    return parser


def export_weights(checkpoint: str, out: Path, part: str | None = None, classes: str | None = None) -> None:
    """Write one network of a checkpoint in published naming, with what the file says about its training.

    Args:
        checkpoint: Path of the source, or ``asset://NAME``.
        out: Target; replaced atomically.
        part: ``var`` or ``tokenizer``; None takes the only one there is.
        classes: Class list of a VAR's rows, as for `load_classes`; None keeps what the file says.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it holds neither network, or both and `part` does not choose; for an unknown suffix; if `classes`
            is no class list, has rows that the VAR has not, or the network is a tokenizer.
    """
    start = time.monotonic()
    held = _parts_of(checkpoint)
    if part is None and len(held) > 1:
        raise ValueError(f"{checkpoint} holds {' and '.join(held)}: choose with --part var or --part tokenizer.")
    chosen = part or next(iter(held), "var")  # an empty file is refused below, with a message about its names
    tensors = published_tensors(
        read_var_tensors(checkpoint, key="CHECKPOINT") if chosen == "var" else _tokenizer_tensors(checkpoint)
    )
    description = VARArchitecture.of(tensors).describe() if chosen == "var" else str(VQVAEArchitecture.of(tensors))
    record = _record(checkpoint, tensors, classes) if chosen == "var" else {}
    if classes is not None and chosen != "var":
        raise ValueError(f"--classes {classes}: a tokenizer knows no classes; leave it out.")
    save(out, tensors, metadata={"format": "pt", "network": description, **record})
    numbers = sum(tensor.numel() for tensor in tensors.values())
    Console(soft_wrap=True, highlight=False).print(
        f"{out}: {description}; {len(tensors)} tensors, {numbers:,} numbers", markup=False
    )
    after = following.generate_with(out) if chosen == "var" else following.tune_with(out)
    close(f"{description} written", [out], time.monotonic() - start, after)


def _record(checkpoint: str, tensors: Mapping[str, Tensor], classes: str | None) -> dict[str, str]:
    said = read_record(resolve(checkpoint, key="CHECKPOINT"), key="CHECKPOINT")
    record = {name: text for name, text in said.items() if name in KEPT}
    if classes is None:
        return record
    found, rows = load_classes(classes), len(tensors["class_emb.weight"]) - 1
    if max(found.rows) >= rows:
        raise ValueError(f"--classes {classes}: rows up to {max(found.rows)}; the VAR has 0 to {rows - 1}.")
    return record | class_record(found)


def _parts_of(checkpoint: str) -> list[str]:
    names = read_tensors(resolve(checkpoint, key="CHECKPOINT"), key="CHECKPOINT")
    marks = {"var": "class_emb.weight", "tokenizer": "quantize.embedding.weight"}
    return [part for part in PARTS if any(name.endswith(marks[part]) for name in names)]


def _tokenizer_tensors(checkpoint: str) -> dict[str, Tensor]:
    tensors = read_tensors(resolve(checkpoint, key="CHECKPOINT"), prefixes=("vqvae.", ""), key="CHECKPOINT")
    if "quantize.embedding.weight" not in tensors:
        raise ValueError(f"CHECKPOINT: {checkpoint} holds no tokenizer (VQ-VAE); first names: {list(tensors)[:4]}.")
    return tensors
