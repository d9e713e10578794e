import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.functional import resized_crop

from hieramp_lit.checkpoints import save
from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.generate import RDED, Generator, RealImages
from hieramp_lit.generate.rded import tiled
from hieramp_lit.seeds import stream
from hieramp_lit.shards import ShardSet
from hieramp_lit.students import Teacher, create_student
from hieramp_lit.students.views.augment import sample_crops
from tests.shards.making import make_set

SIDE = 8
ROWS = (7, 3)  # of cls 0 and 1
MEAN, STD = (0.3, 0.5, 0.4), (0.2, 0.3, 0.25)


class Noise(RealImages):
    """Images of 12 × 12 pixels: 11 of class row 7, 6 of class row 3."""

    def __init__(self) -> None:
        self.classes = ClassList(tuple(ClassEntry(cls, row, None, str(row), None) for cls, row in enumerate(ROWS)))
        self.images = torch.randint(0, 256, (17, 12, 12, 3), dtype=torch.uint8, generator=stream("noise"))

    def rows(self) -> Tensor:
        return torch.tensor([7, 7, 3, 7, 7, 3, 7, 3, 7, 7, 3, 7, 7, 3, 7, 3, 7])

    def pixels(self, chosen: Sequence[int]) -> Tensor:
        return self.images[list(chosen)]

    def identity(self) -> dict[str, Any]:
        return {"name": "noise"}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Teacher:
    path = tmp_path_factory.mktemp("weights") / "teacher.safetensors"
    torch.manual_seed(5)
    network = create_student("convnet1_w4", len(ROWS), SIDE)
    with torch.no_grad():
        network.classifier.weight.mul_(20)  # so that crops differ clearly
    save(path, network.state_dict())
    return Teacher("convnet1_w4", str(path), mean=MEAN, std=STD)


def rded(teacher: Teacher, **options: Any) -> RDED:
    return RDED(Noise(), teacher, **{"image_size": SIDE, "candidates": 9, "crops": 3, **options})


def images(generator: Generator, places: Sequence[tuple[int, int]], seed: int = 0) -> Tensor:
    rows, indices = (torch.tensor(numbers) for numbers in zip(*places, strict=True))
    return generator.generate(rows, indices, seed).images


def by_hand(teacher: Teacher, row: int, seed: int, candidates: int, crops: int, factor: int) -> list[np.ndarray]:
    """The images of a class from the definition, with loops, in float64 wherever scores are compared."""
    data, network = Noise(), teacher.load(len(ROWS), SIDE).network.double()
    members = [place for place, other in enumerate(data.rows().tolist()) if other == row]
    order = torch.randperm(len(members), generator=stream("rded candidates", seed, row)).tolist()
    side, ranked = SIDE // factor, []
    for place in [members[i] for i in order[:candidates]]:
        boxes = sample_crops(crops, 12, 12, (0.08, 1.0), (1.0, 1.0), stream("rded crops", seed, place))
        scored = []
        for top, left, height, width in zip(*(field.tolist() for field in boxes), strict=True):
            assert height == width
            photograph = data.images[place].permute(2, 0, 1).float() / 255
            crop = resized_crop(photograph, top, left, height, width, [side, side], antialias=True)
            stored = (crop * 255).round()
            framed = torch.tensor(MEAN).double()[:, None, None].repeat(1, SIDE, SIDE)
            start = (SIDE - side) // 2
            framed[:, start : start + side, start : start + side] = stored.double() / 255
            framed = (framed - torch.tensor(MEAN).double()[:, None, None]) / torch.tensor(STD).double()[:, None, None]
            logits = network(framed[None])[0].tolist()
            score = math.log(sum(math.exp(value) for value in logits)) - logits[ROWS.index(row)]
            scored.append((score, stored.permute(1, 2, 0).numpy().astype(np.uint8)))
        ranked.append(min(scored, key=lambda pair: pair[0]))
    ranked.sort(key=lambda pair: pair[0])
    made = []
    for start in range(0, len(ranked) - factor**2 + 1, factor**2):
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        for tile in range(factor**2):
            y, x = tile // factor * side, tile % factor * side
            image[y : y + side, x : x + side] = ranked[start + tile][1]
        made.append(image)
    return made


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(("candidates", "crops", "factor"), [(9, 3, 2), (300, 1, 2), (4, 5, 1), (300, 2, 4)])
def test_equals_the_definition(teacher: Teacher, row: int, candidates: int, crops: int, factor: int) -> None:
    expected = by_hand(teacher, row, 11, candidates, crops, factor)
    assert expected or factor == 4
    generator = rded(teacher, candidates=candidates, crops=crops, factor=factor, scoring_batch_size=4)
    for index, image in enumerate(expected):
        assert np.array_equal(images(generator, [(row, index)], 11)[0].numpy(), image)
    with pytest.raises(ValueError, match=rf"Class row {row}: image {len(expected)} .*model\.generator\.candidates"):
        images(generator, [(row, len(expected))], 11)


