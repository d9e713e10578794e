"""What was made from what: weights, schedule, seeds, protocol, versions, and the commands to make it again."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hieramp_lit.figures.schedule import draw_schedule
from hieramp_lit.report.content.story import Member, Story, schedule_words
from hieramp_lit.report.page import Block, Column, Commands, Facts, Figure, Note, Section, Table
from hieramp_lit.report.results import Result
from hieramp_lit.shards import Manifest
from hieramp_lit.var import Scales

_MOST_NAMES = 12
_CONFIGURATION = "YOUR.yaml"


def making(story: Story, prefix: str) -> Section:
    """The section of one story.

    Args:
        story: The story.
        prefix: Of all ids.
    """
    blocks: list[Block] = []
    main = story.main
    manifest = main.draws[0].manifest if main.draws else None
    configuration = manifest.configuration if manifest is not None else _configuration(main)
    blocks.append(Facts("The set", _of_set(main)))
    schedule = _schedule(configuration, prefix)
    if schedule is not None:
        blocks.append(schedule)
    if main.result is not None:
        blocks.append(Facts("Judged by", judging(main.result)))
    if manifest is not None:
        made = ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items()))
        blocks.append(Facts("Versions", [("the set was made with", made), *_versions_of(main.result)]))
    elif main.result is not None and main.result.get("versions"):
        blocks.append(Facts("Versions", _versions_of(main.result)))
    if story.facts:
        blocks.append(Facts(f"The {story.what}", story.facts))
    if story.values:
        columns = (Column("key"), Column("value"))
        title = f"What the {story.what} sets"
        blocks.append(Table(f"{prefix}values", title, columns, [list(pair) for pair in story.values], folded=True))
    blocks += _commands(story, manifest)
    blocks += [Note(text, "missing") for text in story.missing]
    return Section(f"{prefix}making", "What was made from what", blocks)


def _configuration(member: Member) -> Mapping[str, Any]:
    return ((member.result or {}).get("set") or {}).get("configuration") or {}


def _of_set(member: Member) -> list[tuple[str, str]]:
    if not member.draws:
        return _of_described((member.result or {}).get("set") or {})
    shards = member.draws[0]
    manifest = shards.manifest
    seeds = [one.manifest.seed for one in member.draws]
    names = list(shards.classes.names)
    more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    stored = manifest.identity["save_size"]
    rows = [
        ("generator", manifest.generator),
        ("schedule", schedule_words(manifest.configuration)),
        ("classes", f"{len(names)}: {', '.join(names[:_MOST_NAMES])}{more}"),
        ("images per class (IPC)", str(manifest.images_per_class)),
        ("images", str(len(shards)) + (f" in each of {len(seeds)} draws" if len(seeds) > 1 else "")),
        ("generate.seed", ", ".join(map(str, seeds))),
        ("stored as", f"{manifest.identity['image_format']}, {'generated size' if stored is None else f'{stored} px'}"),
        ("precision", str(manifest.identity["precision"])),
        *_of_configuration(manifest.configuration),
        ("hash of configuration", manifest.identity_hash[:16]),
        ("hash of contents", ", ".join(one.manifest.hash[:16] for one in member.draws)),
    ]
    return [(name, value) for name, value in rows if value]


def _of_described(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a set that is not here, what its result says."""
    configuration = described.get("configuration") or {}
    rows = [
        ("generator", str(described.get("generator") or "none: a full data set")),
        ("schedule", schedule_words(configuration)),
        ("classes", str(described.get("classes") or "")),
        ("images per class (IPC)", str(described.get("images_per_class") or "")),
        ("images", str(described.get("images") or "")),
        ("generate.seed", ", ".join(map(str, described.get("generate_seeds") or ()))),
        *_of_configuration(configuration),
        ("hash of contents", ", ".join(one[:16] for one in described.get("manifest_sha256") or ())),
    ]
    return [(name, value) for name, value in rows if value]


def _of_configuration(configuration: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    weights, names = configuration.get("weights"), {"var": "VAR", "vqvae": "tokenizer"}
    if isinstance(weights, Mapping):
        rows += [(f"{names.get(name, name)}, sha256", str(value)) for name, value in weights.items()]
    schedule = configuration.get("schedule")
    if isinstance(schedule, Mapping):
        told = [f"{name} {schedule[name]}" for name in ("rule", "blocks", "saliency", "rounding") if name in schedule]
        rows.append(("amplification", ", ".join(told)))
    sampling = configuration.get("sampling")
    if isinstance(sampling, Mapping):
        rows.append(("sampling", ", ".join(f"{name} {value}" for name, value in sampling.items())))
    tokens = configuration.get("tokens")
    if isinstance(tokens, Mapping):
        rows.append(("token maps", f"sides {tokens['patch_nums']}, codebook of {tokens['vocab_size']}"))
    known = {"weights", "schedule", "sampling", "tokens", "saliency_blocks"}
    rows += [(name, _short(value)) for name, value in configuration.items() if name not in known]
    return rows


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)


