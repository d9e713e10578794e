"""The numbers of a whole inspection."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hieramp_lit.inspection import LabelledImages, SetImages, Settings, TokenMaps, inspect_set, named_features
from hieramp_lit.shards import ShardError, ShardSet
from hieramp_lit.students import Teacher
from hieramp_lit.var import Scales
from tests.inspection import oracle
from tests.inspection.sets import CODES, FEATURES, NETWORK, PATCH_NUMS, SIDE, write_network
from tests.shards.making import NoiseGenerator, make_set

AT = f"@{NETWORK}"


def features_of(shards, weights):
    return named_features(Teacher(NETWORK, str(weights)), shards.classes, SIDE)


def inspect(folder, weights, reference=None, settings=Settings(), **options):  # noqa: B008 (frozen)
    shards = folder if isinstance(folder, ShardSet) else ShardSet.open(folder)
    images = SetImages(shards, shards.classes)
    real = None
    if reference is not None:
        shards_of_it = reference if isinstance(reference, ShardSet) else ShardSet.open(reference)
        real = SetImages(shards_of_it, shards.classes, images.side, "--reference")
    networks = [] if weights is None else [features_of(shards, weights)]
    return inspect_set(images, networks, real, settings=settings, **options)


def test_numbers_are_those_of_an_independent_oracle(digits, others, network):
    pixels, label, keys = oracle.images_of(digits)
    real_pixels, real_label, real_keys = oracle.images_of(others)
    (made, answer), (real, _) = oracle.answers(network, pixels), oracle.answers(network, real_pixels)
    found = inspect(digits, network, others)
    summary, n = found["summary"], np.arange(len(label))
    nearest = oracle.cdist(made, real)
    among = np.sort(oracle.cdist(real, real) + np.diag(np.full(len(real), np.inf)), axis=1)[:, 0]
    limits = np.quantile(among, (0.05, 0.5))
    expected = {
        **dict(zip(("precision", "recall", "density", "coverage"), oracle.overlap(real, made), strict=True)),
        "fid": oracle.fid(real, made),
        "vendi": oracle.vendi(made),
        "vendi_class_mean": np.mean([oracle.vendi(made[label == c]) for c in range(10)]),
        "diversity": np.mean([oracle.diversity(made[label == c]) for c in range(10)]),
        "nearest_mean": nearest.min(1).mean(),
        "nearest_min": nearest.min(),
        "nearest_share_q05": (nearest.min(1) <= limits[0]).mean(),
        "nearest_share_q50": (nearest.min(1) <= limits[1]).mean(),
        "nearest_among_real_q05": limits[0],
        "nearest_among_real_q50": limits[1],
        "teacher_top1": (answer.argmax(1) == label).mean(),
        "teacher_confidence": answer[n, label].mean(),
        "teacher_entropy": -(answer * np.log(answer)).sum(1).mean(),
    }
    found_there = {name: summary[name + AT] for name in expected}
    assert found_there == pytest.approx({name: float(value) for name, value in expected.items()}, rel=2e-4, abs=1e-6)
    assert set(summary) == {name + AT for name in (*expected, "kid", "kid_std")}
    for cls, row in enumerate(found["per_class"]):
        own, real_own = made[label == cls], real[real_label == cls]
        values = (*oracle.overlap(real_own, own), oracle.vendi(own), oracle.diversity(own))
        names = ("precision", "recall", "density", "coverage", "vendi", "diversity")
        assert [row[name + AT] for name in names] == pytest.approx([float(value) for value in values], rel=1e-4)
        assert row["teacher_top1" + AT] == pytest.approx((answer.argmax(1) == label)[label == cls].mean())
        assert row["teacher_confidence" + AT] == pytest.approx(answer[n, label][label == cls].mean(), rel=1e-4)
    lowest = found["lowest_confidence"][NETWORK]
    unsure = np.argsort(answer[n, label], kind="stable")[:48]
    assert [one["confidence"] for one in lowest] == pytest.approx(answer[n, label][unsure].tolist(), rel=1e-4)
    place = [keys.index(one["image"]) for one in lowest]
    assert answer[place, label[place]].tolist() == pytest.approx([one["confidence"] for one in lowest], rel=1e-4)
    assert [(one["cls"], one["taken_for"]) for one in lowest] == [(label[i], answer[i].argmax()) for i in place]
    order = np.argsort(nearest.min(1), kind="stable")[:20]
    pairs = found["nearest"][NETWORK]
    assert [(pair["image"], pair["reference"]) for pair in pairs] == [
        (keys[i], real_keys[nearest[i].argmin()]) for i in order
    ]
    assert [pair["distance"] for pair in pairs] == pytest.approx(nearest.min(1)[order].tolist(), rel=1e-4)


def test_kid_of_equally_many_images_is_the_unbiased_estimate(digits, tmp_path, network):
    other = make_set(tmp_path / "other", NoiseGenerator(), images_per_class=6).path
    made, real = (oracle.answers(network, resized(folder))[0] for folder in (digits, other))
    found = inspect(digits, network, other, Settings(kid_subsets=2))
    assert found["summary"]["kid" + AT] == pytest.approx(oracle.kid(real, made), rel=1e-4)
    assert found["summary"]["kid_std" + AT] == pytest.approx(0, abs=1e-9)
    assert "subsets of 60 images" in found["warnings"][0]


def resized(folder):
    images = [oracle.Image.fromarray(one) for one in oracle.images_of(folder)[0]]
    return np.stack([np.array(one.resize((SIDE, SIDE), oracle.Image.Resampling.LANCZOS)) for one in images])


def same(one, other):
    """Equal but for rounding; of two inspections."""
    for part in ("summary", "nearest", "per_class", "per_scale", "not_measured"):
        assert numbers(one[part]) == pytest.approx(numbers(other[part]), rel=2e-5, abs=1e-6), part
        assert words(one[part]) == words(other[part])


def leaves(value):
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in (key, *leaves(value[key]))]
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [value]


def numbers(value):
    return [leaf for leaf in leaves(value) if isinstance(leaf, float)]


def words(value):
    return [leaf for leaf in leaves(value) if not isinstance(leaf, float)]


def test_nothing_depends_on_batch_size_or_order_of_shards(digits, others, network):
    whole = inspect(digits, network, others)
    same(inspect(digits, network, others, batch_size=7), whole)

    def turned(folder):
        shards = ShardSet.open(folder)
        return replace(shards, manifest=replace(shards.manifest, shards=shards.manifest.shards[::-1]))

    same(inspect(turned(digits), network, turned(others)), whole)


def test_a_set_beside_itself(digits, network):
    found = inspect(digits, network, digits)
    summary = found["summary"]
    assert [summary[name + AT] for name in ("precision", "recall", "coverage")] == [1, 1, 1]
    assert (summary["nearest_mean" + AT], summary["nearest_share_q05" + AT]) == (0, 1)
    assert summary["fid" + AT] == pytest.approx(0, abs=1e-8)
    assert all(pair["image"] == pair["reference"] for pair in found["nearest"][NETWORK])


class Many(LabelledImages):
    """A reference that is never read."""

    def __init__(self, images):
        super().__init__(SIDE, torch.arange(images) % 10)

    def calls(self):
        raise ReferenceReadError

    def name(self, number):
        return str(number)

    def describe(self):
        return {}


class ReferenceReadError(Exception):
    pass


@pytest.mark.parametrize(("images", "told"), [(100_000, False), (100_001, True)])
def test_a_large_reference_is_announced_before_it_is_read(digits, network, caplog, images, told):
    shards = ShardSet.open(digits)
    with pytest.raises(ReferenceReadError):
        inspect_set(SetImages(shards, shards.classes), [features_of(shards, network)], Many(images))
    said = [record.getMessage() for record in caplog.records if "--reference-images" in record.getMessage()]
    assert len(said) == told
    if told:
        assert said[0].startswith("100,001 reference images: 1.2e+10 distances")  # N² + N²/10 + 10⁴ N, and little more
        assert "0.0 GB" in said[0]


def test_token_statistics_need_no_network(tokens):
    found = inspect(tokens, None, maps=TokenMaps(Scales(PATCH_NUMS), CODES))
    assert "codebook_coverage" in found["summary"]
    assert found["features"] == {}
    assert all("needs a feature network" in found["not_measured"][name] for name in ("fid", "vendi", "teacher_top1"))


def test_without_reference_what_is_left_out_has_a_reason(digits, network):
    found = inspect(digits, network)
    left_out = {name.removesuffix(AT) for name, why in found["not_measured"].items() if "--reference" in why}
    assert left_out >= {"precision", "recall", "density", "coverage", "fid", "kid", "nearest_mean"}
    assert found["reference"] is None
    assert found["summary"]["teacher_top1" + AT] <= 1
    assert "no tokens" in found["not_measured"]["token_entropy/coarse"]


def test_too_few_images_give_no_number_but_a_reason(tmp_path, network, others):
    few = make_set(tmp_path / "few", NoiseGenerator(), images_per_class=1, class_subset=[2, 5, 7]).path
    weights = write_network(tmp_path / "three.safetensors", 3)
    found = inspect(few, weights, others, Settings(kid_subset_size=5))
    reasons = found["not_measured"]
    assert f"3 images and 24 real ones for {FEATURES} features" in reasons["fid" + AT]
    assert "3 distilled images are too few for 3 neighbours" in reasons["precision" + AT]
    assert "3 of 3 classes: more than 3 images are needed" in reasons["per_class/coverage" + AT]
    assert "every class: fewer than two images" in reasons["diversity" + AT]
    assert not {"fid" + AT, "precision" + AT, "coverage" + AT, "diversity" + AT} & set(found["summary"])
    assert found["per_class"][0]["recall" + AT] is None
    assert found["reference"]["left_out"] == 56
    # a single image
    one = make_set(tmp_path / "one", NoiseGenerator(), images_per_class=1, class_subset=[4]).path
    found = inspect(one, write_network(tmp_path / "one.safetensors", 1), others)
    assert "a subset has subset_size=2 of each" in found["not_measured"]["kid" + AT]
    assert found["summary"]["nearest_min" + AT] > 0


def test_fid_where_there_are_just_enough_images(digits, others, network):
    # 33 of 80 real images for 32 features are enough, 32 are not
    for images, measured in ((FEATURES, False), (FEATURES + 1, True)):
        shards = ShardSet.open(digits)
        real = SetImages(ShardSet.open(others), shards.classes, SIDE)
        real.limit(images, seed=0)
        found = inspect_set(SetImages(shards, shards.classes), [features_of(shards, network)], real)
        assert ("fid" + AT in found["summary"]) is measured
        assert found["reference"]["images"] == images


def test_the_result_is_plain_and_names_all_it_depends_on(digits, others, network):
    done, distances, subsets = [], [], []
    found = inspect(
        digits,
        network,
        others,
        progress=lambda number, total: done.append((number, total)),
        distances=lambda number, total: distances.append((number, total)),
        subsets=lambda number, total: subsets.append((number, total)),
    )
    json.dumps(found, allow_nan=False)
    assert found["schema"] == 1
    assert done[-1] == (140, 140)
    assert distances[0][0] == 0
    assert distances[-1][0] == distances[-1][1] == max(number for number, _ in distances) > 0
    assert (subsets[0], subsets[-1]) == ((0, 100), (100, 100))
    assert found["features"][NETWORK]["num_features"] == FEATURES
    assert len(found["features"][NETWORK]["sha256"]) == 64
    assert found["set"]["manifest_sha256"] == ShardSet.open(digits).manifest.hash
    assert found["reference"]["name"] == "others"
    assert "OpenAI evaluator" in found["comparable"]
    assert {"torch", "torchmetrics"} <= set(found["versions"])


def test_images_without_a_direction_leave_out_what_needs_one(digits, others, network):
    class Dead(torch.nn.Module):
        def forward(self, image):
            return image.float().mean(dim=(2, 3)) * 0

    shards = ShardSet.open(digits)
    dead = replace(features_of(shards, network), network=Dead(), num_features=3, no_answers="no classifier")
    real = SetImages(ShardSet.open(others), shards.classes, SIDE)
    found = inspect_set(SetImages(shards, shards.classes), [dead], real)
    assert "they have no cosine" in found["not_measured"]["vendi" + AT]
    assert found["not_measured"]["teacher_top1" + AT] == "no classifier"
    assert found["summary"]["nearest_mean" + AT] == 0


def test_features_that_are_not_finite_name_the_images(digits, network):
    class Broken(torch.nn.Module):
        def forward(self, image):
            return image.float().mean(dim=(2, 3)) / 0

    shards = ShardSet.open(digits)
    broken = replace(features_of(shards, network), network=Broken(), num_features=3)
    with pytest.raises(ValueError, match="NaN or infinite") as error:
        inspect_set(SetImages(shards, shards.classes), [broken], batch_size=4)
    assert error.value.__notes__ == ["The batch is that of the images r00000_00000 … r00000_00003."]


def test_names_of_networks_must_differ(digits, network):
    shards = ShardSet.open(digits)
    with pytest.raises(ValueError, match="names must differ"):
        inspect_set(SetImages(shards, shards.classes), [features_of(shards, network)] * 2)


def test_damage_is_told(digits, tmp_path, network):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in digits.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    tar = folder / "train-000003.tar"
    content = bytearray(tar.read_bytes())
    content[2000] ^= 1
    tar.write_bytes(bytes(content))
    with pytest.raises(ShardError, match=r"train-000003\.tar: sha256 differs"):
        inspect(folder, network)
