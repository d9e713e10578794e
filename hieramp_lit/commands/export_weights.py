"""`hieramp export-weights`: tuned weights in the published naming, for other VAR tools and for publishing."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from torch import Tensor

from hieramp_lit.checkpoints import read_tensors, resolve, save
from hieramp_lit.var import VARArchitecture, VQVAEArchitecture, read_var_tensors
from hieramp_lit.var.weights import published_tensors

PARTS = ("var", "tokenizer")


def main(args: Sequence[str], prog: str) -> None:
    """Run the command.

    Args:
        args: Arguments after the command's name.
        prog: How the user called it, for the help text.
    """
    options = build_parser(prog).parse_args(args)
    export_weights(options.checkpoint, options.out, options.part)


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
    return parser


def export_weights(checkpoint: str, out: Path, part: str | None = None) -> None:
    """Write one network of a checkpoint in published naming.

    Args:
        checkpoint: Path of the source, or ``asset://NAME``.
        out: Target; replaced atomically.
        part: ``var`` or ``tokenizer``; None takes the only one there is.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it holds neither network, or both and `part` does not choose, or for an unknown suffix.
    """
    held = _parts_of(checkpoint)
    if part is None and len(held) > 1:
        raise ValueError(f"{checkpoint} holds {' and '.join(held)}: choose with --part var or --part tokenizer.")
    chosen = part or next(iter(held), "var")  # an empty file is refused below, with a message about its names
    tensors = published_tensors(
        read_var_tensors(checkpoint, key="CHECKPOINT") if chosen == "var" else _tokenizer_tensors(checkpoint)
    )
    description = VARArchitecture.of(tensors).describe() if chosen == "var" else str(VQVAEArchitecture.of(tensors))
    save(out, tensors, metadata={"format": "pt", "network": description})
    numbers = sum(tensor.numel() for tensor in tensors.values())
    Console(soft_wrap=True, highlight=False).print(
        f"{out}: {description}; {len(tensors)} tensors, {numbers:,} numbers", markup=False
    )


def _parts_of(checkpoint: str) -> list[str]:
    names = read_tensors(resolve(checkpoint, key="CHECKPOINT"), key="CHECKPOINT")
    marks = {"var": "class_emb.weight", "tokenizer": "quantize.embedding.weight"}
    return [part for part in PARTS if any(name.endswith(marks[part]) for name in names)]


def _tokenizer_tensors(checkpoint: str) -> dict[str, Tensor]:
    tensors = read_tensors(resolve(checkpoint, key="CHECKPOINT"), prefixes=("vqvae.", ""), key="CHECKPOINT")
    if "quantize.embedding.weight" not in tensors:
        raise ValueError(f"CHECKPOINT: {checkpoint} holds no tokenizer (VQ-VAE); first names: {list(tensors)[:4]}.")
    return tensors
