import math

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors import safe_open

from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.data import ImageBatch
from hieramp_lit.files import sha256
from hieramp_lit.var import load_var
from tests.tasks.tuning import (
    NoiseDataModule,
    NoiseSamples,
    architecture,
    same,
    trainer,
    tuning,
    weights,
    write_tokenizer,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


def validate(task, batch_size=4):
    (found,) = trainer().validate(task, NoiseDataModule(batch_size), verbose=False)
    return found


def silent_head(task):
    """Zero the head, so that every token and class is equally likely."""
    for layer in (task.var.head, task.var.class_head):
        torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)
    return task


def tokenized(task, images):
    """Tokens and teacher-forcing input by the whole tokenizer."""
    vqvae = task.tokenizer.load_encoder()
    tokens_BL = vqvae.encode(images / 127.5 - 1)
    return tokens_BL, vqvae.teacher_input(tokens_BL)


# What is measured


def test_uniform_logits_cost_log_v_and_log_n_at_every_scale(tokenizer):
    found = validate(silent_head(tuning(tokenizer)))
    for suffix in ("", "/00", "/01", "/02"):
        assert found[f"val/token_loss{suffix}"] == pytest.approx(math.log(16), rel=1e-6)
        assert found[f"val/class_loss{suffix}"] == pytest.approx(math.log(10), rel=1e-6)
    assert found["val/token_loss/last"] == found["val/token_loss/02"]


def test_validation_does_not_depend_on_the_batch_size(tokenizer):
    task = tuning(tokenizer)
    whole = validate(task, 7)
    for batch_size in (1, 3):
        assert validate(task, batch_size) == pytest.approx(whole, rel=1e-5, abs=1e-6)


