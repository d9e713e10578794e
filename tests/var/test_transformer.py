import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hieramp_lit.var import VAR, Scales

CLASSES = 5


def make(sides=(1, 2, 3), class_token_scales=(0, 1, 2), **changes) -> VAR:
    torch.manual_seed(3)
    arguments = {"vocab_size": 9, "z_channels": 4, "depth": 2, "embed_dim": 12, "num_heads": 3, "num_classes": CLASSES}
    var = VAR(Scales(sides), class_token_scales=class_token_scales, adaln_gamma=1.0, **(arguments | changes)).eval()
    for parameter in var.parameters():  # away from the initial values, where much is zero
        torch.nn.init.normal_(parameter, std=0.3)
    return var


def inputs(var: VAR, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    length = var.scales.total - var.scales.lengths[0]
    return torch.randint(CLASSES + 1, (batch,), generator=torch.manual_seed(0)), torch.randn(batch, length, 4)


def cached(var: VAR, label: torch.Tensor, teacher_input: torch.Tensor) -> torch.Tensor:
    condition, cache, first = var.condition(label), var.new_cache(len(label)), var.scales.lengths[0]
    for keys, values in cache:
        keys.fill_(math.nan)  # nothing unwritten may be read
        values.fill_(math.nan)
    logits = []
    for k, place in enumerate(var.scales.slices):
        features = teacher_input[:, place.start - first : place.stop - first] if k else None
        logits.append(var.forward_scale(features, k, condition, cache))
    return torch.cat(logits, dim=1)


@settings(max_examples=25)
@given(
    sides=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(sorted),
    tokens=st.sets(st.integers(0, 3)),
    heads=st.sampled_from([1, 2, 3]),
    depth=st.integers(1, 3),
    l2_norm=st.booleans(),
    shared=st.booleans(),
    batch=st.integers(1, 3),
)
@torch.no_grad()
def test_teacher_forcing_and_the_cache_agree(sides, tokens, heads, depth, l2_norm, shared, batch):
    chosen = tuple(k for k in tokens if k < len(sides))
    var = make(sides, chosen, num_heads=heads, depth=depth, attn_l2_norm=l2_norm, shared_aln=shared)
    label, teacher_input = inputs(var, batch)
    output = var(label, teacher_input)
    torch.testing.assert_close(cached(var, label, teacher_input), output.token_logits, atol=1e-4, rtol=1e-4)
    assert (output.class_logits is None) == (not chosen)


def perturbed(scale: int, **changes) -> VAR:
    var = make(**changes)
    # Not the same number for every channel: the layer norm would take that out again.
    var.cls_tokens[str(scale)].add_(torch.linspace(-5, 5, 12))
    return var


@torch.no_grad()
def test_the_class_token_of_a_scale_is_invisible_to_other_scales():
    # One block: nothing but the own scale may change. (Deeper, finer scales see the spatial tokens that saw it.)
    var = make(depth=1)
    label, teacher_input = inputs(var)
    before, before_cached = var(label, teacher_input), cached(var, label, teacher_input)
    for k, own in enumerate(var.scales.slices):
        changed = perturbed(k, depth=1)
        after, after_cached = changed(label, teacher_input), cached(changed, label, teacher_input)
        others = torch.ones(var.scales.total, dtype=torch.bool)
        others[own] = False
        assert torch.equal(after.token_logits[:, others], before.token_logits[:, others])
        assert torch.equal(after_cached[:, others], before_cached[:, others])
        assert not torch.allclose(after.token_logits[:, own], before.token_logits[:, own])
        assert not torch.allclose(after_cached[:, own], before_cached[:, own])
        rest = [j for j in range(3) if j != k]
        assert torch.equal(after.class_logits[:, rest], before.class_logits[:, rest])
        assert not torch.allclose(after.class_logits[:, k], before.class_logits[:, k])


@torch.no_grad()
def test_at_any_depth_a_class_token_changes_no_coarser_scale():
    var = make(depth=3)
    label, teacher_input = inputs(var)
    before, before_cached = var(label, teacher_input), cached(var, label, teacher_input)
    for k, own in enumerate(var.scales.slices):
        changed = perturbed(k, depth=3)
        after, after_cached = changed(label, teacher_input), cached(changed, label, teacher_input)
        assert torch.equal(after.token_logits[:, : own.start], before.token_logits[:, : own.start])
        assert torch.equal(after_cached[:, : own.start], before_cached[:, : own.start])
        assert torch.equal(after.class_logits[:, :k], before.class_logits[:, :k])


@torch.no_grad()
def test_a_scale_sees_coarser_scales_and_itself_but_no_finer_one():
    var = make()
    label, teacher_input = inputs(var)
    before = var(label, teacher_input)
    changed = teacher_input.clone()
    changed[:, 4:] += 1.0  # scale 2
    after = var(label, changed)
    assert torch.equal(after.token_logits[:, :5], before.token_logits[:, :5])
    assert torch.equal(after.class_logits[:, :2], before.class_logits[:, :2])
    changed = teacher_input.clone()
    changed[:, :4] += 1.0  # scale 1
    after = var(label, changed)
    assert not torch.allclose(after.token_logits[:, 5:], before.token_logits[:, 5:])
    # In the first block a class token sees its own scale only; coarser scales reach it through deeper blocks alone.
    single = make(depth=1)
    torch.testing.assert_close(
        single(label, changed).class_logits[:, 2], single(label, teacher_input).class_logits[:, 2], atol=0, rtol=0
    )


@torch.no_grad()
def test_one_head_a_scale_classifies_its_own_class_token():
    var = make(class_head="per_scale")
    label, teacher_input = inputs(var)
    before = var(label, teacher_input).class_logits
    var.class_head["1"].bias.add_(1.0)
    after = var(label, teacher_input).class_logits
    torch.testing.assert_close(after - before, torch.tensor([0.0, 1.0, 0.0])[None, :, None].expand_as(before))


def draws(seed, batch, depth=3):
    return torch.rand(depth, 2, batch, generator=torch.Generator().manual_seed(seed))


def test_drop_path_follows_its_draws_and_keeps_the_mean():
    var = make(drop_path_rate=0.5, depth=3).train()
    label, teacher_input = inputs(var)
    given = draws(7, len(label))
    first = var(label, teacher_input, given).token_logits
    assert torch.equal(first, var(label, teacher_input, given).token_logits)
    assert not torch.equal(first, var(label, teacher_input, draws(8, len(label))).token_logits)
    alone = var(label[1:], teacher_input[1:], given[:, :, 1:]).token_logits
    torch.testing.assert_close(alone, first[1:])  # what an image drops belongs to the image
    keep = var._drop_path(20_000, draws(0, 20_000))
    assert keep[0].eq(1).all()  # the first block's rate is 0
    assert keep[2].unique().tolist() == [0.0, 2.0]
    assert keep.mean(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1], abs=0.02)
    var.eval()
    assert torch.equal(var(label, teacher_input).token_logits, var(label, teacher_input).token_logits)


