import pytest
import torch

from hieramp_lit.checkpoints import save
from hieramp_lit.var import (
    Scales,
    Tokenizer,
    VARArchitecture,
    VQVAEArchitecture,
    check_pair,
    load_into,
    load_var,
    load_vqvae,
)

SMALL = VARArchitecture(
    patch_nums=(1, 2),
    vocab_size=8,
    z_channels=4,
    depth=2,
    embed_dim=16,
    num_heads=2,
    num_classes=3,
    class_head="per_scale",
)
SMALL_VQVAE = VQVAEArchitecture(vocab_size=8, z_channels=4, ch=32, ch_mult=(1, 2), num_res_blocks=2, num_phi=3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"state_dict": {f"var.{name}": t for name, t in tensors.items()} | {"other": torch.ones(1)}},
        lambda tensors: {"trainer": {"var_wo_ddp": tensors, "vae_local": {"x": torch.ones(1)}}, "epoch": 3},
        lambda tensors: {"model": {f"module.{name}": t for name, t in tensors.items()}},
    ],
    ids=["plain", "lightning", "training script", "model"],
)
def test_every_container_gives_the_same_var(tmp_path, wrap):
    var = SMALL.build()
    torch.save(wrap(var.state_dict()), tmp_path / "var.pth")
    loaded = load_var(str(tmp_path / "var.pth"))
    assert VARArchitecture.of(loaded.state_dict()) == SMALL
    assert all(torch.equal(a, loaded.state_dict()[name]) for name, a in var.state_dict().items())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_saved_weights_come_back_whole(tmp_path, suffix):
    vqvae = SMALL_VQVAE.build(Scales((1, 2)))
    save(tmp_path / f"vqvae.{suffix}", vqvae.state_dict())
    loaded = load_vqvae(str(tmp_path / f"vqvae.{suffix}"), Scales((1, 2)))
    assert VQVAEArchitecture.of(loaded.state_dict()) == SMALL_VQVAE
    assert all(torch.equal(a, loaded.state_dict()[name]) for name, a in vqvae.state_dict().items())


@pytest.mark.parametrize(
    "architecture",
    [
        VARArchitecture((1, 3), 8, 4, 1, 64, 2, 3, shared_aln=True, class_tokens=False),
        VARArchitecture((2, 3, 3), 5, 2, 3, 24, 4, 7),
    ],
)
def test_shapes_alone_say_the_sizes(architecture):
    assert VARArchitecture.of(architecture.build().state_dict()) == architecture


def test_plain_weights_enter_a_model_with_class_tokens_which_keeps_its_own_new_ones(tmp_path):
    plain = VARArchitecture((1, 2), 8, 4, 2, 16, 2, 3, class_tokens=False).build()
    save(tmp_path / "plain.safetensors", plain.state_dict())
    var = SMALL.build()
    tokens = {name: p.clone() for name, p in var.class_token_parameters()}
    kept = load_into(var, str(tmp_path / "plain.safetensors"))
    assert set(kept) == set(tokens)
    assert all(torch.equal(p, tokens[name]) for name, p in var.class_token_parameters())
    assert torch.equal(var.head.weight, plain.head.weight)


def test_a_file_of_another_size_is_explained(tmp_path):
    big = VARArchitecture((1, 2), 8, 4, 3, 32, 2, 3, class_tokens=False).build()
    save(tmp_path / "big.pth", big.state_dict())
    with pytest.raises(ValueError, match=r"This is a depth-3 checkpoint: VAR depth 3, width 32") as error:
        load_into(SMALL.build(), str(tmp_path / "big.pth"), key="model.checkpoint")
    message = str(error.value)
    assert message.startswith("model.checkpoint: ")
    assert "Surplus in the file" in message
    assert "blocks.2.attn.q_bias" in message
    assert "pos_start: file (1, 1, 32), model (1, 1, 16)" in message
    assert message.endswith("Set in model.var: depth: 3, embed_dim: 32, num_heads: 2; or give another file.")


