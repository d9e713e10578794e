"""How the work is done: what is kept from batch to batch, recorded, compiled, laid out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from hieramp_lit.amplify import Amplification
from hieramp_lit.generate import Sampling, VARGenerator
from hieramp_lit.var import VARArchitecture, VQVAEArchitecture
from hieramp_lit.var.block import Block
from tests.golden.models import build_generator, build_var, build_vqvae

LABELS, INDICES = torch.tensor([0, 3, 9, 4]), torch.tensor([0, 5, 1, 2])
AMPLIFIED = partial(build_generator, Amplification(beta=2.0), top_k=50, top_p=0.9)


def made(generator: VARGenerator, images: int = 4, seed: int = 0, record_saliency: bool = True) -> list[torch.Tensor]:
    """Everything that the first images come with."""
    out = generator.generate(LABELS[:images], INDICES[:images], seed, record_saliency=record_saliency)
    assert out.tokens is not None
    assert out.f_hat is not None
    maps = [] if out.saliency is None or out.masks is None else [*out.saliency.values(), *out.masks.values()]
    return [out.tokens, out.images, out.f_hat, *maps]


def test_batches_of_one_kind_use_the_same_memory() -> None:
    generator = AMPLIFIED()
    generator.generate(LABELS, INDICES, 0)
    (_, workspace, _) = generator._ready
    tensors = [workspace.f_hat, workspace.tokens_BL, workspace.uniforms_BL, workspace.labels_2B]
    tensors += [part for cache in workspace.cache for part in cache]
    places = [tensor.data_ptr() for tensor in tensors]
    for seed in (1, 2):
        generator.generate(LABELS, INDICES, seed)
        assert generator._ready[1] is workspace
    assert [tensor.data_ptr() for tensor in tensors] == places


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_inference_mode_made_serves_outside_of_it(dtype: torch.dtype) -> None:
    generator = VARGenerator(build_vqvae("var_tiny"), build_var("var_tiny"), Sampling(top_k=50), dtype=dtype)
    with torch.inference_mode():
        inside = generator.generate(LABELS, INDICES, 0)
    outside = generator.generate(LABELS, INDICES, 0)
    with torch.inference_mode():
        again = generator.generate(LABELS, INDICES, 0)
    assert torch.equal(inside.images, outside.images)
    assert torch.equal(again.images, outside.images)
    assert not outside.images.requires_grad


def test_a_recorded_graph_takes_smaller_batches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings: list[torch.device] = []

    def record(function: Callable[[], None], device: torch.device) -> Callable[[], None]:
        recordings.append(device)
        return function

    monkeypatch.setattr("hieramp_lit.generate.var.CudaGraph", record)
    plain, graphs = AMPLIFIED(), AMPLIFIED(compile="cuda-graphs")
    for images, expected in ((3, 1), (1, 1), (3, 1), (2, 1), (4, 2), (1, 2)):
        for ours, theirs in zip(made(graphs, images, seed=images), made(plain, images, seed=images), strict=True):
            assert ours.shape == theirs.shape
            torch.testing.assert_close(ours, theirs, atol=2e-5 if ours.is_floating_point() else 1, rtol=0)
        assert len(recordings) == expected
    assert torch.equal(made(graphs, 2)[0], made(plain, 2)[0])


def test_every_scale_fits_into_few_graphs() -> None:
    # The published ten scales: torch.compile gives up, and runs the rest as it is, after eight graphs of one function.
    architecture = VARArchitecture(vocab_size=16, z_channels=4, depth=2, embed_dim=64, num_heads=1, num_classes=3)
    var = architecture.build()
    vqvae = VQVAEArchitecture(16, 4, 32, (1, 1), 1).build(var.scales)
    eager, compiled = (VARGenerator(vqvae, var, Sampling(), Amplification(beta=2.0)) for _ in range(2))
    compiled._packed = True  # as `compile` leaves it
    compiled._run_block = torch.compile(Block.forward_scale, backend="eager")
    torch.compiler.reset()
    labels = torch.tensor([0, 2])
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        ours = compiled.generate(labels, labels, 0)
    theirs = eager.generate(labels, labels, 0)
    assert (ours.tokens == theirs.tokens).float().mean() > 0.99


def test_images_are_decoded_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = build_generator(None, decode_batch_size=3)
    seen: list[int] = []
    decode = generator._decode_features

    def watch(f_hat: torch.Tensor) -> torch.Tensor:
        seen.append(len(f_hat))
        return decode(f_hat)

    monkeypatch.setattr(generator, "_decode_features", watch)
    assert len(generator.generate(LABELS, INDICES, 0).images) == 4
    assert seen == [3, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_decoder_works_channels_last(dtype: torch.dtype) -> None:
    generator = VARGenerator(build_vqvae("var_tiny"), build_var("var_tiny"), dtype=dtype)
    last = torch.channels_last
    kernels = {name: p for name, p in generator.vqvae.decoder.named_parameters() if p.ndim == 4 and p.shape[2] > 1}
    assert kernels
    assert all(kernel.is_contiguous(memory_format=last) for kernel in kernels.values())
    layouts: list[bool] = []

    def look(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        layouts.append(output.is_contiguous(memory_format=last))

    for module in generator.vqvae.decoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(look)
    generator.generate(LABELS, INDICES, 0)
    assert layouts
    assert all(layouts)


def test_packed_matrices_stay_on_the_cpu() -> None:
    generator = AMPLIFIED()
    before = made(generator)
    generator.to(torch.float32)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(made(generator), before, strict=True))
    block = generator.var.blocks[0]
    assert isinstance(block, Block)
    meta: Any = torch.empty(1, 2, block.ffn.fc1.in_features, device="meta")
    for module in (block.ffn, block.attn):
        module.to("meta")
    assert block.ffn.in_parts(meta).device.type == "meta"  # a packed product knows no other device
    assert block.attn._project(meta)[0].device.type == "meta"


def test_convolutions_are_exact_while_images_are_made_and_as_before_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    generator, seen = AMPLIFIED(), list[bool]()

    def look(*_: object) -> None:
        seen.append(torch.backends.cudnn.allow_tf32)

    for module in generator.vqvae.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(look)
    tokens = made(generator)[0]
    made_so_far = len(seen)
    vqvae = generator.vqvae
    vqvae.quantize.teacher_input(tokens)
    vqvae.decode(tokens)
    vqvae.encode(torch.zeros(1, 3, vqvae.image_size, vqvae.image_size))
    assert len(seen) > made_so_far > 0
    assert not any(seen)
    assert torch.backends.cudnn.allow_tf32
