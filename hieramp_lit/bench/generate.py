"""`hieramp bench generate`: what an image costs with plain VAR, with class tokens, and amplified (paper, Table 9)."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import torch

from hieramp_lit.allocator import keep_freed_memory
from hieramp_lit.amplify import Amplification
from hieramp_lit.bench.flops import image_flops
from hieramp_lit.bench.machine import chosen_device, describe, matmul_rate
from hieramp_lit.bench.measure import Candidate, time_candidates
from hieramp_lit.bench.process import OwnProcess
from hieramp_lit.bench.profile import Shares, shares
from hieramp_lit.bench.reference import PlainGenerator
from hieramp_lit.bench.report import Group, Report
from hieramp_lit.generate import Generated, Sampling, VARGenerator
from hieramp_lit.generate.execution import COMPILE_MODES
from hieramp_lit.seeds import stream
from hieramp_lit.var import VAR, VQVAE, VARArchitecture, VQVAEArchitecture, load_into, load_vqvae

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PLAIN, CLASS_TOKENS, AMPLIFIED = "plain VAR", "+ class tokens", "+ amplification"
BASELINE, BASELINE_KEPT = "baseline (float32)", "baseline, memory kept"


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
        "--baseline",
        action="store_true",
        help="also time the plainly written reference, amplified, in float32, in a process of its own; and, on a CPU, "
        "in this process, which keeps the memory that it frees",
    )
    parser.add_argument("--profile", action="store_true", help="also show where the time of amplified generation goes")
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of a VAR of this depth (default: random)")
    parser.add_argument("--tokenizer", metavar="FILE", help="weights of a tokenizer (default: random)")


def run(options: argparse.Namespace, progress: Callable[[int, int], None] | None = None) -> Report:
    """Time every batch size.

    Args:
        options: Those of `add_arguments`, ``device``, ``repeats`` and ``warmup``.
        progress: Called after each run, see `time_candidates`.

    Raises:
        ValueError: For options that cannot be.
    """
    if min(options.batch_sizes) < 1:
        raise ValueError(f"--batch-sizes {options.batch_sizes}: give numbers of at least 1.")
    device = chosen_device(options.device)
    dtype = PRECISIONS[options.precision]
    kept = keep_freed_memory(device)
    architecture, tokenizer = VARArchitecture(depth=options.depth), VQVAEArchitecture(ch=options.ch)
    generators = fast_generators(options, device)
    if options.baseline and kept:
        generators[BASELINE_KEPT] = baseline(options, device)
    flops = {plain: image_flops(architecture, tokenizer, class_tokens=not plain) for plain in (True, False)}
    rate = matmul_rate(device, dtype)
    groups, notes, profiles = [], list[str](), list[Shares]()
    for batch in options.batch_sizes:
        candidates = [
            Candidate(name, Batches(generator, batch), work=batch, flops=batch * flops[name == PLAIN])
            for name, generator in generators.items()
        ]
        with ExitStack() as processes:
            if options.baseline:
                make = partial(_baseline_batches, options, device, batch)
                process = processes.enter_context(OwnProcess(make, device))
                peak = partial(getattr, process, "peak_bytes")
                candidates.append(Candidate(BASELINE, process, batch, batch * flops[False], peak))
            timings = time_candidates(
                candidates, device, options.repeats, options.warmup, device.type == "cuda", progress
            )
        timed = [timing.candidate.name for timing in timings]
        notes += [f"batch {batch}: too large for the memory: {c.name}." for c in candidates if c.name not in timed]
        if timings:
            groups.append(Group(f"batch {batch}", timings))
        if options.profile and AMPLIFIED in timed:
            amplified = next(candidate for candidate in candidates if candidate.name == AMPLIFIED)
            limit = batch * flops[False] / rate
            profiles.append(shares(f"amplified, batch {batch}", amplified.run, batch, limit, device))
    settings = {
        "depth": options.depth,
        "ch": options.ch,
        "precision": options.precision,
        "compile": options.compile,
        "decode_batch_size": options.decode_batch_size,
        "memory_kept": kept,
        "weights": options.checkpoint or "random",
    }
    notes += _notes(groups)
    return Report("generate", "images", settings, describe(device), groups, rate, notes, profiles)


class Batches:
    """Generates a batch at each call, always with another seed.

    Args:
        generator: What is timed.
        batch: Images at once, of the first classes.
    """

    def __init__(self, generator: VARGenerator | PlainGenerator, batch: int) -> None:
        self._generator = generator
        self._labels_B = torch.arange(batch, device=generator.var.head.weight.device) % generator.var.num_classes
        self._seed = 0

    def __call__(self) -> Generated:
        """Make one batch."""
        self._seed += 1
        return self._generator.generate(self._labels_B, torch.zeros_like(self._labels_B), self._seed)


def models(options: argparse.Namespace, device: torch.device) -> tuple[VQVAE, VAR]:
    """Tokenizer and VAR with class tokens, on the device, in float32; equal in every process."""
    var = VARArchitecture(depth=options.depth).build()
    var.init_weights(stream("bench", "var"))
    if options.checkpoint is not None:
        load_into(var, options.checkpoint, key="--checkpoint")
    if options.tokenizer is not None:
        vqvae = load_vqvae(options.tokenizer, var.scales, key="--tokenizer")
    else:
        vqvae = VQVAEArchitecture(ch=options.ch).build(var.scales)
    return vqvae.requires_grad_(False).to(device), var.requires_grad_(False).to(device)


def fast_generators(options: argparse.Namespace, device: torch.device) -> dict[str, VARGenerator | PlainGenerator]:
    """The three rows of the paper's Table 9, with the same weights."""
    vqvae, var = models(options, device)
    plain = VARArchitecture(depth=options.depth).build(class_token_scales=()).requires_grad_(False)
    own = plain.state_dict()
    plain.load_state_dict({name: value for name, value in var.state_dict().items() if name in own}, assign=True)

    def fast(model: VAR, amplification: Amplification | None) -> VARGenerator:
        return VARGenerator(
            vqvae,
            model,
            amplification=amplification,
            dtype=PRECISIONS[options.precision],
            compile=options.compile,
            decode_batch_size=options.decode_batch_size,
        )

    return {PLAIN: fast(plain.to(device), None), CLASS_TOKENS: fast(var, None), AMPLIFIED: fast(var, Amplification())}


def baseline(options: argparse.Namespace, device: torch.device) -> PlainGenerator:
    """The plainly written reference, amplified."""
    vqvae, var = models(options, device)
    schedule = Amplification().schedule(var.scales, var.depth, var.class_token_scales)
    return PlainGenerator(vqvae, var, Sampling(), schedule)


def _baseline_batches(options: argparse.Namespace, device: torch.device, batch: int) -> Batches:
    return Batches(baseline(options, device), batch)


def _notes(groups: Sequence[Group]) -> list[str]:
    notes = []
    for group in groups:
        rows = {timing.candidate.name: timing for timing in group.timings}
        if PLAIN in rows and AMPLIFIED in rows:
            cost = 100 * (rows[AMPLIFIED].ratio_to(rows[PLAIN]) - 1)
            notes.append(f"{group.title}: amplified generation against plain VAR: {cost:+.1f} % time.")
        for name in (BASELINE, BASELINE_KEPT):
            if name in rows and AMPLIFIED in rows:
                speed = rows[name].ratio_to(rows[AMPLIFIED])
                notes.append(f"{group.title}: it is {speed:.2f} × as fast as: {name}.")
    return notes
