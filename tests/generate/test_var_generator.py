import math

import pytest
import torch

from hieramp_lit.amplify import Amplification, Amplifier, StageValues, class_token_saliency
from hieramp_lit.bench import PlainGenerator
from hieramp_lit.generate import Generator, Sampling, VARGenerator, to_uint8
from hieramp_lit.generate.streams import token_uniforms
from hieramp_lit.var import VQVAEArchitecture, draw, filtered_weights, guide, load_var, load_vqvae
from hieramp_lit.var.packed import can_pack
from tests.golden.models import NAMES, build_generator, build_var, build_vqvae, golden

LABELS, INDICES = torch.tensor([0, 3, 9]), torch.tensor([0, 5, 1])


def of_case(case: dict) -> Amplification | None:
    if not case.get("amplify"):
        return None
    return Amplification(
        beta=case["beta"], rho=case["top_ratio"], scales=case.get("amplify_scales"), blocks=case["amplify_layers"]
    )


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in NAMES for case in golden(name).cases])
def test_greedy_generation_meets_the_golden_answers(name: str, case: str):
    description, answers = golden(name).cases[case], golden(name).answers
    amplification = of_case(description)
    generator = build_generator(
        amplification, name=name, class_tokens=description.get("class_tokens", True), cfg=description["cfg"]
    )
    labels = answers["in.label"]
    out = generator.generate(labels, torch.zeros_like(labels), seed=0, record_saliency=amplification is not None)
    assert torch.equal(out.tokens, answers[f"gen.{case}.tokens"])
    torch.testing.assert_close(out.f_hat, answers[f"gen.{case}.f_hat"], atol=2e-4, rtol=0)
    reference = answers[f"gen.{case}.image"].permute(0, 2, 3, 1) * 255
    assert (out.images - reference).abs().max() <= 0.5 + 0.06  # rounded to the nearest level, and the tolerance 2e-4
    if amplification is not None:
        for block in description["amplify_layers"]:
            for step, scale in enumerate(description.get("amplify_scales", [1, 2, 3])):
                place = f"block{block}.step{step}"
                expected = answers[f"gen.{case}.saliency.{place}"]
                torch.testing.assert_close(out.saliency[block, scale], expected, atol=2e-4, rtol=0)
                assert torch.equal(out.masks[block, scale], answers[f"gen.{case}.mask.{place}"])


@pytest.mark.parametrize(
    "off",
    [
        Amplification(rho=0),
        Amplification(beta=0),
        Amplification(beta=StageValues()),
        Amplification(rule="post_softmax", beta=1.0),
        Amplification(rule="post_softmax", beta=1.0, renormalize=False),
        Amplification(stages=[]),
        Amplification(rho=0, saliency="unconditional"),
    ],
    ids=lambda amplification: str(amplification)[14:60],
)
@pytest.mark.parametrize("record", [False, True])
def test_off_is_the_plain_sampler_bit_for_bit(off: Amplification, record: bool):
    settings = {"top_k": 20, "top_p": 0.9}
    plain = build_generator(None, **settings).generate(LABELS, INDICES, seed=4)
    other = build_generator(off, **settings).generate(LABELS, INDICES, seed=4, record_saliency=record)
    assert torch.equal(plain.tokens, other.tokens)
    assert torch.equal(plain.f_hat, other.f_hat)
    assert torch.equal(plain.images, other.images)
    assert build_generator(off).identity() == build_generator(None).identity()


def test_amplification_is_at_work_and_recording_changes_no_bit():
    settings = {"top_k": 20, "top_p": 0.9}
    plain = build_generator(None, **settings).generate(LABELS, INDICES, seed=4)
    generator = build_generator(Amplification(beta=5.0), **settings)
    amplified, recorded = (generator.generate(LABELS, INDICES, seed=4, record_saliency=r) for r in (False, True))
    assert not torch.equal(plain.tokens, amplified.tokens)
    assert torch.equal(plain.tokens[:, 0], amplified.tokens[:, 0])  # scale 0 is left alone
    assert torch.equal(amplified.images, recorded.images)
    assert amplified.saliency is None
    assert set(recorded.saliency) == {(2, k) for k in range(4)}
    assert all(map_.shape == (6, (k + 1) ** 2) for (_, k), map_ in recorded.saliency.items())


def test_unconditional_saliency_ranks_both_halves_by_the_unconditional_map():
    generator = build_generator(Amplification(saliency="unconditional"))
    out = generator.generate(LABELS, INDICES, seed=0, record_saliency=True)
    for place, mask in out.masks.items():
        conditional, unconditional = mask.chunk(2)
        assert torch.equal(conditional, unconditional), place
        if place[1] > 0:
            count = int(mask[0].sum())
            best = out.saliency[place].chunk(2)[1].topk(count, dim=1).values.sum(1)
            torch.testing.assert_close((out.saliency[place].chunk(2)[1] * unconditional).sum(1), best)
    own = build_generator(Amplification()).generate(LABELS, INDICES, seed=0, record_saliency=True)
    assert any(not torch.equal(*mask.chunk(2)) for mask in own.masks.values())