@pytest.mark.parametrize(
    ("of_file", "of_model", "settings"),
    [
        ({"depth": 30}, {}, {"depth": "30"}),
        ({"depth": 16}, {"depth": 16, "embed_dim": 512}, {"embed_dim": "null"}),
        ({"num_heads": 8}, {}, {"num_heads": "8"}),
        ({"shared_aln": True, "num_classes": 10}, {}, {"num_classes": "10", "shared_aln": "true"}),
        ({"patch_nums": (1, 2)}, {}, {"patch_nums": "[1, 2]"}),
        ({"class_tokens": False}, {"class_head": "per_scale"}, {}),
        ({"class_head": "per_scale"}, {"class_tokens": False}, {"class_tokens": "true", "class_head": '"per_scale"'}),
        ({"drop_path_rate": 0.3}, {}, {}),
    ],
)
def test_what_to_set_for_a_file_is_what_differs_from_it(of_file, of_model, settings):
    assert VARArchitecture(**of_file).settings_unlike(VARArchitecture(**of_model)) == settings


def test_missing_and_surplus_names_are_listed(tmp_path):
    tensors = SMALL.build().state_dict()
    del tensors["blocks.1.ffn.fc1.bias"]
    tensors["stranger"] = torch.ones(1)
    save(tmp_path / "var.safetensors", tensors)
    with pytest.raises(ValueError, match=r"(?s)Missing in the file \(1\): blocks.1.ffn.fc1.bias.*\(1\): stranger"):
        load_var(str(tmp_path / "var.safetensors"))


def test_some_but_not_all_class_tokens_is_an_error(tmp_path):
    tensors = SMALL.build().state_dict()
    del tensors["cls_tokens.1"]
    save(tmp_path / "var.safetensors", tensors)
    with pytest.raises(ValueError, match=r"cls_tokens\.1"):
        load_into(SMALL.build(), str(tmp_path / "var.safetensors"))


def test_tokenizer_and_var_are_not_taken_for_each_other(tmp_path):
    save(tmp_path / "var.pth", SMALL.build().state_dict())
    save(tmp_path / "vqvae.pth", SMALL_VQVAE.build(Scales((1, 2))).state_dict())
    with pytest.raises(ValueError, match="not a VAR but a tokenizer"):
        load_var(str(tmp_path / "vqvae.pth"))
    with pytest.raises(ValueError, match=r"tokenizer.checkpoint: .* is not a tokenizer .* but a VAR"):
        load_vqvae(str(tmp_path / "var.pth"), Scales((1, 2)))


def test_a_tokenizer_of_another_codebook_is_refused():
    vqvae = VQVAEArchitecture(16, 4, 32, (1, 2), 1).build(Scales((1, 2)))
    with pytest.raises(ValueError, match=r"do not belong together"):
        check_pair(vqvae, SMALL.build())


def test_usage_statistic_of_another_scale_count_keeps_ours(tmp_path):
    save(tmp_path / "vqvae.pth", SMALL_VQVAE.build(Scales((1, 2, 3))).state_dict())
    loaded = load_vqvae(str(tmp_path / "vqvae.pth"), Scales((1, 2)))
    assert loaded.quantize.ema_vocab_hit_SV.shape == (2, 8)


def test_the_tokenizer_of_a_task_is_frozen(tmp_path):
    save(tmp_path / "vqvae.pth", SMALL_VQVAE.build(Scales((1, 2))).state_dict())
    vqvae = Tokenizer(str(tmp_path / "vqvae.pth")).load(Scales((1, 2)))
    assert not vqvae.training
    assert not any(p.requires_grad for p in vqvae.parameters())


