import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hieramp_lit.data import ImageBatch
from hieramp_lit.tasks import TokenizerTraining
from hieramp_lit.var import Scales, load_vqvae
from tests.tasks.tuning import PATCH_NUMS, TOKENIZER, NoiseDataModule, NoiseSamples, same, trainer, weights

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SCALES = Scales(PATCH_NUMS)


def training(**arguments):
    return TokenizerTraining(TOKENIZER, PATCH_NUMS, **arguments)


def batch(count=6):
    samples = NoiseSamples(count)
    return ImageBatch(samples.images, samples.labels)


def validate(task, batch_size=4):
    (found,) = trainer().validate(task, NoiseDataModule(batch_size), verbose=False)
    return found


def test_the_loss_is_l2_plus_weighted_l1_plus_the_quantization_loss():
    image = batch().image.double() / 127.5 - 1
    task = training()
    with torch.no_grad():
        output = task.vqvae(image.float())
        difference = output.reconstruction.double() - image
        for l1_weight, quantization_weight in [(0.2, 1.0), (0.0, 0.0), (2.0, 0.5)]:
            task = training(l1_weight=l1_weight, quantization_weight=quantization_weight)
            expected = difference.square().mean() + l1_weight * difference.abs().mean()
            expected += quantization_weight * output.quantization_loss
            assert task.training_step(batch(), 0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_validation_reports_errors_and_codes_of_all_images_at_any_batch_size():
    task = training()
    whole = validate(task, 7)
    assert validate(task, 3) == pytest.approx(whole, rel=1e-5)
    images = NoiseSamples(7).images / 127.5 - 1
    task.eval()
    with torch.no_grad():
        output = task.vqvae(images)
    assert whole["val/reconstruction_mse"] == pytest.approx(
        (output.reconstruction - images).square().mean().item(), rel=1e-5
    )
    for k, place in enumerate(SCALES.slices):
        assert whole[f"val/codebook_used/{k:02d}"] == len(output.tokens[:, place].unique())


def test_the_usage_statistic_follows_the_counts_of_the_batches():
    task = training()
    with torch.no_grad():
        tokens_BL = task.vqvae.encode(batch().image / 127.5 - 1)
    task.training_step(batch(), 0)
    statistic = task.vqvae.quantize.ema_vocab_hit_SV
    for k, place in enumerate(SCALES.slices):
        counts = torch.bincount(tokens_BL[:, place].flatten(), minlength=TOKENIZER.vocab_size)
        torch.testing.assert_close(statistic[k], 0.01 * counts.float())


def test_it_learns_and_exports_weights_that_load(tmp_path):
    path = tmp_path / "tokenizer.safetensors"
    task = training(export=str(path))
    before = validate(task)
    the_trainer = trainer(max_epochs=8)
    the_trainer.fit(task, NoiseDataModule(11))
    assert the_trainer.callback_metrics["val/loss"] < 0.9 * before["val/loss"]
    assert the_trainer.callback_metrics["train_epoch/codebook_used/02"] > 1
    exported = load_vqvae(str(path), SCALES)
    assert same(exported.state_dict(), weights(task, "vqvae"))
    assert same(weights(training(checkpoint=str(path)), "vqvae"), weights(task, "vqvae"))


@pytest.mark.parametrize("run", [{"max_epochs": 2}, {"max_steps": 8, "max_epochs": -1}], ids=["epochs", "steps"])
def test_a_fit_cut_in_mid_epoch_resumes_to_the_same_bits(tmp_path, run):
    def fit(resume, *callbacks):
        task = training(lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8))
        trainer(*callbacks, **run).fit(task, NoiseDataModule(4), ckpt_path=resume)
        return weights(task, "vqvae")

    whole = fit(None, ModelCheckpoint(tmp_path, every_n_train_steps=3, save_top_k=-1, filename="{step}"))
    assert same(fit(tmp_path / "step=3.ckpt"), whole)
    assert same(fit(tmp_path / "step=6.ckpt"), whole)


def test_optimizer_and_schedule_are_arguments():
    task = training(
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1),
    )
    the_trainer = trainer(max_steps=2)
    the_trainer.fit(task, NoiseDataModule(4))
    (optimizer,) = the_trainer.optimizers
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.005)


def test_initial_weights_are_a_function_of_the_seed_and_leave_the_global_stream_alone():
    torch.manual_seed(1)
    first = weights(training(), "vqvae")
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    assert same(first, weights(training(), "vqvae"))
    assert not same(first, weights(training(seed=1), "vqvae"))


def test_impossible_settings_name_the_key(tmp_path):
    with pytest.raises(ValueError, match=r"model\.l1_weight=-1"):
        training(l1_weight=-1)
    with pytest.raises(ValueError, match=r"model\.export"):
        training(export="tokenizer.bin")
    with pytest.raises(FileNotFoundError, match=r"model\.checkpoint"):
        training(checkpoint=str(tmp_path / "none.safetensors"))


def test_images_of_another_size_say_which_one_fits():
    task = TokenizerTraining(TOKENIZER, (1, 2, 8))
    with pytest.raises(ValueError, match="patch_nums"):
        task.training_step(batch(), 0)