def test_validation_drops_no_label_and_no_path(tokenizer):
    task = tuning(tokenizer, label_dropout=0.9)
    torch.nn.init.normal_(task.var.class_emb.weight, std=2.0)
    found = validate(task)
    samples = NoiseSamples(7)
    task.var.eval()
    with torch.no_grad():
        tokens_BL, teacher_input = tokenized(task, samples.images)
        logits = task.var(samples.labels, teacher_input).token_logits
    expected = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens_BL)
    assert found["val/token_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_unconditional_accuracy_is_that_of_the_unconditional_row(tokenizer):
    task = tuning(tokenizer)
    # a class head that reads the label embedding off the condition: right with the label, blind without
    before = validate(task)
    with torch.no_grad():
        task.var.class_emb.weight[:10].normal_(std=3.0)
    after = validate(task)
    assert after["val/class_loss"] != pytest.approx(before["val/class_loss"], rel=1e-3)
    for scale in ("", "/00", "/01", "/02"):
        name = f"val/class_accuracy_unconditional{scale}"
        assert after[name] == before[name]
    with torch.no_grad():
        task.var.class_emb.weight[10].normal_(std=3.0)
    samples = NoiseSamples(7)
    task.var.eval()
    with torch.no_grad():
        _, teacher_input = tokenized(task, samples.images)
        logits = task.var(torch.full((7,), 10), teacher_input).class_logits
    hits = (logits.argmax(-1) == samples.labels[:, None]).float().mean(0)
    found = validate(task)
    assert [found[f"val/class_accuracy_unconditional/{k:02d}"] for k in range(3)] == pytest.approx(hits.tolist())


def test_plain_var_reports_tokens_alone(tokenizer):
    found = validate(tuning(tokenizer, var=architecture(class_tokens=False)))
    assert found
    assert not any("class" in name for name in found)


# How it learns


class Spy:
    """Stands in for the VAR's forward and keeps the conditions it was given."""

    def __init__(self, task):
        self.labels = []
        forward = task.var.forward

        def watched(label_B, *arguments, **named):
            self.labels.append(label_B.clone())
            return forward(label_B, *arguments, **named)

        task.var.forward = watched


def train_labels(tokenizer, batch_size, **arguments):
    task = tuning(tokenizer, **arguments)
    task.tokenizer.load_encoder()
    spy = Spy(task)
    samples = NoiseSamples(20)
    for start in range(0, 20, batch_size):
        batch = ImageBatch(samples.images[start : start + batch_size], samples.labels[start : start + batch_size])
        task.losses(batch)
    return torch.cat(spy.labels), samples.labels


def test_label_dropout_replaces_a_share_of_the_labels_by_the_unconditional_row(tokenizer):
    given, true = train_labels(tokenizer, 5, label_dropout=0.5)
    dropped = given == 10
    assert 4 <= dropped.sum() <= 16
    assert torch.equal(given[~dropped], true[~dropped])
    assert not torch.equal(given, train_labels(tokenizer, 5, label_dropout=0.5, seed=1)[0])
    assert torch.equal(given, train_labels(tokenizer, 5, label_dropout=0.5)[0])
    assert torch.equal(train_labels(tokenizer, 5, label_dropout=0)[0], true)


def test_the_loss_is_that_of_tokens_plus_the_weighted_class_loss_against_the_true_label(tokenizer):
    samples = NoiseSamples(6)
    batch = ImageBatch(samples.images, samples.labels)
    losses = {}
    for cls_weight in (0.0, 1.0, 3.0):
        task = tuning(tokenizer, cls_weight=cls_weight, label_dropout=0.99, var=architecture(drop_path_rate=0.0))
        task.tokenizer.load_encoder()
        losses[cls_weight] = task.losses(batch)["loss"].item()
    with torch.no_grad():
        tokens_BL, teacher_input = tokenized(task, samples.images)
        output = task.var(torch.full((6,), 10), teacher_input)  # nearly all labels dropped; here all are
    token_loss = torch.nn.functional.cross_entropy(output.token_logits.flatten(0, 1), tokens_BL.flatten()).item()
    class_loss = torch.nn.functional.cross_entropy(
        output.class_logits.flatten(0, 1), samples.labels.repeat_interleave(3)
    ).item()
    assert losses[0.0] == pytest.approx(token_loss, rel=1e-5)
    assert losses[1.0] == pytest.approx(token_loss + class_loss, rel=1e-5)
    assert losses[3.0] == pytest.approx(token_loss + 3 * class_loss, rel=1e-5)


def optimizer_of(task, batch_size=4, **run):
    the_trainer = trainer(**{"max_steps": 1, **run})
    the_trainer.fit(task, NoiseDataModule(batch_size))
    return the_trainer.optimizers[0], the_trainer


def test_weight_decay_is_on_matrices_alone(tokenizer):
    task = tuning(tokenizer, weight_decay=0.07)
    optimizer, _ = optimizer_of(task)
    names = {id(parameter): name for name, parameter in task.var.named_parameters()}
    groups = {g["weight_decay"]: {names[id(p)] for p in g["params"]} for g in optimizer.param_groups}
    assert set(groups) == {0.07, 0.0}
    assert groups[0.07] | groups[0.0] == set(names.values())
    assert {"head.weight", "class_head.weight", "blocks.0.attn.mat_qkv.weight", "word_embed.weight"} <= groups[0.07]
    free = {"head.bias", "pos_start", "pos_1LC", "lvl_embed.weight", "cls_tokens.0", "cls_tokens.2"}
    assert free | {"blocks.1.attn.scale_mul_1H11", "blocks.0.attn.q_bias"} <= groups[0.0]
    assert all(task.var.get_parameter(name).ndim == 2 for name in groups[0.07])


def test_the_peak_rate_follows_the_rule_unless_it_is_given(tokenizer):
    def peak(**arguments):
        run = {"accumulate_grad_batches": 3, "max_epochs": 1, "max_steps": -1}
        return optimizer_of(tuning(tokenizer, **arguments), **run)[0].defaults["lr"]

    assert peak(learning_rate=None, base_learning_rate=1e-3) == pytest.approx(1e-3 * 4 * 3 / 256)
    assert peak(learning_rate=0.125) == 0.125


def test_the_schedule_moves_at_every_optimizer_step(tokenizer):
    rates = []
    task = tuning(tokenizer, learning_rate=1.0e-3)
    step = task.optimizer_step

    def watched(*arguments, **named):
        rates.append(arguments[2].param_groups[0]["lr"] / 1e-3)
        step(*arguments, **named)

    task.optimizer_step = watched
    optimizer_of(task, max_steps=4, accumulate_grad_batches=2)
    # no warm-up in a run of four steps; p is 0, 1/3, 2/3, 1
    assert rates == pytest.approx([1, 0.1 + 0.9 * (2 / 3) / 0.95, 0.1 + 0.9 * (1 / 3) / 0.95, 0.1])


def test_another_schedule_takes_its_place(tokenizer):
    def constant(optimizer):
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=100)

    optimizer, _ = optimizer_of(tuning(tokenizer, lr_scheduler=constant, learning_rate=0.5), max_steps=3)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_a_run_without_end_has_no_lin0(tokenizer):
    with pytest.raises(ValueError, match=r"trainer\.max_epochs"):
        trainer(max_epochs=-1, max_steps=-1).fit(tuning(tokenizer), NoiseDataModule(4))