@pytest.mark.parametrize(
    ("options", "available"),
    [({}, [2, 1]), ({"candidates": 4}, [1, 1]), ({"factor": 1}, [9, 6]), ({"factor": 4, "candidates": 300}, [0, 0])],
)
def test_counted_beforehand_is_what_can_be_made(
    teacher: Teacher, options: dict[str, int], available: list[int]
) -> None:
    generator = rded(teacher, **options)
    for entry, count in zip(generator.data.classes.entries, available, strict=True):
        alone = ClassList((ClassEntry(0, entry.row, None, entry.name, None),))
        if count:
            generator.check_images_per_class(alone, count)
            images(generator, [(entry.row, count - 1)])
        with pytest.raises(ValueError, match=rf"\(row {entry.row}\) has {count}\. Nothing was written"):
            generator.check_images_per_class(alone, count + 1)
        with pytest.raises(ValueError, match=f"Class row {entry.row}: image {count} "):
            images(generator, [(entry.row, count)])


def test_the_candidates_are_named_where_they_are_what_is_short(teacher: Teacher) -> None:
    classes = Noise().classes
    with pytest.raises(ValueError, match=r"model\.generator\.candidates=4 must be 8 at least\. Lower"):
        rded(teacher, candidates=4).check_images_per_class(classes, 2)
    with pytest.raises(ValueError, match=r"one crop of each\. Lower data\.images_per_class to 1"):
        rded(teacher).check_images_per_class(classes, 2)


def test_tiles_go_row_by_row() -> None:
    crops = torch.arange(4)[:, None, None, None].expand(4, 1, 2, 2)
    assert tiled(crops, 2)[0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


@given(
    places=st.lists(st.sampled_from([(7, 0), (7, 1), (3, 0)]), min_size=1, max_size=5),
    seed=st.integers(0, 2**63 - 1),
    scoring=st.integers(1, 40),
)
@settings(max_examples=10)
def test_an_image_depends_on_nothing_but_row_index_and_seed(
    teacher: Teacher, places: list[tuple[int, int]], seed: int, scoring: int
) -> None:
    generator = rded(teacher, scoring_batch_size=scoring)
    together = images(generator, places, seed)
    alone = torch.cat([images(rded(teacher), [place], seed) for place in places])
    assert torch.equal(together, alone)


def test_a_smaller_set_is_the_beginning_of_a_larger_one_for_any_batches_and_shards(
    teacher: Teacher, tmp_path: Path
) -> None:
    digits = _of_digits(teacher, tmp_path)
    small = make_set(tmp_path / "small", digits, images_per_class=1, class_subset=[2, 5], batch_size=1)
    large = make_set(tmp_path / "large", digits, images_per_class=2, class_subset=[2, 5], shard_size=1)
    pixels = {sample.key: sample.image.tobytes() for sample in large}
    assert {sample.key: sample.image.tobytes() for sample in small}.items() <= pixels.items()
    assert ShardSet.open(tmp_path / "large").manifest.generator == "rded"
    assert len(set(pixels.values())) == 4


def _of_digits(teacher: Teacher, folder: Path) -> RDED:
    from hieramp_lit.generate import DigitsImages

    save(folder / "ten.safetensors", create_student("convnet1_w4", 10, 32).state_dict())
    ten = Teacher("convnet1_w4", str(folder / "ten.safetensors"))
    return RDED(DigitsImages(), ten, image_size=32, candidates=8, crops=2)


def test_seeds_draw_other_crops(teacher: Teacher) -> None:
    assert not torch.equal(images(rded(teacher), [(7, 0)], 0), images(rded(teacher), [(7, 0)], 1))


def test_the_teachers_class_is_the_datas_not_the_row(teacher: Teacher) -> None:
    """Exchanging the rows of the teacher's answer exchanges what is realistic."""
    swapped = Teacher(teacher.architecture, teacher.checkpoint, rows=(1, 0), mean=MEAN, std=STD)
    assert not torch.equal(images(rded(teacher), [(7, 0)]), images(rded(swapped), [(7, 0)]))


def test_identity_follows_what_decides_the_images_and_names_no_path(teacher: Teacher) -> None:
    first = rded(teacher).identity()
    assert first == rded(teacher, scoring_batch_size=1).identity()
    assert str(teacher.checkpoint) not in str(first)
    others = [{"candidates": 8}, {"crops": 2}, {"factor": 4}, {"min_scale": 0.5}]
    identities = [str(rded(teacher, **other).identity()) for other in others]
    swapped = Teacher(teacher.architecture, teacher.checkpoint, rows=(1, 0))
    assert len({str(first), str(rded(swapped).identity()), *identities}) == len(others) + 2
    assert isinstance(rded(teacher), Generator)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 3}, r"image_size=8 must be a multiple of model\.generator\.factor=3"),
        ({"candidates": 0}, r"model\.generator\.candidates=0"),
        ({"crops": 0}, r"model\.generator\.crops=0"),
        ({"scoring_batch_size": 0}, r"model\.generator\.scoring_batch_size=0"),
        ({"min_scale": 0.0}, r"model\.generator\.min_scale=0\.0"),
    ],
)
def test_impossible_numbers_are_refused(teacher: Teacher, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rded(teacher, **options)


def test_a_teacher_of_other_classes_and_a_plan_of_other_classes_are_refused(teacher: Teacher) -> None:
    with pytest.raises(ValueError, match=r"model\.generator\.teacher"):
        rded(Teacher(teacher.architecture, teacher.checkpoint, rows=(0,)))
    with pytest.raises(ValueError, match=r"row 7 is 'cat' there, '7' here"):
        rded(teacher).check_classes(ClassList((ClassEntry(0, 7, None, "cat", None),)))
