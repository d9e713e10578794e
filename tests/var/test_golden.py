"""The answers of the reference implementation, in float32 on the CPU."""

import json

import pytest
import torch
from torch.nn import functional as F

from hieramp_lit.var import Scales, VARArchitecture, VQVAEArchitecture, filtered_weights
from tests.golden.models import FOLDER, NAMES, build_var, build_vqvae, golden

TOLERANCE = {"atol": 2e-4, "rtol": 0}


@pytest.mark.parametrize("name", NAMES)
def test_state_dicts_have_the_published_names_and_shapes(name: str):
    expected = golden(name).state_dict
    for part, model in (("vqvae", build_vqvae(name)), ("var", build_var(name))):
        assert {key: list(tensor.shape) for key, tensor in model.state_dict().items()} == expected[part]


@pytest.mark.parametrize("name", NAMES)
def test_without_l2_norm_only_the_attention_scales_are_gone(name: str):
    expected = {key: shape for key, shape in golden(name).state_dict["var"].items() if "scale_mul" not in key}
    actual = build_var(name, attn_l2_norm=False).state_dict()
    assert {key: list(tensor.shape) for key, tensor in actual.items()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_tokenizer(name: str):
    answers, vqvae = golden(name).answers, build_vqvae(name)
    with torch.no_grad():
        torch.testing.assert_close(vqvae.feature(answers["in.image"]), answers["out.feature"], **TOLERANCE)
    tokens = vqvae.encode(answers["in.image"])
    assert torch.equal(tokens, answers["out.tokens"])
    torch.testing.assert_close(vqvae.decode(tokens), answers["out.reconstruction"], **TOLERANCE)
    torch.testing.assert_close(vqvae.teacher_input(tokens), answers["out.var_input"], **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_transformer(name: str):
    answers = golden(name).answers
    output = build_var(name)(answers["in.label"], answers["out.var_input"])
    torch.testing.assert_close(output.token_logits, answers["out.token_logits"], **TOLERANCE)
    torch.testing.assert_close(output.class_logits, answers["out.class_logits"], **TOLERANCE)
    token_loss = F.cross_entropy(output.token_logits.flatten(0, 1), answers["out.tokens"].flatten())
    labels = answers["in.label"][:, None].expand(output.class_logits.shape[:2])
    class_loss = F.cross_entropy(output.class_logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(token_loss, answers["out.token_loss"], **TOLERANCE)
    torch.testing.assert_close(class_loss, answers["out.class_loss"], **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_transformer_without_class_tokens(name: str):
    answers = golden(name).answers
    output = build_var(name, class_tokens=False)(answers["in.label"], answers["out.var_input"])
    assert output.class_logits is None
    torch.testing.assert_close(output.token_logits, answers["out.token_logits_plain"], **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_filtered_sampling_probabilities(name: str):
    answers = golden(name).answers
    cases = [key for key in answers if key.startswith("sampler.probs.")]
    assert len(cases) == 5
    for key in cases:
        top_k, top_p = key.removeprefix("sampler.probs.top_k").split(".top_p")
        weights = filtered_weights(answers["sampler.logits"], top_k=int(top_k), top_p=float(top_p))
        torch.testing.assert_close(weights / weights.sum(dim=-1, keepdim=True), answers[key], **TOLERANCE)


PUBLISHED = json.loads((FOLDER / "official_checkpoints.json").read_text())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_say_their_own_sizes_and_would_load_strictly(name: str):
    published = PUBLISHED[name]
    with torch.device("meta"):
        tensors = {key: torch.empty(shape) for key, shape in published["state_dict"].items()}
    if name.startswith("vae"):
        architecture = VQVAEArchitecture.of(tensors)
        assert architecture == VQVAEArchitecture()
        with torch.device("meta"):
            model = architecture.build(Scales(VARArchitecture().patch_nums))
    else:
        sides = (1, 2, 3, 4, 6, 9, 13, 18, 24, 32) if "512" in name else VARArchitecture().patch_nums
        tensors["lvl_1L"] = torch.cat([torch.full((side**2,), k) for k, side in enumerate(sides)])[None]
        architecture = VARArchitecture.of(tensors)
        depth = int(name.split("_d")[1].split("_")[0])
        assert architecture == VARArchitecture(
            patch_nums=sides,
            depth=depth,
            embed_dim=64 * depth,
            num_heads=depth,
            shared_aln=depth == 36,
            class_tokens=False,
        )
        differing = {"depth": str(depth)} if depth != 16 else {}  # what to set for it in a model of depth 16 at 256²
        if depth == 36:
            differing |= {"patch_nums": str(list(sides)), "shared_aln": "true"}
        assert architecture.settings_unlike(VARArchitecture()) == differing
        with torch.device("meta"):
            model = architecture.build()
    assert {key: list(t.shape) for key, t in model.state_dict().items()} == published["state_dict"]
    # The published counts take in constant buffers (zero_k_bias, ema_vocab_hit_SV) but not the masks.
    masks = {"lvl_1L", "attn_bias_for_masking"}
    counted = [tensor for key, tensor in model.state_dict().items() if key not in masks]
    assert sum(tensor.numel() for tensor in counted) == published["parameters"]