def test_published_initialization():
    torch.manual_seed(0)
    arguments = {"vocab_size": 64, "z_channels": 4, "depth": 2, "embed_dim": 192, "num_heads": 3, "num_classes": 9}
    var = VAR(Scales((1, 2)), class_token_scales=(0, 1), adaln_gamma=1e-5, **arguments)
    std = math.sqrt(1 / (3 * 192))
    weights = dict(var.named_parameters())
    ada = weights["blocks.1.ada_lin.1.weight"]
    expected = {
        "class_emb.weight": std,
        "cls_tokens.1": std,
        "pos_1LC": std,
        "blocks.0.ffn.fc1.weight": std,
        "blocks.0.ffn.fc2.weight": std / 2,
        "blocks.0.attn.proj.weight": std / 2,
        "head.weight": std * 0.02,
        "head_nm.ada_lin.1.weight": std * 0.5,
    }
    for name, value in expected.items():
        assert weights[name].std().item() == pytest.approx(value, rel=0.2), name
    assert ada[: 2 * 192].std().item() == pytest.approx(std * 1e-5, rel=0.05)
    assert ada[2 * 192 :].std().item() == pytest.approx(std * 0.5, rel=0.05)
    zeros = [name for name in weights if name.endswith(("bias",)) and weights[name].abs().max() > 0]
    assert zeros == []
    assert torch.equal(weights["blocks.0.attn.scale_mul_1H11"], torch.full((1, 3, 1, 1), math.log(4)))
    again = VAR(Scales((1, 2)), class_token_scales=(0, 1), **arguments)
    for model in (var, again):
        model.init_weights(torch.Generator().manual_seed(5))
    assert all(torch.equal(a, b) for a, b in zip(var.parameters(), again.parameters(), strict=True))


