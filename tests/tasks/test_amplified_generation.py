"""Generation from weight files, and what a checkpoint must never decide."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from hieramp_lit.amplify import Amplification
from hieramp_lit.amplify.schedule import StageValues
from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.cli import main
from hieramp_lit.data import GenerationPlan
from hieramp_lit.files import sha256
from hieramp_lit.generate import VARGenerator
from hieramp_lit.shards import ShardSet
from hieramp_lit.tasks import AmplifiedGeneration, Generation
from hieramp_lit.var import Sampling, Tokenizer, load_var, load_vqvae
from tests.shards.making import NoiseGenerator, contents, quiet_trainer

PLAN = ("--data=GenerationPlan", "--data.classes=digits", "--data.images_per_class=1", "--data.batch_size=5")
STRONG = Amplification(beta=5.0, rho=0.5)


@pytest.fixture(scope="session")
def lively_var(tiny_var: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_var` with large weights: at initialization AdaLN's gates are so small that attention changes no image."""
    var = load_var(str(tiny_var))
    generator = torch.Generator().manual_seed(0)
    for parameter in var.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    path = tmp_path_factory.mktemp("weights") / "lively.safetensors"
    save(path, var.state_dict())
    return path


@pytest.fixture
def weights(lively_var: Path, tiny_tokenizer: Path) -> tuple[str, ...]:
    """Flags that name the weights."""
    return (
        *("--model=AmplifiedGeneration", f"--model.checkpoint={lively_var}"),
        f"--model.tokenizer.checkpoint={tiny_tokenizer}",
    )


@pytest.fixture
def lightning_checkpoint(lively_var: Path, tmp_path: Path) -> Path:
    """What a tuning run writes, with hyper-parameters that contradict what the tests ask for."""
    path = tmp_path / "tuned.ckpt"
    tensors = {f"var.{name}": tensor for name, tensor in read_tensors(lively_var).items()}
    settings = {
        "_class_path": "hieramp_lit.tasks.ClassTokenTuning",
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        "amplification": {"beta": 1.0, "rho": 0.9},
        "beta": 1.0,
        "sampling": {"cfg": 0.0},
        "checkpoint": "elsewhere.pth",
    }
    torch.save({"state_dict": tensors, "hyper_parameters": settings, "pytorch-lightning_version": "2.6.6"}, path)
    return path


