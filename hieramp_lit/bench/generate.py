"""`hieramp bench generate`: what an image costs with plain VAR, with class tokens, and amplified (paper, Table 9)."""

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from hieramp_lit.amplify import Amplification
from hieramp_lit.bench.flops import image_flops
from hieramp_lit.bench.machine import chosen_device, describe, matmul_rate
from hieramp_lit.bench.measure import Candidate, time_candidates
from hieramp_lit.bench.reference import PlainGenerator
from hieramp_lit.bench.report import Group, Report
from hieramp_lit.generate import Sampling, VARGenerator
from hieramp_lit.generate.execution import COMPILE_MODES, Compile
from hieramp_lit.seeds import stream
from hieramp_lit.var import VAR, VQVAE, VARArchitecture, VQVAEArchitecture, load_into, load_vqvae

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PLAIN, CLASS_TOKENS, AMPLIFIED, BASELINE = "plain VAR", "+ class tokens", "+ amplification", "baseline (float32)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own arguments."""
    parser.add_argument("--depth", type=int, default=16, metavar="N", help="blocks of the VAR (default: 16)")
    parser.add_argument("--ch", type=int, default=160, metavar="N", help="channels of the tokenizer (default: 160)")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=[1, 8], metavar="B", help="images at once (default: 1 8)"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16", help="of blocks and decoder (default: bf16)")
    parser.add_argument("--compile", choices=COMPILE_MODES, default="none", help="see `model.compile` (default: none)")
    parser.add_argument("--decode-batch-size", type=int, default=8, metavar="N", help="images decoded at once")
    parser.add_argument(
        "--baseline", action="store_true", help="also time the plainly written reference, amplified, in float32"
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of a VAR of this depth (default: random)")
    parser.add_argument("--tokenizer", metavar="FILE", help="weights of a tokenizer (default: random)")


def run(options: argparse.Namespace) -> Report:
    """Time every batch size.

    Raises:
        ValueError: For options that cannot be.
    """
    if min(options.batch_sizes) < 1:
        raise ValueError(f"--batch-sizes {options.batch_sizes}: give numbers of at least 1.")
    device = chosen_device(options.device)
    dtype = PRECISIONS[options.precision]
    architecture = VARArchitecture(depth=options.depth)
    vqvae, var = _models(architecture, options, device)
    generators = _generators(vqvae, var, architecture, dtype, options.compile, options.decode_batch_size)
    tokenizer = VQVAEArchitecture(ch=options.ch)
    flops = {name: image_flops(architecture, tokenizer, class_tokens=name != PLAIN) for name in generators}
    groups = []
    for batch in options.batch_sizes:
        labels = torch.arange(batch, device=device) % var.num_classes
        candidates = [
            Candidate(name, _Run(generator, labels), work=batch, flops=batch * flops[name])
            for name, generator in generators.items()
            if name != BASELINE or options.baseline
        ]
        groups.append(Group(f"batch {batch}", time_candidates(candidates, device, options.repeats, options.warmup)))
    settings = {
        "depth": options.depth,
        "ch": options.ch,
        "precision": options.precision,
        "compile": options.compile,
        "decode_batch_size": options.decode_batch_size,
        "weights": options.checkpoint or "random",
    }
    rate = matmul_rate(device, dtype)
    return Report("generate", "images", settings, describe(device), groups, rate, _notes(groups))


class _Run:
    """Generates a batch, each time with another seed."""

    def __init__(self, generator: VARGenerator | PlainGenerator, labels_B: torch.Tensor) -> None:
        self._generator = generator
        self._labels_B = labels_B
        self._seed = 0

    def __call__(self) -> Any:
        self._seed += 1
        return self._generator.generate(self._labels_B, torch.zeros_like(self._labels_B), self._seed)


def _models(architecture: VARArchitecture, options: argparse.Namespace, device: torch.device) -> tuple[VQVAE, VAR]:
    """Tokenizer and VAR with class tokens, on the device, in float32."""
    var = architecture.build()
    var.init_weights(stream("bench", "var"))
    if options.checkpoint is not None:
        load_into(var, options.checkpoint, key="--checkpoint")
    if options.tokenizer is not None:
        vqvae = load_vqvae(options.tokenizer, var.scales, key="--tokenizer")
    else:
        vqvae = VQVAEArchitecture(ch=options.ch).build(var.scales)
    return vqvae.requires_grad_(False).to(device), var.requires_grad_(False).to(device)


def _generators(
    vqvae: VQVAE, var: VAR, architecture: VARArchitecture, dtype: torch.dtype, compile_: Compile, decode_batch_size: int
) -> dict[str, VARGenerator | PlainGenerator]:
    """One generator a row, all with the same weights."""
    plain = architecture.build(class_token_scales=()).requires_grad_(False).to(var.head.weight.device)
    own = plain.state_dict()
    plain.load_state_dict({name: value for name, value in var.state_dict().items() if name in own}, assign=True)

    def fast(model: VAR, amplification: Amplification | None) -> VARGenerator:
        return VARGenerator(
            vqvae,
            model,
            amplification=amplification,
            dtype=dtype,
            compile=compile_,
            decode_batch_size=decode_batch_size,
        )

    amplified = fast(var, Amplification())
    return {
        PLAIN: fast(plain, None),
        CLASS_TOKENS: fast(var, None),
        AMPLIFIED: amplified,
        BASELINE: PlainGenerator(vqvae, var, Sampling(), amplified.schedule),
    }


def _notes(groups: Sequence[Group]) -> list[str]:
    notes = []
    for group in groups:
        rows = {timing.candidate.name: timing for timing in group.timings}
        cost = 100 * (rows[AMPLIFIED].ratio_to(rows[PLAIN]) - 1)
        notes.append(f"{group.title}: amplified generation against plain VAR: {cost:+.1f} % time.")
        if BASELINE in rows:
            speed = rows[BASELINE].ratio_to(rows[AMPLIFIED])
            notes.append(f"{group.title}: it is {speed:.2f} × as fast as the baseline.")
    return notes