def test_training_class_tokens_leaves_the_backbone_bit_for_bit(tokenizer):
    task = tuning(tokenizer, trainable="class_tokens")
    own = {name for name, _ in task.var.class_token_parameters()}
    before = weights(task)
    trainer(max_steps=3).fit(task, NoiseDataModule(4))
    after = weights(task)
    assert {name for name in before if not torch.equal(before[name], after[name])} == own


def test_a_backbone_that_does_not_learn_drops_no_path(tokenizer):
    def class_losses(rate):
        task = tuning(tokenizer, trainable="class_tokens", var=architecture(drop_path_rate=rate))
        the_trainer = trainer(max_steps=2)
        the_trainer.fit(task, NoiseDataModule(11))
        return the_trainer.callback_metrics["train_epoch/class_loss"], weights(task)

    (loss, after), (other_loss, other) = class_losses(0.0), class_losses(0.4)
    assert loss == other_loss
    assert same(after, other)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_it_learns_by_heart(tokenizer, precision):
    task = tuning(tokenizer, label_dropout=0.0)
    before = validate(task)
    the_trainer = trainer(max_epochs=12, precision=precision, gradient_clip_val=2.0)
    the_trainer.fit(task, NoiseDataModule(11))
    after = the_trainer.callback_metrics
    assert after["train_epoch/token_loss"] < 0.95 * before["val/token_loss"]
    assert after["train_epoch/class_loss"] < 0.8 * before["val/class_loss"]
    assert {value.dtype for value in task.var.state_dict().values() if value.is_floating_point()} == {torch.float32}


# Weights in, weights out


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("trainable", ["all", "class_tokens"])
def test_exported_weights_and_checkpoints_load_whole(tokenizer, tmp_path, suffix, trainable):
    path = tmp_path / f"out/var.{suffix}"
    task = tuning(tokenizer, export=str(path), trainable=trainable)
    storing = ModelCheckpoint(tmp_path, filename="task", every_n_train_steps=2)
    trainer(storing, max_steps=2).fit(task, NoiseDataModule(4))
    assert same(load_var(str(path)).state_dict(), weights(task))
    assert same(load_var(str(tmp_path / "task.ckpt")).state_dict(), weights(task))
    tuned_on = tuning(tokenizer, checkpoint=str(path))
    assert same(weights(tuned_on), weights(task))


def test_checkpoints_hold_no_tokenizer_and_resume_refuses_another(tokenizer, tmp_path):
    storing = ModelCheckpoint(tmp_path, filename="task", every_n_train_steps=2)
    trainer(storing, max_steps=2).fit(tuning(tokenizer), NoiseDataModule(4))
    assert {name.split(".")[0] for name in read_tensors(tmp_path / "task.ckpt")} == {"var"}
    other = write_tokenizer(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(ValueError, match=r"model\.tokenizer\.checkpoint"):
        trainer(max_steps=3).fit(tuning(other), NoiseDataModule(4), ckpt_path=tmp_path / "task.ckpt")


def test_class_tokens_grow_on_plain_weights(tokenizer, tmp_path):
    plain = tuning(tokenizer, var=architecture(class_tokens=False), seed=3)
    save(tmp_path / "plain.safetensors", plain.var.state_dict())
    tuned = tuning(tokenizer, checkpoint=str(tmp_path / "plain.safetensors"))
    ours, theirs = weights(tuned), weights(plain)
    assert set(ours) - set(theirs) == {name for name, _ in tuned.var.class_token_parameters()}
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_checkpoints_of_other_sizes_are_refused_with_names_and_the_size_they_look_like(tokenizer, tmp_path):
    tensors = tuning(tokenizer, var=architecture(depth=3)).var.state_dict()
    save(tmp_path / "deep.safetensors", tensors)
    with pytest.raises(ValueError, match=r"Surplus[\s\S]*blocks\.2[\s\S]*depth 3"):
        tuning(tokenizer, checkpoint=str(tmp_path / "deep.safetensors"))
    missing = {name: value for name, value in tensors.items() if name != "pos_start" and "blocks.2" not in name}
    save(tmp_path / "missing.safetensors", missing)
    with pytest.raises(ValueError, match=r"model\.checkpoint[\s\S]*Missing[\s\S]*pos_start"):
        tuning(tokenizer, checkpoint=str(tmp_path / "missing.safetensors"))


def test_initial_weights_are_a_function_of_the_seed(tokenizer):
    torch.manual_seed(1)
    first = weights(tuning(tokenizer))
    torch.manual_seed(2)
    assert same(first, weights(tuning(tokenizer)))
    assert not same(first, weights(tuning(tokenizer, seed=1)))


# What is refused


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"cls_weight": -1.0}, r"model\.cls_weight"),
        ({"cls_weight": math.nan}, r"model\.cls_weight"),
        ({"label_dropout": 1.0}, r"model\.label_dropout"),
        ({"weight_decay": -0.1}, r"model\.weight_decay"),
        ({"betas": (2.0, 3.0)}, r"model\.betas"),
        ({"learning_rate": -1.0}, r"model\.learning_rate"),
        ({"learning_rate": None, "base_learning_rate": math.nan}, r"model\.base_learning_rate"),
        ({"trainable": "tokens"}, r"model\.trainable"),
        ({"trainable": "class_tokens", "var": architecture(class_tokens=False)}, r"model\.var\.class_tokens"),
        ({"var": architecture(vocab_size=17)}, r"tokenizer\.checkpoint"),
        ({"export": "weights.bin"}, r"model\.export"),
    ],
)
def test_impossible_settings_name_the_key(tokenizer, wrong, key):
    with pytest.raises(ValueError, match=key):
        tuning(tokenizer, **wrong)