@pytest.mark.parametrize("num_phi", [1, 2, 4])
def test_the_quantizer_alone_is_that_of_the_whole_tokenizer(tmp_path, num_phi):
    scales = Scales((1, 2, 3))
    architecture = VQVAEArchitecture(8, 4, 32, (1, 2), 1, num_phi)
    save(tmp_path / "vqvae.pth", architecture.build(scales).state_dict())
    tokenizer = Tokenizer(str(tmp_path / "vqvae.pth"))
    whole, alone = tokenizer.load(scales), tokenizer.load_quantizer(scales)
    assert not any(p.requires_grad for p in alone.parameters())
    assert not alone.training
    theirs = {name: t for name, t in whole.state_dict().items() if name.startswith("quantize.")}
    assert list(theirs) == [f"quantize.{name}" for name in alone.state_dict()]
    assert all(torch.equal(t, alone.state_dict()[name.removeprefix("quantize.")]) for name, t in theirs.items())
    tokens = torch.randint(8, (2, scales.total), generator=torch.Generator().manual_seed(0))
    assert torch.equal(alone.teacher_input(tokens), whole.teacher_input(tokens))
    assert tokenizer.load_quantizer(Scales((1, 3))).ema_vocab_hit_SV.shape == (2, 8)


def test_what_is_no_tokenizer_has_no_quantizer(tmp_path):
    save(tmp_path / "var.pth", SMALL.build().state_dict())
    with pytest.raises(ValueError, match=r"model\.tokenizer\.checkpoint: .* is not a tokenizer .* but a VAR"):
        Tokenizer(str(tmp_path / "var.pth")).load_quantizer(Scales((1, 2)))
    tensors = SMALL_VQVAE.build(Scales((1, 2))).state_dict()
    part = {name: t for name, t in tensors.items() if "qresi_ls" not in name}
    save(tmp_path / "part.pth", part)
    with pytest.raises(ValueError, match=r"no whole tokenizer.*qresi_ls"):
        Tokenizer(str(tmp_path / "part.pth")).load_quantizer(Scales((1, 2)))


def test_a_quantizer_of_another_codebook_is_refused():
    quantizer = VQVAEArchitecture(16, 4, 32, (1, 2), 1).build(Scales((1, 2))).quantize
    with pytest.raises(ValueError, match=r"do not belong together"):
        check_pair(quantizer, SMALL.build())


def test_without_l2_norm_the_number_of_heads_must_be_given(tmp_path):
    architecture = VARArchitecture((1, 2), 8, 4, 2, 128, 4, 3, attn_l2_norm=False)
    var = architecture.build().eval()
    save(tmp_path / "var.safetensors", var.state_dict())
    path = str(tmp_path / "var.safetensors")
    with pytest.raises(ValueError, match="Give num_heads"):
        load_var(path)
    loaded = load_var(path, num_heads=4).eval()
    label, teacher_input = torch.tensor([0, 1]), torch.randn(2, 4, 4)
    with torch.no_grad():
        assert torch.equal(loaded(label, teacher_input).token_logits, var(label, teacher_input).token_logits)
    fresh = architecture.build()
    load_into(fresh, path)
    assert fresh.num_heads == 4
    with pytest.raises(ValueError, match="Give num_heads"):
        VARArchitecture(attn_l2_norm=False).build()


def test_heads_that_contradict_the_file_are_refused(tmp_path):
    save(tmp_path / "var.safetensors", SMALL.build().state_dict())
    with pytest.raises(ValueError, match="has 2 attention heads, num_heads=4"):
        load_var(str(tmp_path / "var.safetensors"), num_heads=4)


@pytest.mark.parametrize(
    "name", [name for name in SMALL.build().state_dict() if "blocks.1" not in name and "cls_t" not in name]
)
def test_any_missing_name_is_named(tmp_path, name):
    tensors = SMALL.build().state_dict()
    del tensors[name]
    save(tmp_path / "var.safetensors", tensors)
    expected = (
        "is not a VAR" if name == "class_emb.weight" else rf"(?s)model\.checkpoint: .*Missing in the file.*{name}"
    )
    if name == "blocks.0.attn.scale_mul_1H11":
        expected = "Give num_heads"
    for load in (load_var, lambda path, key: load_into(SMALL.build(), path, key=key)):
        if name == "blocks.0.attn.scale_mul_1H11" and load is not load_var:
            expected = rf"Missing in the file .*{name}"
        with pytest.raises(ValueError, match=expected):
            load(str(tmp_path / "var.safetensors"), key="model.checkpoint")