def test_an_image_does_not_depend_on_batch_size_order_or_neighbours():
    # Enough weight differences between tokens (top_p 0.9) for every draw to matter; ties by rounding do not occur here.
    generator = build_generator(Amplification(beta=2.0), top_k=50, top_p=0.9)
    rows = torch.tensor([0, 0, 1, 2, 3, 5, 8, 9])
    indices = torch.tensor([0, 1, 0, 7, 2, 3, 0, 11])
    together = generator.generate(rows, indices, seed=3).tokens
    for size in (1, 3):
        parts = [
            generator.generate(r, i, seed=3).tokens for r, i in zip(rows.split(size), indices.split(size), strict=True)
        ]
        assert torch.equal(torch.cat(parts), together)
    order = torch.tensor([5, 2, 7, 0, 1, 6, 4, 3])
    assert torch.equal(generator.generate(rows[order], indices[order], seed=3).tokens, together[order])
    subset = rows == 0
    assert torch.equal(generator.generate(rows[subset], indices[subset], seed=3).tokens, together[subset])
    assert not torch.equal(together[0], together[1])  # another index is another image
    assert not torch.equal(generator.generate(rows, indices, seed=4).tokens, together)


def test_guidance_rises_linearly_from_zero_at_the_first_scale():
    # At scale 0 the strength is 0, so the first token does not depend on cfg.
    first = [build_generator(cfg=cfg).generate(LABELS, INDICES, 0).tokens[:, 0] for cfg in (0.0, 10.0)]
    assert torch.equal(*first)
    rest = [build_generator(cfg=cfg).generate(LABELS, INDICES, 0).tokens[:, 1:] for cfg in (0.0, 10.0)]
    assert not torch.equal(*rest)


@torch.no_grad()
def test_the_image_is_the_decoded_tokens():
    generator = build_generator(top_k=50)
    out = generator.generate(LABELS, INDICES, seed=1)
    torch.testing.assert_close(out.f_hat, generator.vqvae.quantize.accumulate(out.tokens), atol=1e-5, rtol=1e-5)
    # One level of difference where rounding of the convolutions decides.
    assert (out.images.int() - to_uint8(generator.vqvae.decode(out.tokens)).int()).abs().max() <= 1
    assert out.images.dtype == torch.uint8
    assert out.images.shape == (3, 64, 64, 3)


def test_pixels_are_rounded_to_the_nearest_level_and_clamped():
    image = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0, 100 / 127.5 - 1]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert to_uint8(image)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 100]


def flips(exact: VARGenerator, other: VARGenerator, labels: torch.Tensor, seed: int) -> float:
    """Share of tokens that `other` draws differently from `exact` when both have drawn the same ones before."""
    tokens_BL = exact.generate(labels, torch.zeros_like(labels), seed).tokens
    uniforms_BL = token_uniforms(labels, torch.zeros_like(labels), seed, tokens_BL.shape[1])
    var, quantizer, sampling = other.var, other.vqvae.quantize, other.sampling
    amplifier = Amplifier(other.schedule)
    different = 0
    with torch.no_grad():
        condition = var.condition(torch.cat([labels, torch.full_like(labels, var.num_classes)]))
        cache, f_hat = var.new_cache(2 * len(labels)), 0
        for k, place in enumerate(var.scales.slices):
            features = quantizer.next_input(f_hat, k).repeat(2, 1, 1) if k else None
            logits = var.forward_scale(features, k, condition, cache, amplifier.hooks(k))
            guided = guide(*logits.chunk(2), sampling.cfg * var.scales.progress(k))
            weights = filtered_weights(guided, top_k=sampling.top_k, top_p=sampling.top_p)
            different += int((draw(weights, uniforms_BL[:, place]) != tokens_BL[:, place]).sum())
            f_hat = f_hat + quantizer.contribution(tokens_BL[:, place], k)
    return different / tokens_BL.numel()


def digits_generator(amplification: Amplification | None = None, **arguments) -> VARGenerator:
    var = load_var("asset://digits/var.safetensors")
    vqvae = load_vqvae("asset://digits/tokenizer.safetensors", var.scales)
    return VARGenerator(vqvae, var, Sampling(cfg=2.0, top_k=60, top_p=0.95), amplification, **arguments)


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 0.08), (torch.float16, 0.01)])
def test_half_precision_seldom_draws_another_token(dtype: torch.dtype, most: float):
    # Trained weights: those of a random model make every choice a close one. Measured: 4.9 % and 0.3 %.
    labels = torch.arange(10)
    exact, half = digits_generator(), digits_generator(dtype=dtype)
    assert flips(exact, exact, labels, seed=0) == 0
    assert 0 < sum(flips(exact, half, labels, seed) for seed in range(3)) / 3 < most


