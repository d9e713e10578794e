"""What is impossible about a trial and can be known before anything runs: schedules, sampling, plans, networks."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from hieramp_lit.amplify import Amplification
from hieramp_lit.data import GenerationPlan
from hieramp_lit.distill.configuration import arguments_of, class_of
from hieramp_lit.distill.reading import TrialRefusedError
from hieramp_lit.students.create import create_student
from hieramp_lit.var import Sampling, Scales

Made = TypeVar("Made")

_IMAGE_SIZE = 224  # any side does for asking whether there is such a network


def check_tune(values: Mapping[str, Any], generate: Mapping[str, Any]) -> None:
    """Refuse what is no tuning of a VAR, or tunes weights that the generator does not read.

    Raises:
        TrialRefusedError: Naming the key.
    """
    if class_of(values, "model") != "ClassTokenTuning":
        raise TrialRefusedError(
            f"tune: model.class_path is {class_of(values, 'model')}, expected ClassTokenTuning: give a configuration "
            "of configs/token_tuning."
        )
    if "checkpoint" not in arguments_of(generate, "model"):
        raise TrialRefusedError(
            f"tune: {class_of(generate, 'model')}, which generate.config names, reads no weights. Say tune: null."
        )


def check_generate(values: Mapping[str, Any], section: str, tune: Mapping[str, Any] | None) -> None:
    """Refuse impossible schedules, sampling and plans.

    Args:
        values: The stage's configuration.
        section: ``generate`` or ``real``.
        tune: That of the tuning before it, whose VAR then tells scales and depth.

    Raises:
        TrialRefusedError: Naming the key.
    """
    model = arguments_of(values, "model")
    if "output" not in model or class_of(values, "data") != "GenerationPlan":
        raise TrialRefusedError(
            f"{section}: {class_of(values, 'model')} on {class_of(values, 'data')} makes no set. Give a configuration "
            "of configs/generate."
        )
    if model.get("sampling") is not None:
        _build(f"{section}.model", lambda: Sampling(**model["sampling"]))
    if model.get("amplification") is not None:
        amplification = _build(f"{section}.model", lambda: Amplification(**model["amplification"]))
        var = None if tune is None else arguments_of(tune, "model").get("var")
        if var is not None:
            scales = Scales(var["patch_nums"])
            with_tokens = range(len(scales)) if var["class_tokens"] else ()
            _build(f"{section}.model", lambda: amplification.schedule(scales, var["depth"], with_tokens))
    if model.get("save_saliency") and "amplification" not in model:
        raise TrialRefusedError(
            f"{section}.model.save_saliency=True: {class_of(values, 'model')} has no class tokens whose maps could be "
            "stored. Say false."
        )
    save_size = model.get("save_size")
    if save_size is not None and save_size < 1:
        raise TrialRefusedError(f"{section}.model.save_size={save_size}: give a side in pixels, at least 1, or null.")
    _build(f"{section}.data", lambda: GenerationPlan(**arguments_of(values, "data")))


def check_students(values: Mapping[str, Any]) -> None:
    """Refuse what trains no students on a set, and networks that do not exist.

    Raises:
        TrialRefusedError: Naming the key.
    """
    model = arguments_of(values, "model")
    if class_of(values, "model") != "RelabelTraining" or class_of(values, "data") != "ShardDataModule":
        raise TrialRefusedError(
            f"students: {class_of(values, 'model')} on {class_of(values, 'data')} trains no student on a set. Give a "
            "configuration of configs/student that reads a set."
        )
    trainer = values["trainer"]
    for key, count in (("devices", _count(trainer["devices"])), ("num_nodes", trainer["num_nodes"])):
        if count is not None and count > 1:
            raise TrialRefusedError(
                f"students.trainer.{key}={trainer[key]}: students of one process train on one device. Give 1; trials "
                "run side by side."
            )
    with torch.device("meta"):  # without memory or weights
        _build(
            "students.model",
            lambda: create_student(model["student"], 2, model.get("image_size") or _IMAGE_SIZE, model.get("norm")),
        )


def _count(devices: Any) -> int | None:
    """Number of devices, as the Trainer reads it: of a list its length; None where the machine decides."""
    text = str(devices)
    if isinstance(devices, list) or "," in text:
        return len([part for part in text.strip("[]").split(",") if part.strip()])
    return int(text) if text.isdigit() else None


def _build(where: str, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except (ValueError, TypeError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None:
            raise  # a lost connection or the like, and no file that the configuration names
        # Messages begin with the key, those of data modules with the section's name too.
        told = str(error).removeprefix(f"{where.rpartition('.')[2]}.")
        raise TrialRefusedError(f"{where}.{told}") from error
