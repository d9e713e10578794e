import pytest
import torch

from hieramp_lit.checkpoints import save
from hieramp_lit.var import VAR, VARArchitecture, load_into, load_var

SIZES = {"patch_nums": (1, 2), "vocab_size": 8, "z_channels": 4, "depth": 1, "embed_dim": 16, "num_heads": 2}
HEADS = {"shared": ["class_head"], "per_scale": ["class_head.0", "class_head.1"]}


def build(num_classes: int, **changes) -> VAR:
    return VARArchitecture(**SIZES, num_classes=num_classes, **changes).build()


def written(tmp_path, var: VAR) -> str:
    save(tmp_path / "var.safetensors", var.state_dict())
    return str(tmp_path / "var.safetensors")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("label_rows", "classes", "kept"), [("keep", 5, 3), ("new", 5, 0), ("new", 3, 0), ("new", 2, 0)]
)
def test_rows_beyond_those_kept_are_the_mean_and_unconditional_stays_last(tmp_path, head, label_rows, classes, kept):
    old, var = build(3, class_head=head), build(classes, class_head=head)
    fresh = load_into(var, written(tmp_path, old), label_rows=label_rows)
    replaced = [f"{name}.{part}" for name in HEADS[head] for part in ("weight", "bias")]
    assert sorted(fresh[:-1]) == sorted(f"{name}[{kept}:{classes}]" for name in replaced)
    assert fresh[-1] == f"class_emb.weight[{kept}:{classes}]"
    before, after = old.state_dict(), var.state_dict()
    mean = before["class_emb.weight"][:3].mean(dim=0)
    torch.testing.assert_close(after["class_emb.weight"][kept:classes], mean.expand(classes - kept, -1))
    assert torch.equal(after["class_emb.weight"][:kept], before["class_emb.weight"][:kept])
    assert torch.equal(after["class_emb.weight"][classes:], before["class_emb.weight"][3:])
    for name in HEADS[head]:
        for part in (f"{name}.weight", f"{name}.bias"):
            assert torch.equal(after[part][:kept], before[part][:kept])
            torch.testing.assert_close(
                after[part][kept:], before[part].mean(0, keepdim=True).expand_as(after[part][kept:])
            )
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items() if not name.startswith("class_"))


def test_as_many_classes_are_kept_as_they_are(tmp_path):
    old, var = build(3), build(3)
    assert load_into(var, written(tmp_path, old)) == []
    assert all(torch.equal(tensor, var.state_dict()[name]) for name, tensor in old.state_dict().items())


def test_plain_weights_get_new_rows_and_a_whole_new_head(tmp_path):
    old, var = build(3, class_tokens=False), build(4)
    head = var.state_dict()["class_head.weight"].clone()
    fresh = load_into(var, written(tmp_path, old))
    assert set(fresh) == {
        "cls_tokens.0",
        "cls_tokens.1",
        "class_head.weight",
        "class_head.bias",
        "class_emb.weight[3:4]",
    }
    assert torch.equal(var.state_dict()["class_head.weight"], head)


def test_conditional_answers_of_kept_classes_and_unconditional_ones_stay_the_same(tmp_path):
    old, var = build(3).eval(), build(7).eval()
    load_into(var, written(tmp_path, old))
    inputs = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = old(torch.tensor([0, 1, 2, 3]), inputs)
        after = var(torch.tensor([0, 1, 2, 7]), inputs)
    assert torch.equal(before.token_logits, after.token_logits)
    torch.testing.assert_close(before.class_logits, after.class_logits[..., :3])
    save(tmp_path / "tuned.safetensors", var.state_dict())
    assert load_var(str(tmp_path / "tuned.safetensors")).num_classes == 7


def test_fewer_classes_are_an_error_that_names_both_ways_out(tmp_path):
    path = written(tmp_path, build(3))
    with pytest.raises(
        ValueError, match=r"model\.checkpoint: .* 3 classes, the model 2.*num_classes: 3.*label_rows: new"
    ):
        load_into(build(2), path, key="model.checkpoint")
    with pytest.raises(ValueError, match=r"model\.label_rows='mean': expected 'keep' or 'new'"):
        load_into(build(3), path, key="model.checkpoint", label_rows="mean")