def test_class_rows_beyond_the_label_embedding_are_refused(tokenizer):
    with pytest.raises(ValueError, match=r"model\.var\.num_classes=9"):
        trainer(max_steps=1).fit(tuning(tokenizer, var=architecture(num_classes=9)), NoiseDataModule(4))


def test_checkpoints_and_exports_say_what_they_started_from(tmp_path):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    save(tmp_path / "var.safetensors", architecture().build().state_dict())
    started = {"checkpoint": str(tmp_path / "var.safetensors"), "export": str(tmp_path / "tuned.safetensors")}
    fit = trainer(max_steps=1)
    fit.fit(tuning(tokenizer, **started), NoiseDataModule(4))
    fit.save_checkpoint(tmp_path / "tuned.ckpt")
    recorded = {"tokenizer_sha256": tokenizer.sha256(), "started_from_sha256": sha256(tmp_path / "var.safetensors")}
    with safe_open(tmp_path / "tuned.safetensors", framework="pt") as file:
        exported = file.metadata()
    for said in (exported, torch.load(tmp_path / "tuned.ckpt", weights_only=True)):
        assert recorded.items() <= said.items()
    assert set(tuning(tokenizer).made_with) == {"tokenizer_sha256", "tokenizer_codes_sha256"}


def test_new_classes_of_a_tuned_model_learn_in_the_rows_behind_the_old_ones(tmp_path):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    save(tmp_path / "var.safetensors", architecture(num_classes=4).build().state_dict())
    task = tuning(tokenizer, checkpoint=str(tmp_path / "var.safetensors"), export=str(tmp_path / "tuned.safetensors"))
    before = weights(task)["class_emb.weight"]
    assert all(torch.equal(before[4], row) for row in before[5:10])
    trainer(max_epochs=1).fit(task, NoiseDataModule(4))
    tuned = load_var(str(tmp_path / "tuned.safetensors"))
    after = tuned.state_dict()["class_emb.weight"]
    assert tuned.num_classes == 10
    assert len({tuple(row.tolist()) for row in after}) == 11
    with pytest.raises(ValueError, match=r"trainable='class_tokens'.*class_emb\.weight\[4:10\]"):
        tuning(tokenizer, checkpoint=str(tmp_path / "var.safetensors"), trainable="class_tokens")
    with pytest.raises(ValueError, match=r"model\.checkpoint: .*label_rows: new"):
        tuning(tokenizer, checkpoint=str(tmp_path / "tuned.safetensors"), var=architecture(num_classes=3))
    fresh = tuning(
        tokenizer, checkpoint=str(tmp_path / "tuned.safetensors"), var=architecture(num_classes=3), label_rows="new"
    )
    rows = weights(fresh)["class_emb.weight"]
    assert torch.equal(rows[0], rows[2])
    assert torch.equal(rows[3], after[10])
