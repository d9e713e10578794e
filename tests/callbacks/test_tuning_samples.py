"""Sheets and maps while VAR is tuned: what they show, and that the tuning does not notice."""

import gc
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from PIL import Image
from torch.distributed.fsdp import FSDPModule

from hieramp_lit.amplify import Amplification
from hieramp_lit.analysis.saliency import StripRow, draw_strips
from hieramp_lit.callbacks import RunLogger, TuningSamples
from hieramp_lit.checkpoints import save
from hieramp_lit.data import TokenDataModule
from hieramp_lit.generate import Sampling, VARGenerator
from hieramp_lit.generate.real_maps import maps_of_tokens
from hieramp_lit.generate.workspace import Workspace
from hieramp_lit.jobs import RunStoppedError
from hieramp_lit.shards.contact_sheet import draw_grid
from hieramp_lit.var import VAR, load_var
from tests.data.tokens.token_caches import image_data, make_cache, write_images
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

SAMPLING = Sampling(cfg=2.0, top_k=8, top_p=0.9)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


def samples(**arguments):
    return TuningSamples(**{"rows": [7, 2], "real_images": 1, "sampling": SAMPLING, "every_n_steps": 3, **arguments})


class Watch(Callback):
    """Keeps, after every step, all that a callback could have changed."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, task, *_):
        modes = [module.training for part in (task.var, task.tokenizer.quantizer) for module in part.modules()]
        gradients = [parameter.requires_grad for parameter in task.parameters() if parameter.requires_grad]
        drawn = torch.rand(1).item(), random.random(), np.random.rand()
        self.seen.append((modes, gradients, torch.is_grad_enabled(), torch.is_inference_mode_enabled(), drawn))

    def on_train_batch_end(self, trainer, task, outputs, *_):
        self.seen.append({name: value.item() for name, value in trainer.callback_metrics.items()})


def fit(tokenizer, folder, *callbacks, data=None, resume=None, steps=6, **arguments):
    """Weights, what was seen at each step, and the folder of pictures."""
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    watch, task = Watch(), tuning(tokenizer, label_dropout=0.3, **arguments)
    run = trainer(
        watch,
        *callbacks,
        logger=RunLogger(str(folder), "run"),
        max_steps=steps,
        val_check_interval=3,
        check_val_every_n_epoch=None,
        log_every_n_steps=1,
    )
    run.fit(task, data or NoiseDataModule(4), ckpt_path=resume)
    return weights(task), watch.seen, Path(run.logger.log_dir) / "samples"


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


class TestTheTuningDoesNotNotice:
    @pytest.mark.parametrize("every_n_steps", [1, None], ids=["every step", "at validations"])
    def test_weights_losses_modes_and_random_streams_are_those_without_it(self, tokenizer, tmp_path, every_n_steps):
        without, seen, _ = fit(tokenizer, tmp_path / "without")
        amplified = Amplification(blocks=[0], stages=["coarse"])
        looking = samples(every_n_steps=every_n_steps, amplification=amplified)
        looked, also, folder = fit(tokenizer, tmp_path / "with", looking)
        assert len(files(folder)) == 3 * (6 if every_n_steps else 2)
        assert same(looked, without)
        assert also == seen

    def test_nor_a_frozen_backbone(self, tokenizer, tmp_path):
        without, seen, _ = fit(tokenizer, tmp_path / "without", trainable="class_tokens")
        looked, also, _ = fit(tokenizer, tmp_path / "with", samples(), trainable="class_tokens")
        assert same(looked, without)
        assert also == seen

    def test_nor_a_resumed_one_whose_later_pictures_are_the_same(self, tokenizer, tmp_path):
        storing = ModelCheckpoint(tmp_path / "stored", every_n_train_steps=3, save_top_k=-1, filename="{step}")
        whole, _, folder = fit(tokenizer, tmp_path / "whole", storing, samples())
        cut = tmp_path / "stored/step=3.ckpt"
        resumed, _, later = fit(tokenizer, tmp_path / "resumed", samples(), resume=cut)
        without, _, _ = fit(tokenizer, tmp_path / "without", resume=cut)
        assert same(resumed, whole)
        assert same(without, whole)
        assert list(files(later)) == ["maps-000006.png", "real-000006.png", "step-000006.png"]
        assert files(later) == {name: content for name, content in files(folder).items() if name in files(later)}

    def test_nothing_of_it_stays_in_memory(self, tokenizer, tmp_path):
        gc.collect()
        gc.disable()  # what is held by a circle would stay on a GPU until somebody collects
        try:
            fit(tokenizer, tmp_path, samples(), steps=3)
            assert not {type(one) for one in gc.get_objects()} & {Workspace, VARGenerator}
        finally:
            gc.enable()

    def test_checkpoints_are_those_without_it(self, tokenizer, tmp_path):
        for name, callbacks in (("without", []), ("with", [samples()])):
            storing = ModelCheckpoint(tmp_path, every_n_train_steps=2, filename=name, enable_version_counter=False)
            fit(tokenizer, tmp_path / "runs", storing, *callbacks, steps=2)
        with_it, without = (torch.load(tmp_path / f"{name}.ckpt") for name in ("with", "without"))
        assert with_it.keys() == without.keys()
        assert "TuningSamples" not in str(with_it["callbacks"])


class TestWhatIsShown:
    def test_the_images_of_these_weights_classes_indices_and_seed(self, tokenizer, tmp_path):
        begun, exported = architecture().build(), str(tmp_path / "var.safetensors")
        for block in begun.blocks:  # attention that decides what is drawn
            torch.nn.init.normal_(block.ada_lin[1].weight, std=5.0)
        save(tmp_path / "begun.safetensors", begun.state_dict())
        shown = Amplification(beta=40.0, rho=0.5, stages=["coarse"], blocks=[0])
        chosen = samples(images_per_class=3, seed=5, batch_size=2, amplification=shown)
        arguments = {"checkpoint": str(tmp_path / "begun.safetensors"), "export": exported}
        _, _, folder = fit(tokenizer, tmp_path, chosen, **arguments)
        var = load_var(exported)
        vqvae = tokenizer.load(var.scales)
        rows = torch.tensor([7, 7, 7, 2, 2, 2])
        blocks, made = {}, {}
        for title, amplification in (("step 6", None), ("amplified", shown)):
            generator = VARGenerator(vqvae, var, SAMPLING, amplification)
            made[title] = generator.generate(rows, torch.tensor([0, 1, 2] * 2), 5, record_saliency=True)
            images = made[title].images.numpy()
            blocks[title] = [list(images[:3]), list(images[3:])]
        assert not np.array_equal(blocks["step 6"], blocks["amplified"])
        expected = draw_grid(blocks, ["7", "2"], cell=96)
        with Image.open(folder / "step-000006.png") as sheet:
            assert np.array_equal(np.asarray(sheet), np.asarray(expected))
        plain = made["step 6"]
        conditional = {place: map_2Bl[[0, 3]] for place, map_2Bl in plain.saliency.items()}
        assert _shows(folder / "maps-000006.png", ["7", "2"], plain.images[[0, 3]], conditional)

        image = NoiseSamples(7).images[:1]
        teacher_input = vqvae.teacher_input(vqvae.encode(image / 127.5 - 1))
        for row, shown_so in ((10, True), (0, False)):  # its own row would show what the label looks for
            maps = maps_of_tokens(var, teacher_input, torch.tensor([row]))
            assert _shows(folder / "real-000006.png", ["real 0"], image.permute(0, 2, 3, 1), maps) == shown_so

    def test_equal_runs_give_equal_bytes_and_other_weights_others(self, tokenizer, tmp_path):
        first, second = (files(fit(tokenizer, tmp_path / name, samples())[2]) for name in ("first", "second"))
        assert first == second
        assert set(first) == {f"{name}-{n:06d}.png" for name in ("step", "maps", "real") for n in (3, 6)}
        assert first["maps-000003.png"] != first["maps-000006.png"]

    def test_a_validation_by_itself_draws_nothing(self, tokenizer, tmp_path):
        run = trainer(samples(every_n_steps=None), logger=RunLogger(str(tmp_path), "run"))
        run.validate(tuning(tokenizer), NoiseDataModule(4), verbose=False)
        assert not list(tmp_path.rglob("*.png"))

    def test_plain_var_has_sheets_and_no_maps(self, tokenizer, tmp_path):
        _, _, folder = fit(tokenizer, tmp_path, samples(every_n_steps=6), var=architecture(class_tokens=False))
        assert list(files(folder)) == ["step-000006.png"]

    def test_none_are_asked_for(self, tokenizer, tmp_path):
        _, _, folder = fit(tokenizer, tmp_path, samples(every_n_steps=0))
        assert not folder.exists()

    def test_eight_classes_of_the_data_unless_rows_are_named(self, tokenizer):
        run, task = trainer(max_steps=1), tuning(tokenizer)
        run.fit(task, NoiseDataModule(4))
        assert list(TuningSamples()._names(run, task.var)) == [0, 1, 2, 3, 5, 6, 7, 8]
        assert TuningSamples(rows=[9, 1])._names(run, task.var) == {9: "9", 1: "1"}


def test_tokens_of_a_cache_load_the_decoder_at_the_first_sheet(tmp_path, caplog):
    tokenizer = write_tokenizer(tmp_path / "tokenizer.safetensors")
    images = image_data(write_images(tmp_path / "images"), batch_size=5, flip=True, seed=3)
    make_cache(tmp_path / "cache", tokenizer, images, views=3)

    class Held(Callback):
        def on_train_batch_start(self, trainer, task, batch, batch_idx):
            if trainer.global_step == 1:
                assert task.tokenizer.vqvae is None

    def cached():
        return TokenDataModule(str(tmp_path / "cache"), batch_size=4, seed=3)

    chosen = samples(rows=[0, 1], every_n_steps=None)
    without, seen, _ = fit(tokenizer, tmp_path / "without", data=cached())
    with caplog.at_level("INFO"):
        looked, also, folder = fit(tokenizer, tmp_path / "with", Held(), chosen, data=cached())
    assert same(looked, without)
    assert also == seen
    assert "the tokenizer's decoder is loaded, which takes" in caplog.text
    assert list(files(folder)) == [f"{name}-{n:06d}.png" for name in ("maps", "real", "step") for n in (3, 6)]
    again = image_data(tmp_path / "images", batch_size=4, flip=True, seed=3)
    _, _, of_images = fit(tokenizer, tmp_path / "images_run", samples(rows=[0, 1], every_n_steps=None), data=again)
    for name in ("step-000006.png", "maps-000006.png"):
        assert files(of_images)[name] == files(folder)[name]


def _shows(file, titles, images, maps):
    """Whether a picture has these images, each with its maps of the block before the last (of two)."""
    of_image = [
        [maps[0, scale][place].reshape(side, side).double().numpy() for scale, side in enumerate((1, 2, 4))]
        for place in range(len(titles))
    ]
    rows = [StripRow(*parts) for parts in zip(titles, images.numpy(), of_image, strict=True)]
    with Image.open(file) as shown:
        return np.array_equal(np.asarray(shown), np.asarray(draw_strips(rows)))


class Run:
    """Stands in for a W&B run; takes what WandbLogger logs."""

    def __init__(self):
        self.logged = []
        self.id = self.name = "run"

    def log(self, values):  # no step: W&B would refuse what comes late
        self.logged.append(values)

    def define_metric(self, *arguments, **named):
        pass


def test_wandb_gets_the_same_pictures_on_the_steps_of_the_trainer(tokenizer, tmp_path):
    wandb = WandbLogger(save_dir=tmp_path)
    wandb._experiment = Run()
    run = trainer(samples(), logger=[RunLogger(str(tmp_path), "run"), wandb], max_steps=2)
    run.fit(tuning(tokenizer), NoiseDataModule(4))
    logged = [entry for entry in wandb.experiment.logged if any(key.startswith("samples/") for key in entry)]
    assert [set(entry) for entry in logged] == [
        {f"samples/{key}", "trainer/global_step"} for key in ("images", "maps", "real")
    ]
    assert {entry["trainer/global_step"] for entry in logged} == {2}
    with Image.open(tmp_path / "run/version_0/samples/step-000002.png") as stored:
        (picture,) = logged[0]["samples/images"]
        assert np.array_equal(np.asarray(picture.image.convert("RGB")), np.asarray(stored))


class TestAccidents:
    @pytest.mark.filterwarnings("default")
    def test_a_full_disk_costs_pictures_and_one_warning(self, tokenizer, tmp_path):
        without, _, _ = fit(tokenizer, tmp_path / "without")
        (tmp_path / "with/run/version_0").mkdir(parents=True)
        (tmp_path / "with/run/version_1").mkdir()
        blocked = tmp_path / "with/run/version_2/samples"

        class Block(Callback):
            def on_train_batch_start(self, trainer, *_):
                if not blocked.exists():
                    blocked.write_text("no folder can be here")

        with pytest.warns(UserWarning, match="TuningSamples") as told:
            looked, _, _ = fit(tokenizer, tmp_path / "with", Block(), samples())
        ours = [str(one.message) for one in told if "TuningSamples" in str(one.message)]
        assert len(ours) == 2
        assert "could not draw step 3, and the fit goes on" in ours[0]
        assert ours[1] == "TuningSamples: no pictures of step 3, 6, see the first warning."
        assert same(looked, without)

    @pytest.mark.filterwarnings("default")
    def test_without_a_way_to_wandb_the_files_are_there_and_said_to_be(self, tokenizer, tmp_path):
        class Broken(Run):
            def log(self, values):
                if any(key.startswith("samples/") for key in values):
                    raise ConnectionError("no way out")

        wandb = WandbLogger(save_dir=tmp_path)
        wandb._experiment = Broken()
        run = trainer(samples(), logger=[RunLogger(str(tmp_path), "run"), wandb], max_steps=6)
        with pytest.warns(UserWarning, match="TuningSamples") as told:
            run.fit(tuning(tokenizer), NoiseDataModule(4))
        folder = tmp_path / "run/version_0/samples"
        first, last = [str(one.message) for one in told if "TuningSamples" in str(one.message)]
        assert "could not send to W&B, though their files are written, the pictures of step 3, and the fit" in first
        assert "ConnectionError: no way out" in first
        assert f"the pictures of step 3, 6 are files in {folder}, and not all in W&B" in last
        assert set(files(folder)) == {f"{name}-{n:06d}.png" for name in ("step", "maps", "real") for n in (3, 6)}

    def test_a_second_ctrl_c_ends_it(self, tokenizer, tmp_path, monkeypatch):
        def stop(*_, **__):
            raise RunStoppedError(2, "Ended at once.")

        monkeypatch.setattr(VARGenerator, "generate", stop)
        with pytest.raises(RunStoppedError, match="at once"):
            fit(tokenizer, tmp_path, samples())

    def test_a_network_that_is_shared_out_has_no_pictures_and_says_so(self, tokenizer):
        task = tuning(tokenizer)
        task.var.__class__ = type("ShardedVAR", (FSDPModule, VAR), {})  # as FSDP2 does
        assert "FSDP2" in samples().check(trainer(), task)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"every_n_steps": -1}, r"TuningSamples\.every_n_steps=-1"),
        ({"images_per_class": 0}, r"TuningSamples\.images_per_class=0"),
        ({"real_images": -1}, r"TuningSamples\.real_images=-1"),
        ({"batch_size": 0}, r"TuningSamples\.batch_size=0"),
        ({"rows": []}, r"TuningSamples\.rows=\[\]"),
        ({"rows": [3, 10]}, r"names \[10\].*0 to 9"),
        ({"amplification": Amplification(stages=["coarse"], blocks=[5])}, r"amplification\.blocks=\[5\]"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_step(tokenizer, arguments, named):
    with pytest.raises(ValueError, match=named):
        samples(**arguments).check(trainer(), tuning(tokenizer, var=architecture(patch_nums=(1, 2, 4))))
