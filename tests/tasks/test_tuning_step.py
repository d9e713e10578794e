"""What a tuning step computes, what it does not, and that its ways to be fast change no result."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from hieramp_lit.data import ImageBatch, TokenBatch
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


@pytest.fixture(scope="module")
def batch():
    random = torch.Generator().manual_seed(1)
    return TokenBatch(torch.randint(16, (6, 21), generator=random), torch.arange(6))


def gradients(task, batch):
    task.losses(batch)["loss"].backward()
    return {name: p.grad.clone() for name, p in task.var.named_parameters() if p.grad is not None}


# Class tokens alone


def test_a_frozen_backbone_gets_no_gradients(tokenizer, batch):
    task = tuning(tokenizer, trainable="class_tokens")
    assert set(gradients(task, batch)) == {name for name, _ in task.var.class_token_parameters()}


def test_a_frozen_backbone_costs_no_weight_gradients(tokenizer, batch):
    def flops(trainable):
        task = tuning(tokenizer, trainable=trainable, var=architecture(depth=3, drop_path_rate=0.0))
        with FlopCounterMode(display=False) as forward:
            loss = task.losses(batch)["loss"]
        with FlopCounterMode(display=False) as backward:
            loss.backward()
        return forward.get_flop_counts()["Global"], backward.get_flop_counts()["Global"]

    (forward, both), (_, inputs_alone) = flops("all"), flops("class_tokens")
    products = [sum(counts[op] for op in counts if "attention" not in str(op)) for counts in (both, inputs_alone)]
    ahead = sum(forward[op] for op in forward if "attention" not in str(op))
    # all: gradients of inputs and of weights. class_tokens: of inputs, and none for what depends on the label alone
    assert products[0] > 1.8 * ahead
    assert products[1] < 1.02 * ahead


def test_class_tokens_learn_the_same_with_a_backbone_that_could_learn(tokenizer, batch):
    whole = gradients(tuning(tokenizer, var=architecture(drop_path_rate=0.0)), batch)
    alone = gradients(tuning(tokenizer, var=architecture(drop_path_rate=0.0), trainable="class_tokens"), batch)
    for name, gradient in alone.items():
        torch.testing.assert_close(gradient, whole[name])


# Checkpointing


@pytest.mark.parametrize("trainable", ["all", "class_tokens"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_checkpointing_changes_no_gradient(tokenizer, batch, trainable, precision):
    def found(checkpointing):
        task = tuning(tokenizer, trainable=trainable, checkpointing=checkpointing, label_dropout=0.5)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = task.losses(batch)["loss"]
        loss.backward()
        return {name: p.grad for name, p in task.var.named_parameters() if p.grad is not None}

    assert same(found(True), found(False))


def test_drop_path_matters_to_that_comparison(tokenizer, batch):
    drawn = gradients(tuning(tokenizer, checkpointing=True), batch)
    other = gradients(tuning(tokenizer, checkpointing=True, var=architecture(drop_path_rate=0.0)), batch)
    assert not same(drawn, other)


def test_checkpointing_keeps_less(tokenizer, batch):
    def kept(checkpointing):
        task = tuning(tokenizer, checkpointing=checkpointing, var=architecture(depth=6, drop_path_rate=0.1))
        sizes = []

        def count(tensor):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            task.losses(batch)
        return sum(sizes)

    assert kept(True) < 0.5 * kept(False)


def test_a_fit_with_checkpointing_is_the_same_fit(tokenizer):
    def fit(**changes):
        task = tuning(tokenizer, label_dropout=0.5, **changes)
        trainer(max_steps=4).fit(task, NoiseDataModule(4))
        return weights(task)

    assert same(fit(checkpointing=True), fit())


# Compiled


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_compiled_blocks_compute_the_same_and_keep_their_names(tokenizer, batch, tmp_path):
    plain, compiled = tuning(tokenizer), tuning(tokenizer, compile="default")
    assert list(compiled.var.state_dict()) == list(plain.var.state_dict())
    ours, theirs = gradients(compiled, batch), gradients(plain, batch)
    assert list(ours) == list(theirs)
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-3, atol=1e-5)
    samples = NoiseSamples(6)
    label, teacher_input = samples.labels, compiled.tokenizer.teacher_input(batch.tokens)
    with torch.no_grad():
        for task in (plain.eval(), compiled.eval()):
            task.logits = task.var(label, teacher_input).token_logits
    torch.testing.assert_close(compiled.logits, plain.logits, rtol=1e-4, atol=1e-5)


def test_another_way_to_compile_is_refused_by_name(tokenizer):
    with pytest.raises(ValueError, match=r"model\.compile='fast'"):
        tuning(tokenizer, compile="fast")


# The optimizer


def test_the_optimizer_is_fused_and_clipped_in_bfloat16(tokenizer):
    def fit(**run):
        task = tuning(tokenizer)
        the_trainer = trainer(max_steps=3, **run)
        the_trainer.fit(task, NoiseDataModule(4))
        assert the_trainer.optimizers[0].defaults["fused"]
        return weights(task)

    for precision in ("32-true", "bf16-mixed"):
        free = fit(precision=precision)
        for algorithm in ("norm", "value"):
            clipped = fit(precision=precision, gradient_clip_val=1e-3, gradient_clip_algorithm=algorithm)
            assert not same(free, clipped)


def test_clipping_bounds_the_norm_in_bfloat16(tokenizer, monkeypatch):
    norms = []
    step = torch.optim.AdamW.step

    def watched(self, closure=None):
        closure()
        parts = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(torch.stack(parts).norm().item())
        return step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run = {"max_steps": 2, "precision": "bf16-mixed", "gradient_clip_val": 0.01}
    trainer(**run).fit(tuning(tokenizer), NoiseDataModule(4))
    assert norms == pytest.approx([0.01, 0.01], rel=1e-3)


def test_a_run_goes_on_from_an_optimizer_that_was_not_fused(tokenizer, tmp_path, monkeypatch):
    def constant(optimizer):
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)

    storing = ModelCheckpoint(tmp_path, filename="cut", every_n_train_steps=2)
    with monkeypatch.context() as patch:
        patch.setattr("hieramp_lit.optimization.FUSED_ON", set())
        trainer(storing, max_steps=2).fit(tuning(tokenizer, lr_scheduler=constant), NoiseDataModule(4))
    resumed, whole = (tuning(tokenizer, lr_scheduler=constant) for _ in range(2))
    trainer(max_steps=4).fit(resumed, NoiseDataModule(4), ckpt_path=tmp_path / "cut.ckpt")
    trainer(max_steps=4).fit(whole, NoiseDataModule(4))
    for name, weight in weights(resumed).items():
        torch.testing.assert_close(weight, weights(whole)[name], rtol=1e-4, atol=1e-5)


# What waits for the device


class Waiting(TorchDispatchMode):
    """Counts the operations whose result the processor must know: on a GPU, each waits for all work before it."""

    OPERATIONS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal")
    INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        by_mask = name in self.INDEXING and any(i is not None and i.dtype == torch.bool for i in args[1])
        if name in self.OPERATIONS or by_mask:
            self.found.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("trainable", ["all", "class_tokens"])
def test_a_step_waits_for_nothing(tokenizer, batch, trainable):
    task = tuning(tokenizer, trainable=trainable)
    task.losses(batch)["loss"].backward()  # the first step makes the metrics' states
    with Waiting() as waiting:
        task.losses(batch)["loss"].backward()
    assert waiting.found == []


def test_that_count_sees_what_waits(tokenizer, batch):
    with Waiting() as waiting:
        batch.tokens[batch.label > 2].sum().item()
    assert waiting.found == ["index", "_local_scalar_dense"]


class Copies(TorchDispatchMode):
    """Counts copies from the processor to the device; torch waits after those that are not queued from pinned memory.

    Runs over imagined CUDA tensors, which need no GPU but cannot pin.
    """

    def __init__(self):
        super().__init__()
        self.count, self.waiting, self._pinned = 0, 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function.overloadpacket.__name__
        if name == "_pin_memory":
            self._pinned.append(args[0].clone())
            return self._pinned[-1]
        result = function(*args, **kwargs)
        if name in ("_to_copy", "copy_"):
            source = args[0] if name == "_to_copy" else args[1]
            queued = kwargs.get("non_blocking") or (name == "copy_" and args[2:] == (True,))
            if source.device.type == "cpu" and result.device.type == "cuda":
                self.count += 1
                self.waiting += not (queued and any(source is pinned for pinned in self._pinned))
        return result


@pytest.fixture
def imagined(monkeypatch):
    """What is made under this has a shape and a device, any one, and no content."""
    monkeypatch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        with mode:
            torch.empty(1, device="cuda")
    except RuntimeError:  # torch 2.8 does
        pytest.skip("this torch asks for a GPU to imagine a tensor on one")
    return mode


@pytest.mark.parametrize(("trainable", "copies"), [("all", 2), ("class_tokens", 1)])
def test_no_copy_to_the_device_waits(tokenizer, trainable, copies, imagined):
    task = tuning(tokenizer, trainable=trainable)
    with imagined:
        task.to("cuda")
        batch = TokenBatch(torch.randint(16, (6, 21), device="cuda"), torch.arange(6, device="cuda"))
        with Copies():
            task.losses(batch)  # the first step makes the metrics' states
        with Copies() as seen:
            task.losses(batch)
    assert (seen.count, seen.waiting) == (copies, 0)  # dropped labels, and with `all` dropped paths


def test_that_count_sees_copies_that_wait(imagined):
    with imagined, Copies() as seen:
        ordinary = torch.rand(3)
        for tensor, queued in ((ordinary, False), (ordinary, True), (ordinary.pin_memory(), False)):
            tensor.to("cuda", non_blocking=queued)
            torch.empty(3, device="cuda").copy_(tensor, non_blocking=queued)
    assert (seen.count, seen.waiting) == (6, 6)


def test_images_give_the_same_losses_as_their_tokens(tokenizer):
    samples, task = NoiseSamples(6), tuning(tokenizer)
    vqvae = task.tokenizer.load_encoder()
    from_images = task.losses(ImageBatch(samples.images, samples.labels))
    other = tuning(tokenizer)
    from_tokens = other.losses(TokenBatch(vqvae.encode(samples.images / 127.5 - 1), samples.labels))
    assert same(from_images, from_tokens)