def test_half_precision_leaves_the_given_modules_and_what_decides_tokens_in_float32():
    vqvae, var = build_vqvae("var_tiny"), build_var("var_tiny")
    before = {name: value.clone() for name, value in [*vqvae.state_dict().items(), *var.state_dict().items()]}
    generator = VARGenerator(vqvae, var, amplification=Amplification(beta=2.0), dtype=torch.bfloat16)
    after = {**vqvae.state_dict(), **var.state_dict()}
    assert all(value.dtype == before[name].dtype and torch.equal(value, before[name]) for name, value in after.items())
    half = {name for name, p in generator.named_parameters() if p.dtype == torch.bfloat16}
    assert "var.blocks.0.ffn.fc1.weight" in half
    assert "vqvae.decoder.conv_in.weight" in half
    exact = {name for name, p in generator.named_parameters() if p.dtype == torch.float32}
    for name in ("class_emb.weight", "head.weight", "head_nm.ada_lin.1.weight", "word_embed.weight", "cls_tokens.0"):
        assert f"var.{name}" in exact
    assert {"vqvae.quantize.embedding.weight", "vqvae.quantize.quant_resi.qresi_ls.0.weight"} <= exact
    assert generator.vqvae.quantize.embedding.weight.data_ptr() == vqvae.quantize.embedding.weight.data_ptr()
    assert generator.var.new_cache(1)[0].keys.dtype == torch.bfloat16
    recorded = generator.generate(LABELS, INDICES, seed=0, record_saliency=True).saliency
    assert all(saliency.dtype == torch.float32 for saliency in recorded.values())
    with pytest.raises(ValueError, match=r"rounded to torch\.bfloat16 before"):
        generator.execute(torch.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "amplification",
    [
        None,
        Amplification(beta=StageValues(5.0, 2.0, 0.5), rho=0.4, blocks=[-1]),
        Amplification(beta=3.0, rho=0.4, blocks=[-1], saliency="unconditional"),
        Amplification(beta=3.0, rho=0.4, blocks=[-1], rule="post_softmax", renormalize=False, stages=["mid"]),
    ],
    ids=["plain", "bias", "unconditional", "factor"],
)
def test_equals_the_plainly_written_reference(name: str, amplification: Amplification | None):
    # At the last block: at earlier ones this model has positions whose saliencies differ in the last bit only.
    fast = build_generator(amplification, name=name, top_k=50, top_p=0.9)
    plain = PlainGenerator(fast.vqvae, fast.var, fast.sampling, fast.schedule)
    ours, theirs = fast.generate(LABELS, INDICES, seed=4), plain.generate(LABELS, INDICES, seed=4)
    assert torch.equal(ours.tokens, theirs.tokens)
    torch.testing.assert_close(ours.f_hat, theirs.f_hat, atol=1e-4, rtol=1e-4)
    assert (ours.images.int() - theirs.images.int()).abs().max() <= 1


