import math

import pytest
import torch

from hieramp_lit.amplify import Amplification, StageValues, class_token_saliency
from hieramp_lit.generate import Generator, Sampling, VARGenerator, to_uint8
from hieramp_lit.var import VQVAEArchitecture
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


def test_bfloat16_autocast_generates_with_the_cache_in_bfloat16():
    generator = build_generator(Amplification(beta=2.0), top_k=50, top_p=0.9)
    with torch.autocast("cpu", torch.bfloat16):
        out = generator.generate(LABELS, INDICES, seed=0, record_saliency=True)
    exact = generator.generate(LABELS, INDICES, seed=0)
    assert all(m.dtype == torch.float32 for m in out.saliency.values())
    assert torch.isfinite(out.f_hat).all()
    assert (out.tokens == exact.tokens)[:, :1].all()
    assert (out.tokens == exact.tokens).float().mean() > 0.3  # the streams are shared; far from chance (1 / 128)


def test_identity_holds_what_decides_the_images_and_name_says_whether_amplified():
    vqvae, var = build_vqvae("var_tiny"), build_var("var_tiny")
    generator = VARGenerator(vqvae, var, Sampling(), Amplification(), {"var": "a", "vqvae": "b"})
    assert isinstance(generator, Generator)
    assert generator.identity()["weights"] == {"var": "a", "vqvae": "b"}
    assert generator.identity()["schedule"]["beta"] == [0, 5, 5, 5]
    assert generator.identity()["sampling"] == {"cfg": 4.0, "top_k": 900, "top_p": 0.95}
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