def predict(output: Path, *flags: str) -> ShardSet:
    quiet = ("--trainer.logger=false", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
    main(["predict", "--trainer.accelerator=cpu", *quiet, *PLAN, *flags, f"--model.output={output}"])
    return ShardSet.open(output)


def direct(output: Path, checkpoint: Path, tokenizer: Path, amplification: Amplification | None) -> ShardSet:
    task = AmplifiedGeneration(
        str(checkpoint), Tokenizer(str(tokenizer)), str(output), Sampling(), amplification, save_saliency=True
    )
    quiet_trainer().predict(task, GenerationPlan("digits", images_per_class=1, batch_size=5))
    return ShardSet.open(output)


def images(shards: ShardSet) -> np.ndarray:
    return np.stack([sample.image for sample in shards])


def test_beta_5_is_at_work_whatever_the_checkpoint_was_tuned_with(
    tmp_path: Path, lightning_checkpoint: Path, lively_var: Path, tiny_tokenizer: Path
) -> None:
    flags = (
        "--model=AmplifiedGeneration",
        f"--model.tokenizer.checkpoint={tiny_tokenizer}",
        "--model.save_saliency=true",
    )
    asked = predict(
        tmp_path / "asked", *flags, f"--model.checkpoint={lightning_checkpoint}", "--model.amplification.beta=5"
    )
    assert asked.manifest.generator == "hieramp"
    for sample in asked:
        assert sample.info["schedule"]["beta"] == [0.0, 5.0, 5.0, 5.0]
        assert sample.info["sampling"] == {"cfg": 4.0, "top_k": 900, "top_p": 0.95}
    by_hand = {
        beta: direct(tmp_path / str(beta), lively_var, tiny_tokenizer, Amplification(beta=beta)) for beta in (1.0, 5.0)
    }
    assert np.array_equal(images(asked), images(by_hand[5.0]))
    assert not np.array_equal(images(asked), images(by_hand[1.0]))


def test_predict_refuses_ckpt_path_and_names_the_right_key(
    tmp_path: Path, lightning_checkpoint: Path, weights: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        predict(tmp_path / "set", *weights, f"--ckpt_path={lightning_checkpoint}")
    assert stop.value.code == 2
    assert "model.init_args.checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_schedule_sampling_and_seed_are_reachable_by_flags(tmp_path: Path, weights: tuple[str, ...]) -> None:
    shards = predict(
        tmp_path / "set",
        *weights,
        "--model.amplification.beta.coarse=3",
        "--model.amplification.rho=[0,0.5,0.25,1]",
        "--model.amplification.blocks=[0]",
        "--model.sampling.cfg=1.5",
        "--model.sampling.top_k=7",
        "--data.seed=11",
    )
    configuration = shards.manifest.configuration
    assert configuration["schedule"]["beta"] == [0.0, 3.0, 0.0, 0.0]
    assert configuration["schedule"]["rho"] == [0.0, 0.5, 0.0, 0.0]
    assert configuration["schedule"]["blocks"] == [0]
    assert configuration["sampling"] == {"cfg": 1.5, "top_k": 7, "top_p": 0.95}
    assert shards.manifest.seed == 11
    assert {sample.info["seed"] for sample in shards} == {11}


def test_a_file_overrides_a_file_stage_by_stage(tmp_path: Path, weights: tuple[str, ...]) -> None:
    base, sweep = tmp_path / "base.yaml", tmp_path / "sweep.json"
    base.write_text("model: {class_path: AmplifiedGeneration, init_args: {amplification: {beta: 5.0, rho: 0.25}}}")
    sweep.write_text(json.dumps({"model.amplification.beta.coarse": 2, "model.amplification.beta.fine": 0.5}))
    shards = predict(tmp_path / "set", *weights, f"--config={base}", f"--config={sweep}")
    assert shards.manifest.configuration["schedule"]["beta"] == [0.0, 2.0, 0.0, 0.5]
    assert shards.manifest.configuration["schedule"]["rho"] == [0.0, 0.25, 0.0, 0.25]


def test_null_is_the_plain_sampler(
    tmp_path: Path, weights: tuple[str, ...], lively_var: Path, tiny_tokenizer: Path
) -> None:
    plain = predict(tmp_path / "null", *weights, "--model.amplification=null")
    assert plain.manifest.generator == "var"
    assert plain.manifest.configuration["schedule"] is None
    off = direct(tmp_path / "off", lively_var, tiny_tokenizer, Amplification(rho=0.0))
    assert np.array_equal(images(plain), images(off))
    assert not np.array_equal(images(plain), images(direct(tmp_path / "on", lively_var, tiny_tokenizer, STRONG)))


def test_weights_are_in_identity_and_in_every_sample(tmp_path: Path, lively_var: Path, tiny_tokenizer: Path) -> None:
    shards = direct(tmp_path / "set", lively_var, tiny_tokenizer, STRONG)
    expected = {"var": sha256(lively_var), "vqvae": sha256(tiny_tokenizer)}
    assert shards.manifest.configuration["weights"] == expected
    assert all(sample.info["weights"] == expected for sample in shards)


def test_tokens_and_saliency_are_those_of_the_images(tmp_path: Path, lively_var: Path, tiny_tokenizer: Path) -> None:
    shards = direct(tmp_path / "set", lively_var, tiny_tokenizer, STRONG)
    task = AmplifiedGeneration(str(lively_var), Tokenizer(str(tiny_tokenizer)), "unused", Sampling(), STRONG)
    generated = task.generator.generate(torch.arange(5), torch.zeros(5, dtype=torch.int64), 0, record_saliency=True)
    assert generated.tokens is not None
    assert generated.saliency is not None
    last = max(block for block, _ in generated.saliency)
    for number, sample in enumerate(list(shards)[:5]):
        assert sample.tokens is not None
        assert sample.saliency is not None
        assert np.array_equal(sample.image, generated.images[number].numpy())
        assert sample.tokens.tolist() == generated.tokens[number].tolist()
        assert sample.saliency.shape == (4, 4, 4)
        finest = generated.saliency[last, 3][number].reshape(4, 4).numpy().astype(np.float16)
        assert np.array_equal(sample.saliency[3], finest)


def test_batch_size_changes_no_image(tmp_path: Path, weights: tuple[str, ...]) -> None:
    sets = [predict(tmp_path / size, *weights, f"--data.batch_size={size}") for size in ("1", "3", "8")]
    tokens = [[sample.tokens.tolist() for sample in shards if sample.tokens is not None] for shards in sets]
    assert tokens[0] == tokens[1] == tokens[2]
    assert len({shards.manifest.identity_hash for shards in sets}) == 1


def test_stage_values_in_python_are_those_of_the_flags(
    tmp_path: Path, weights: tuple[str, ...], lively_var: Path, tiny_tokenizer: Path
) -> None:
    flags = predict(tmp_path / "flags", *weights, "--model.amplification.beta.mid=4", "--model.save_saliency=true")
    python = direct(tmp_path / "python", lively_var, tiny_tokenizer, Amplification(beta=StageValues(mid=4.0)))
    assert contents(flags.path) == contents(python.path)


def test_a_missing_file_names_the_key(lively_var: Path, tiny_tokenizer: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"checkpoint='nowhere\.pth'"):
        AmplifiedGeneration("nowhere.pth", Tokenizer(str(tiny_tokenizer)), "set")
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.checkpoint='nowhere\.pth'"):
        AmplifiedGeneration(str(lively_var), Tokenizer("nowhere.pth"), "set")


def test_auto_is_a_batch_size_that_fits_and_changes_no_image(
    tmp_path: Path, weights: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fixed = predict(tmp_path / "fixed", *weights)
    auto = predict(tmp_path / "auto", *weights, "--data.batch_size=auto")
    assert auto.manifest.identity_hash == fixed.manifest.identity_hash
    assert [sample.tokens.tolist() for sample in auto] == [sample.tokens.tolist() for sample in fixed]
    assert "batch_size=auto: 10 images at once" in caplog.text  # all ten; a CPU takes up to 16


def test_auto_needs_a_generator_that_knows(tmp_path: Path) -> None:
    task = Generation(NoiseGenerator(), str(tmp_path / "set"))
    with pytest.raises(ValueError, match="NoiseGenerator cannot tell how many images fit"):
        quiet_trainer().predict(task, GenerationPlan("digits", images_per_class=1, batch_size="auto"))


@pytest.mark.parametrize(("precision", "dtype"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)])
def test_the_trainers_precision_is_that_of_blocks_and_decoder(
    tmp_path: Path, lively_var: Path, tiny_tokenizer: Path, precision: str, dtype: torch.dtype
) -> None:
    task = AmplifiedGeneration(str(lively_var), Tokenizer(str(tiny_tokenizer)), str(tmp_path / "set"))
    quiet_trainer(precision=precision).predict(task, GenerationPlan("digits", images_per_class=1, batch_size=5))
    assert isinstance(task.generator, VARGenerator)
    assert task.generator.dtype == dtype
    assert ShardSet.open(tmp_path / "set").manifest.identity["precision"] == precision
    direct = VARGenerator(
        load_vqvae(str(tiny_tokenizer), task.generator.var.scales),
        load_var(str(lively_var)),
        amplification=Amplification(),
        dtype=dtype,
    )
    expected = direct.generate(torch.arange(5), torch.zeros(5, dtype=torch.int64), seed=0)
    made = [sample.tokens.tolist() for sample in ShardSet.open(tmp_path / "set")]
    assert made[:5] == expected.tokens.tolist()  # under autocast, which changes nothing


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_a_precision_that_is_not_for_generation_is_refused(
    tmp_path: Path, lively_var: Path, tiny_tokenizer: Path, precision: str
) -> None:
    task = AmplifiedGeneration(str(lively_var), Tokenizer(str(tiny_tokenizer)), str(tmp_path / "set"))
    with pytest.raises(ValueError, match=f"trainer.precision='{precision}'"):
        quiet_trainer(precision=precision).predict(task, GenerationPlan("digits", images_per_class=1))


def test_cuda_graphs_on_a_cpu_and_unknown_ways_to_compile_are_refused(
    tmp_path: Path, lively_var: Path, tiny_tokenizer: Path
) -> None:
    arguments = (str(lively_var), Tokenizer(str(tiny_tokenizer)), str(tmp_path / "set"))
    with pytest.raises(ValueError, match=r"model\.compile='fast': expected one of none, default"):
        AmplifiedGeneration(*arguments, compile="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cuda-graphs' needs a CUDA device"):
        quiet_trainer().predict(
            AmplifiedGeneration(*arguments, compile="cuda-graphs"), GenerationPlan("digits", images_per_class=1)
        )


@pytest.mark.slow
def test_compiled_generation_draws_the_same_tokens_and_tells_what_it_took(
    tmp_path: Path, weights: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    eager = predict(tmp_path / "eager", *weights)
    compiled = predict(tmp_path / "compiled", *weights, "--model.compile=default")
    assert [sample.tokens.tolist() for sample in compiled] == [sample.tokens.tolist() for sample in eager]
    assert "model.compile=default: the first batch took" in caplog.text
    difference = images(compiled).astype(int) - images(eager)
    assert np.abs(difference).max() <= 1