def test_batches_of_other_sizes_and_kinds_in_between_change_nothing():
    generator = build_generator(Amplification(beta=2.0), top_k=50, top_p=0.9)
    first = generator.generate(LABELS, INDICES, seed=0, record_saliency=True)
    kept = (first.tokens.clone(), first.f_hat.clone(), {k: v.clone() for k, v in first.saliency.items()})
    generator.generate(LABELS, INDICES, seed=1, record_saliency=True)
    generator.generate(LABELS[:1], INDICES[:1], seed=2)
    again = generator.generate(LABELS, INDICES, seed=0, record_saliency=True)
    for result in (first, again):  # what was returned is not overwritten by later batches
        assert torch.equal(result.tokens, kept[0])
        assert torch.equal(result.f_hat, kept[1])
        assert all(torch.equal(result.saliency[place], kept[2][place]) for place in kept[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_matrices_draw_the_same_tokens_and_leave_the_given_model_alone(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    vqvae, var = build_vqvae("var_tiny"), build_var("var_tiny")

    def tokens() -> torch.Tensor:
        generator = VARGenerator(vqvae, var, Sampling(top_k=50), Amplification(beta=2.0, blocks=[-1]), dtype=dtype)
        drawn = generator.generate(LABELS, INDICES, seed=0).tokens
        assert (generator.var._packed_head is not None) == can_pack(torch.device("cpu"), dtype) == packing
        return drawn

    packing = can_pack(torch.device("cpu"), dtype)
    packed = tokens()
    assert var._packed_head is None
    assert all(block.attn._packed is None and block.ffn._packed is None for block in var.blocks)
    monkeypatch.setattr("hieramp_lit.generate.var.can_pack", lambda *_: False)
    monkeypatch.setattr("tests.generate.test_var_generator.can_pack", lambda *_: False)
    packing = False
    assert (tokens() == packed).float().mean() > (0.999 if dtype == torch.float32 else 0.8)


def test_a_generator_that_has_made_images_is_not_executed_otherwise():
    generator = build_generator(None)
    generator.generate(LABELS, INDICES, seed=0)
    generator.execute(torch.float32)  # as it is
    with pytest.raises(ValueError, match="has made images already"):
        generator.execute(torch.bfloat16)


def test_decoding_in_parts_is_decoding():
    whole, parts = build_generator(None), build_generator(None, decode_batch_size=1)
    difference = whole.generate(LABELS, INDICES, 0).images.int() - parts.generate(LABELS, INDICES, 0).images.int()
    assert difference.abs().max() <= 1


def test_identity_holds_what_decides_the_images_and_name_says_whether_amplified():
    vqvae, var = build_vqvae("var_tiny"), build_var("var_tiny")
    generator = VARGenerator(vqvae, var, Sampling(), Amplification(), {"var": "a", "vqvae": "b"})
    assert isinstance(generator, Generator)
    assert generator.identity()["weights"] == {"var": "a", "vqvae": "b"}
    assert generator.identity()["schedule"]["beta"] == [0, 5, 5, 5]
    assert generator.identity()["sampling"] == {"cfg": 4.0, "top_k": 900, "top_p": 0.95}
    sides = {"patch_nums": list(var.scales.patch_nums), "vocab_size": vqvae.vocab_size}
    assert generator.identity()["tokens"] == sides
    assert (generator.name, VARGenerator(vqvae, var).name) == ("hieramp", "var")
    assert VARGenerator(vqvae, var).identity()["schedule"] is None


def test_what_does_not_fit_dies_in_the_constructor():
    vqvae, plain = build_vqvae("var_tiny"), build_var("var_tiny", class_tokens=False)
    with pytest.raises(ValueError, match="have no class token"):
        VARGenerator(vqvae, plain, amplification=Amplification())
    with pytest.raises(ValueError, match=r"amplification\.rho has 2 numbers"):
        VARGenerator(vqvae, build_var("var_tiny"), amplification=Amplification(rho=[0.1, 0.2]))
    other = VQVAEArchitecture(64, 16, 32, (1, 1, 1), 1).build(vqvae.scales)
    with pytest.raises(ValueError, match="do not belong together"):
        VARGenerator(other, plain)


def test_a_class_row_that_the_model_lacks_is_refused():
    # Row 10 is the unconditional one: it exists, but is no class.
    with pytest.raises(ValueError, match="this VAR has 0 to 9"):
        build_generator().generate(torch.tensor([10]), torch.tensor([0]), seed=0)


def test_the_class_token_of_generation_is_seen_by_its_own_scale_only():
    settings = {"top_k": 1}
    plain = build_generator(None, class_tokens=False, **settings).generate(LABELS, INDICES, 0).tokens
    only_last = build_generator(None, class_tokens=False, **settings)
    only_last.var = build_var("var_tiny", class_token_scales=(3,))
    out = only_last.generate(LABELS, INDICES, 0).tokens
    last = only_last.var.scales.slices[3]
    assert torch.equal(out[:, : last.start], plain[:, : last.start])
    assert math.prod(out.shape) == math.prod(plain.shape)


@pytest.mark.parametrize("name", NAMES)
def test_modulations_are_computed_once_per_image_not_per_scale(name: str):
    generator = build_generator(Amplification(scales=[1, 3]), name=name)
    var, calls = generator.var, []
    layers = [var.shared_ada_lin] if var.shared_ada_lin is not None else [block.ada_lin for block in var.blocks]
    for layer in [*layers, var.head_nm.ada_lin]:
        layer.register_forward_hook(lambda *_: calls.append(1))
    generator.generate(LABELS, INDICES, seed=0)
    assert len(calls) == len(layers) + 1


def test_saliency_is_computed_at_amplified_blocks_and_scales_only(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def counted(query, keys, softmax_scale):
        seen.append((query.shape[2], keys.shape[2]))
        return class_token_saliency(query, keys, softmax_scale)

    monkeypatch.setattr("hieramp_lit.amplify.amplifier.class_token_saliency", counted)
    build_generator(Amplification(scales=[1, 3], blocks=[1, -1])).generate(LABELS, INDICES, seed=0)
    assert seen == [(1, 4)] * 2 + [(1, 16)] * 2  # one query row, two blocks, the spatial keys of scales 1 and 3
    seen.clear()
    build_generator(None).generate(LABELS, INDICES, seed=0)
    assert seen == []
