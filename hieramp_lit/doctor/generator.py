"""Whether a generator without weights has the images that a plan asks for."""

import torch

from hieramp_lit.data import GenerationPlan
from hieramp_lit.doctor.findings import Finding
from hieramp_lit.generate.base import Generator, KnowsClasses
from hieramp_lit.generate.real import RandomReal

MOST_NAMED = 12


def check_generator(generator: Generator, data: GenerationPlan | None, number: int) -> list[Finding]:
    """Compare a generator's classes and images with the plan's; real images are counted and a few of them read.

    Args:
        generator: Built.
        data: The plan; None where it could not be built.
        number: Images to read.

    Raises:
        ValueError: If rows mean other classes than in the plan.
        UnreadableImageError: If an image cannot be read.
    """
    if data is None:
        return [Finding("generator", "ok", f"{generator.name} can be built; without a plan it is not tried")]
    if isinstance(generator, KnowsClasses):
        generator.check_classes(data.classes)
    if not isinstance(generator, RandomReal):
        return [Finding("generator", "ok", f"{generator.name} can be built; only `hieramp predict` tries it")]
    plan = data.plan
    rows = generator.data.rows()
    counts = torch.bincount(rows, minlength=max(plan.rows) + 1)[list(plan.rows)]
    facts = {"images": len(rows), "least": int(counts.min()), "asked": plan.images_per_class}
    short = [
        f"{entry.name} (row {entry.row}) has {count}"
        for entry, count in zip(data.classes.entries, counts.tolist(), strict=True)
        if count < plan.images_per_class
    ]
    if short:
        named = "; ".join(short[:MOST_NAMED]) + ("; …" if len(short) > MOST_NAMED else "")
        text = f"data.images_per_class={plan.images_per_class}, and {len(short)} classes have fewer images: {named}"
        remedy = "lower data.images_per_class, or leave the classes out with data.class_subset"
        return [Finding("images", "error", text, remedy, facts)]
    count = min(number, len(plan))
    located = torch.tensor([plan.locate(place * len(plan) // count) for place in range(count)])
    generator.generate(located[:, 1], located[:, 2], plan.seed)
    text = f"{len(rows):,} real images, {facts['least']} or more of each class; {count} of those chosen can be read"
    return [Finding("images", "ok", text, facts=facts)]