def test_weight_decay_falls_on_matrices_only():
    var = make(shared_aln=False)
    decayed = {name for name, _ in var.named_parameters()} - var.no_weight_decay()
    assert decayed == {
        "word_embed.weight",
        "class_emb.weight",
        "head.weight",
        "head_nm.ada_lin.1.weight",
        "class_head.weight",
        *(f"blocks.{i}.{part}.weight" for i in range(2) for part in ("attn.mat_qkv", "attn.proj", "ada_lin.1")),
        *(f"blocks.{i}.ffn.{part}.weight" for i in range(2) for part in ("fc1", "fc2")),
    }


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"num_heads": 5}, "num_heads=5"),
        ({"class_token_scales": (3,)}, "class_token_scales"),
        ({"class_token_scales": (1, 1)}, "class_token_scales"),
        ({"drop_path_rate": 1.0}, "drop_path_rate"),
        ({"class_head": "both"}, "class_head='both'"),
        ({"depth": 0}, "depth"),
    ],
)
def test_impossible_sizes_are_refused_by_name(arguments, match):
    with pytest.raises(ValueError, match=match):
        make(**arguments)


def test_a_teacher_input_of_other_scales_is_refused():
    with pytest.raises(ValueError, match="patch_nums"):
        make()(torch.zeros(2, dtype=torch.long), torch.zeros(2, 5, 4))


@torch.no_grad()
def test_the_cache_is_preallocated_and_one_cache_does_not_know_another():
    var = make()
    label, teacher_input = inputs(var)
    condition, first, second = var.condition(label), var.new_cache(2), var.new_cache(2)
    assert [tuple(tensor.shape) for pair in first for tensor in pair] == 4 * [(2, 3, var.scales.total + 1, 4)]
    places = [tensor.data_ptr() for pair in first for tensor in pair]
    alone = cached(var, label, teacher_input)
    for k, place in enumerate(var.scales.slices):  # two sequences in turns, each with its own cache
        features = teacher_input[:, place.start - 1 : place.stop - 1] if k else None
        logits = var.forward_scale(features, k, condition, first)
        var.forward_scale(None if features is None else features * 2, k, condition, second)
        assert torch.equal(logits, alone[:, place])
    assert places == [tensor.data_ptr() for pair in first for tensor in pair]


def test_shared_adaln_keeps_the_plain_gain_and_scales_each_blocks_own_shift():
    torch.manual_seed(0)
    arguments = {"vocab_size": 8, "z_channels": 4, "depth": 2, "embed_dim": 192, "num_heads": 3, "num_classes": 9}
    var = VAR(Scales((1, 2)), shared_aln=True, adaln_gamma=1e-3, **arguments)
    std = math.sqrt(1 / (3 * 192))
    shared, own = var.shared_ada_lin[1].weight, torch.stack([block.ada_gss for block in var.blocks])
    assert shared.std().item() == pytest.approx(std, rel=0.05)
    assert own[..., :2, :].std().item() == pytest.approx(1e-3 / math.sqrt(192), rel=0.1)
    assert own[..., 2:, :].std().item() == pytest.approx(0.5 / math.sqrt(192), rel=0.1)
