"""The set that a trial's own is compared with: the same generator and images, nothing amplified."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hieramp_lit.data import GenerationPlan
from hieramp_lit.distill.configuration import arguments_of, class_of
from hieramp_lit.distill.content import OF_THE_TRAINER
from hieramp_lit.distill.reading import Setting, TrialRefusedError
from hieramp_lit.distill.trial import Part, bare_key

SECTION = "off"
_AMPLIFICATION = "model.amplification"
_MAY_DIFFER = (
    "data.images_per_class",
    "data.class_subset",
    "data.shard_size",
    "data.batch_size",
    "model.save_saliency",
    "model.compile",
    "model.decode_batch_size",
)
_OF_THE_MACHINE = tuple(f"trainer.{name}" for name in OF_THE_TRAINER if name != "logger")


def off_part(settings: Sequence[Setting], generate: Part, values: Mapping[str, Any]) -> Part | None:
    """The configuration of the set with nothing amplified.

    Args:
        settings: Of the section ``off``: fewer images or classes than the trial's, and what is a machine's.
        generate: What makes the trial's set.
        values: Its whole configuration.

    Returns:
        None where the trial amplifies nothing: its set is this very set.

    Raises:
        TrialRefusedError: If the generator knows no amplification, or a key would change more than that.
    """
    for setting in settings:
        if bare_key(setting) not in (*_MAY_DIFFER, *_OF_THE_MACHINE):
            raise TrialRefusedError(
                f"{setting.key}={setting.value!r} (in {setting.source}): the set off has the weights, classes, seed "
                f"and sampling of the trial's own, so that images can be compared one by one. It takes "
                f"{', '.join(_MAY_DIFFER)}, and trainer's keys of the machine; all else: set generate.…"
            )
    model = arguments_of(values, "model")
    if "amplification" not in model:
        raise TrialRefusedError(
            f"off: {class_of(values, 'model')}, which generate.config names, amplifies nothing that could be switched "
            "off. Say off: null."
        )
    if model["amplification"] is None:
        return None
    kept = [one for one in generate.settings if not f"{bare_key(one)}.".startswith(f"{_AMPLIFICATION}.")]
    nothing = Setting((SECTION, *_AMPLIFICATION.split(".")), None, "the section off")
    return replace(generate, section=SECTION, settings=(*kept, *settings, nothing))


def check_same_images(values: Mapping[str, Any], generate: Mapping[str, Any]) -> None:
    """Refuse images that the trial's own set does not have.

    Args:
        values: The configuration of the set off.
        generate: That of the trial's own set.

    Raises:
        TrialRefusedError: Naming the key.
    """
    off, ours = (GenerationPlan(**arguments_of(one, "data")).plan for one in (values, generate))
    if off.images_per_class > ours.images_per_class:
        raise TrialRefusedError(
            f"off.data.images_per_class={off.images_per_class}: the trial's own set has {ours.images_per_class} a "
            "class to compare with. Give at most as many, or leave it out for all of them."
        )
    strange = sorted(set(off.rows) - set(ours.rows))
    if strange:
        raise TrialRefusedError(
            f"off.data.class_subset: the class rows {strange[:5]} are not among those of the trial's own set, "
            f"{list(ours.rows[:5])}…. Choose from these, or leave it out for all of them."
        )