def _schedule(configuration: Mapping[str, Any], prefix: str) -> Figure | None:
    schedule, tokens = configuration.get("schedule"), configuration.get("tokens")
    if not isinstance(schedule, Mapping) or not isinstance(tokens, Mapping):
        return None
    scales = Scales(tokens["patch_nums"])
    beta: list[float | None] = []
    rho: list[float | None] = []
    for strength, share in zip(schedule["beta"], schedule["rho"], strict=True):
        beta.append(float(strength) if share > 0 else None)
        rho.append(float(share) if share > 0 else None)
    stages = [str(scales.stage_of(scale)) for scale in range(len(scales))]
    sides = list(scales.patch_nums)
    told = [
        f"scale {scale} ({stages[scale]}): β {strength:g} on {100 * share:g} %"
        for scale, (strength, share) in enumerate(zip(beta, rho, strict=True))
        if strength is not None and share is not None
    ]
    rows = [[scale, f"{side}×{side}", stages[scale], beta[scale], rho[scale]] for scale, side in enumerate(sides)]
    columns = (
        Column("scale", numeric=True), Column("tokens"), Column("stage"), Column("β", numeric=True),
        Column("ρ", numeric=True),
    )  # fmt: skip
    return Figure(
        f"{prefix}schedule",
        "Schedule over the scales",
        f"Amplified: {'; '.join(told) or 'nothing'}. All other scales are left alone.",
        "β: strength by which the most salient positions are amplified (rule "
        f"{schedule['rule']}); ρ: their share of the scale's positions. None: left alone.",
        {"beta": beta, "rho": rho, "stages": stages, "sides": sides},
        partial(draw_schedule, beta, rho, stages, sides),
        Table(f"{prefix}schedule-table", "Schedule over the scales", columns, rows),
    )


def judging(result: Result) -> list[tuple[str, str]]:
    """Protocol, student, teacher and judges of a result, one a line."""
    protocol, student, validation = result["protocol"], result["student"], result["validation"]
    rows = [("protocol", f"{protocol['name']}, version {protocol.get('version', 'unknown')}")]
    rows.append(("changed of it", _changes(protocol.get("changed"))))
    size = [f"{student[name]} {word}" for name, word in (("image_size", "px"), ("parameters", "parameters"))
            if student.get(name)]  # fmt: skip
    rows.append(("student", ", ".join([str(student["architecture"]), *size])))
    teacher = result.get("teacher")
    if teacher is None:
        rows.append(("teacher", "none: hard labels"))
    else:
        accuracy = teacher.get("validation_top1")
        told = "" if accuracy is None else f", top-1 {100 * accuracy:.1f} % on the judges"
        rows.append(("teacher", f"{teacher['architecture']}{told}"))
        rows.append(("teacher's sha256", str(teacher.get("sha256") or "")))
    rows.append(("judges", f"{validation.get('n', '?')} images ({validation.get('name', 'unnamed')})"))
    rows.append(("student seeds", ", ".join(map(str, result.get("student_seeds", ())))))
    rows.append(("precision", str(result.get("precision") or "")))
    rows.append(("device", str(result.get("device") or "")))
    return [(name, value) for name, value in rows if value]


def _changes(changed: Mapping[str, Any] | None) -> str:
    if changed is None:
        return "it is not one of the published protocols"
    if not changed:
        return "nothing"
    return "; ".join(_change(name, both) for name, both in changed.items())


def _change(name: str, both: Any) -> str:
    if not isinstance(both, Mapping) or "used" not in both:
        return name
    before, used = both.get("protocol"), both["used"]
    if isinstance(before, Mapping) and isinstance(used, Mapping):
        inner = [_change(key, {"used": used[key], "protocol": before.get(key)}) for key in used
                 if used[key] != before.get(key)]  # fmt: skip
        return f"{name} ({', '.join(inner)})"
    return f"{name} {used} (published: {before})"


def _versions_of(result: Result | None) -> list[tuple[str, str]]:
    versions = (result or {}).get("versions")
    return (
        [("students were trained with", ", ".join(f"{a} {b}" for a, b in sorted(versions.items())))] if versions else []
    )


def _commands(story: Story, manifest: Manifest | None) -> list[Block]:
    if story.commands:
        return [Commands("To make it again", story.commands)]
    folder = story.main.draws[0].path if story.main.draws else None
    if manifest is None or folder is None:
        return []
    if "imported" in manifest.configuration:
        return [Commands("To check it", [f"hieramp verify {folder}"])]
    lines = [_predict(manifest), f"hieramp verify {folder}"]
    note = Note(
        "The manifest names weights by their sha256, not by where they lie: YOUR.yaml is a configuration of "
        "configs/generate with these weights."
    )
    return [Commands("To make it again", lines), note]


def _predict(manifest: Manifest) -> str:
    """The set's `hieramp predict`, as far as its manifest tells."""
    words = [f"hieramp predict --config {_CONFIGURATION} --data.images_per_class {manifest.images_per_class}"]
    words.append(f"--data.seed {manifest.seed} --trainer.precision {manifest.identity['precision']}")
    sampling = manifest.configuration.get("sampling")
    if isinstance(sampling, Mapping) and "cfg" in sampling:
        words += [f"--model.sampling.{name} {value}" for name, value in sampling.items() if value is not None]
        words += _amplification(manifest.configuration.get("schedule"))
    return " ".join(words)


def _amplification(schedule: Any) -> Sequence[str]:
    if not isinstance(schedule, Mapping):
        return ["--model.amplification null"]
    key = "--model.amplification"
    lists = [f"{key}.{name} '{list(schedule[name])}'" for name in ("beta", "rho")]
    scales = [scale for scale, share in enumerate(schedule["rho"]) if share > 0]
    named = [
        f"{key}.{name} {schedule[name]}" for name in ("rule", "saliency", "rounding", "renormalize") if name in schedule
    ]
    return [*lists, f"{key}.scales '{scales}'", f"{key}.blocks '{list(schedule['blocks'])}'", *named]
