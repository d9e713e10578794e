"""All checks of a configuration, one after the other; what refuses one does not keep the others from running."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import LightningDataModule

from hieramp_lit.classes import ClassList
from hieramp_lit.data import GenerationPlan, ImageBatch, ShardDataModule, TokenBatch
from hieramp_lit.data.bank.class_match import match_classes
from hieramp_lit.data.module import SampledDataModule
from hieramp_lit.doctor.disk import check_disk
from hieramp_lit.doctor.estimates import memory_parts, not_estimated, remedy, writes
from hieramp_lit.doctor.findings import REFUSALS, Finding, attempted, refused
from hieramp_lit.doctor.generator import check_generator
from hieramp_lit.doctor.images import (
    codebook_use,
    few_samples,
    folder_samples,
    judge_codebook,
    judge_prediction,
    judge_reconstruction,
    predict,
    reconstruct,
)
from hieramp_lit.doctor.installation import check_devices, check_versions
from hieramp_lit.doctor.memory import check_memory
from hieramp_lit.doctor.setup import Setup, build_data, build_generator
from hieramp_lit.doctor.teacher import answers, find_order, judge
from hieramp_lit.doctor.validation import spread_over_classes
from hieramp_lit.doctor.weights import Networks, image_size_of, load_networks, teacher_of
from hieramp_lit.generate.memory import free_bytes
from hieramp_lit.shards import ShardSet
from hieramp_lit.students.network_input import NetworkInput
from hieramp_lit.var import VAR

_CHECKS = 5
"""Versions and device, weights, data, memory and disk, images."""


def examine_installation() -> list[Finding]:
    """Versions and devices."""
    return [*attempted("versions", check_versions), *attempted("device", check_devices)]


@dataclass(frozen=True)
class Examination:
    """Looks at one configuration.

    Args:
        setup: What it asks for.
        parser: That of the configuration.
        config: The whole configuration.
        device: Where to try the networks, and whose memory is meant.
        images: Images to try them on.
        folder: Images to take instead of the configuration's own; class folders.
        progress: Called with the numbers of checks, or of images that a teacher has answered, that are done and of all.
    """

    setup: Setup
    parser: ArgumentParser
    config: Namespace
    device: torch.device
    images: int
    folder: Path | None = None
    progress: Callable[[int, int], None] | None = None

    def run(self) -> list[Finding]:
        """All checks for the task's command."""
        setup = self.setup
        accelerator = str(setup.trainer.get("accelerator"))
        findings = [*attempted("versions", check_versions)]
        findings += attempted("device", lambda: check_devices(accelerator, setup.precision))
        self._count(1)
        free, of_memory = self._free()  # before networks are loaded here
        networks = Networks()
        try:
            networks = load_networks(setup)
            findings += networks.findings
        except REFUSALS as error:
            findings.append(refused("weights", error))
        self._count(2)
        data, of_data = self._data(networks.var)
        findings += of_data
        self._count(3)
        findings += of_memory
        if free is not None:
            findings += attempted("memory", lambda: self._memory(networks, free))
        findings += attempted("disk", lambda: check_disk(writes(setup, networks, data)))
        self._count(4)
        findings += attempted("images", lambda: self._images(networks, data))
        self._count(_CHECKS)
        return findings

    def _count(self, checks: int) -> None:
        if self.progress is not None:
            self.progress(checks, _CHECKS)

    def run_teacher(self) -> list[Finding]:
        """The teacher of a student's configuration, on the validation images.

        Raises:
            ValueError: If the configuration has no teacher or no validation images.
        """
        teacher = teacher_of(self.setup.model)
        if teacher is None:
            raise ValueError("model.teacher is null: this configuration has no teacher to try.")
        nested = self.setup.judges != "data"
        if self.setup.data_class == "ShardDataModule" and not nested:
            raise ValueError("data.validation is null: give the images that judge the student.")
        images = build_data(self.parser, self.config, self.setup.judges)
        of_images, path = _classes(images), Path(self.setup.data["path"]) if nested else None
        there = path is not None and path.is_dir()
        classes = ShardSet.open(path).classes if path is not None and there else of_images
        network = teacher.load_whole(image_size_of(self.setup)).to(self.device)
        images.prepare_data()
        images.setup("validate")
        mean, std = (
            own or tuple(self.setup.model[name]) for name, own in (("mean", teacher.mean), ("std", teacher.std))
        )
        batches = spread_over_classes(images, classes, of_images, self.images)
        about = max(1, self.images // len(classes)) * len(classes)
        logits, labels = answers(network, NetworkInput(mean, std), batches, self.device, about, self.progress)
        order = find_order(logits, labels, len(classes), teacher.rows)
        which = f"the set {path}" if there else "the validation images"
        known = Finding("classes", "ok", f"{len(classes)} classes in the order of {which}")
        return [known, *judge(order, teacher.rows, classes)]

    def _data(self, var: VAR | None) -> tuple[LightningDataModule | None, list[Finding]]:
        """The data module with images, or the plan, and what is to say about it."""
        setup = self.setup
        part = "data.init_args.images" if setup.task == "Tokenization" else "data"
        if setup.data_class == "ShardDataModule":
            return self._set()
        try:
            data = build_data(self.parser, self.config, part)
            if isinstance(data, SampledDataModule):
                data.prepare_data()
                data.setup("fit")
            return data, [self._described(data, var)]
        except REFUSALS as error:
            return None, [refused("data", error)]

    def _set(self) -> tuple[LightningDataModule | None, list[Finding]]:
        """A student's set, and the images that judge it; each is looked at without the other."""
        findings: list[Finding] = []
        images, shards = None, None
        if self.setup.judges == "data":
            text = "data.validation is null: nothing judges the student"
            findings.append(Finding("data", "error", text, "give the data module of the validation images"))
        else:
            try:
                images = build_data(self.parser, self.config, self.setup.judges)
                images.prepare_data()
                images.setup("validate")
                findings.append(self._described(images, training=False))
            except REFUSALS as error:
                findings.append(refused("data", error))
        try:
            alone = self.config.clone()
            alone["data.init_args.validation"] = None
            data = build_data(self.parser, alone)
            if isinstance(data, ShardDataModule):
                shards = data.shards
                text = f"{data.path}: {len(shards)} images of {len(shards.classes)} classes"
                findings.append(Finding("set", "ok", text))
        except REFUSALS as error:
            findings.append(refused("set", error))
        if images is not None and shards is not None:
            try:
                match_classes(shards.classes, _classes(images))
            except REFUSALS as error:
                findings.append(refused("classes", error))
        return images, findings

    def _described(self, data: LightningDataModule, var: VAR | None = None, *, training: bool = True) -> Finding:
        classes, name = _classes(data), type(data).__name__
        rows = f"{len(classes)} classes, class rows {min(classes.rows)} to {max(classes.rows)}"
        facts = {"classes": len(classes), "rows": classes.rows}
        number = var.num_classes if var is not None else (self.setup.model.get("var") or {}).get("num_classes")
        if number is not None and max(classes.rows) >= number:
            text = f"{name}: {rows}, and the VAR has {number} classes"
            remedy = "raise model.var.num_classes in tuning, check data.classes, or set data.class_rows: own"
            return Finding("data", "error", text, remedy, facts)
        if not isinstance(data, SampledDataModule):
            return Finding("data", "ok", f"{name}: {rows}", facts=facts)
        val = len(data.val_samples())
        if not training:
            return Finding("data", "ok", f"{name}: {val:,} validation samples of {rows}", facts=facts | {"val": val})
        streamed = getattr(data, "streams", False)  # then nothing can be counted
        train = self.setup.data["epoch_samples"] if streamed else len(data.train_samples())
        text = f"{name}: {train:,} training and {val:,} validation samples of {rows}"
        return Finding("data", "ok", text, facts=facts | {"train": train, "val": val})

    def _free(self) -> tuple[int | None, list[Finding]]:
        """Bytes that the device has left; where the system does not tell, why."""
        try:
            return free_bytes(self.device), []
        except ValueError:
            text = "this system does not tell how much memory is free, so the need is not compared with it"
            return None, [Finding("memory", "warning", text, "look at it in the first steps of the run")]

    def _memory(self, networks: Networks, free: int) -> list[Finding]:
        parts = memory_parts(self.setup, networks)
        if not parts:
            return [not_estimated(self.setup, networks)]
        return [check_memory(parts, free, str(self.device), remedy(self.setup))]

    def _images(self, networks: Networks, data: LightningDataModule | None) -> Sequence[Finding]:
        """Try tokenizer and VAR on images, where there are both."""
        vqvae, var = networks.vqvae, networks.var
        if self.setup.task == "Generation":
            plan = data if isinstance(data, GenerationPlan) else None
            return check_generator(build_generator(self.parser, self.config), plan, self.images)
        if vqvae is None:
            return []
        batch = self._samples(data, vqvae.image_size)
        if batch is None:
            if self.setup.command != "predict":
                return []  # the data was refused, and said so
            text = "the configuration names no images to try tokenizer and VAR on"
            return [Finding("images", "ok", text, "--folder FOLDER tries them on images of yours, in class folders")]
        vqvae = vqvae.to(self.device)
        findings = []
        if isinstance(batch, ImageBatch):
            tokens, found = reconstruct(vqvae, batch.image)
            findings.append(judge_reconstruction(found, len(tokens)))
        else:
            tokens = batch.tokens.long().to(self.device)
        findings.append(judge_codebook(codebook_use(vqvae, tokens), tokens, vqvae.vocab_size))
        if var is not None:
            if int(batch.label.max()) >= var.num_classes:
                return findings  # an error of the data, which says so
            findings += judge_prediction(predict(vqvae, var.to(self.device), tokens, batch.label), vqvae.vocab_size)
        return findings

    def _samples(self, data: LightningDataModule | None, side: int) -> ImageBatch | TokenBatch | None:
        """Images to try, or tokens: of the folder given, of the data, or of a plan's folder of classes."""
        spec, folder = self.setup.data.get("classes"), self.folder
        predicts = self.setup.command == "predict"
        if folder is None and predicts and isinstance(spec, str) and Path(spec).is_dir():
            folder = Path(spec)
        if folder is not None:
            known = data is not None and hasattr(data, "classes")
            classes = _classes(data) if known and data is not None else ClassList.from_folder(folder, "--folder")
            return folder_samples(folder, classes, side, self.images)
        return None if predicts or data is None else few_samples(data, self.images)


def _classes(data: LightningDataModule) -> ClassList:
    classes = getattr(data, "classes", None)
    if not isinstance(classes, ClassList):
        raise ValueError(f"data: {type(data).__name__} has no class list. Use one of our data modules.")
    return classes
