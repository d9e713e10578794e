import pytest
import torch

from hieramp_lit.data import TinyImageNetDataModule
from hieramp_lit.data.images.reading import UnreadableImageError
from tests.data.image_sets import TINY_WNIDS, damage, write_tiny_imagenet


@pytest.fixture
def root(tmp_path):
    return write_tiny_imagenet(tmp_path / "tiny-imagenet-200")


def module(root, **arguments):
    data = TinyImageNetDataModule(str(root), **{"short_side": "evaluation", "batch_size": 4, **arguments})
    data.setup("fit")
    return data


def collect(loader):
    batches = list(loader)
    return torch.cat([batch.image for batch in batches]), torch.cat([batch.label for batch in batches])


@pytest.mark.parametrize("in_memory", [True, False])
def test_classes_are_in_the_order_of_wnids_txt_and_rows_are_imagenets(root, in_memory):
    data = module(root, in_memory=in_memory, label="cls")
    assert [entry.wnid for entry in data.classes.entries] == TINY_WNIDS
    assert data.classes.names == ["Egyptian cat", "reel", "goldfish"]
    assert data.classes.rows == [285, 758, 1]
    assert module(root, class_rows="own").classes.rows == [0, 1, 2]
    for samples in (data.train_samples(), data.val_samples()):
        colours = [samples.source.read(place).getpixel((0, 0))[0] for place in range(len(samples))]
        assert [round(colour / 40) for colour in colours] == samples.source.labels.tolist()
    assert set(module(root).train_samples().source.labels.tolist()) == {285, 758, 1}


def test_every_file_is_there_once(root):
    data = module(root, in_memory=False)
    assert sorted(f.path.name for f in data.train_samples().source.files) == sorted(
        f"{wnid}_{i}.JPEG" for wnid in TINY_WNIDS for i in range(6)
    )
    assert sorted(f.path.name for f in data.val_samples().source.files) == [f"val_{i}.JPEG" for i in range(6)]


def test_memory_changes_no_pixel(root):
    kept, read = (collect(module(root, in_memory=way).val_dataloader()) for way in (True, False))
    assert torch.equal(kept[0], read[0])
    assert torch.equal(kept[1], read[1])
    assert kept[0].shape == (6, 3, 64, 64)
    train = [collect(module(root, in_memory=way, flip=True).train_dataloader())[0] for way in (True, False)]
    assert torch.equal(*train)


def test_some_classes_can_be_chosen_by_wordnet_id(root):
    data = module(root, classes=["n01443537", "n02124075"], label="cls")
    assert sorted(data.train_samples().source.labels.tolist()) == [0] * 6 + [1] * 6
    assert len(data.val_samples()) == 4
    with pytest.raises(ValueError, match=r"1 of 1 classes are not in .*wnids\.txt: \['tench'\]"):
        module(root, classes=["n01440764"])


def test_unreadable_images_follow_the_policy(root):
    bad = damage(root / "train" / TINY_WNIDS[1] / "images" / f"{TINY_WNIDS[1]}_3.JPEG")
    with pytest.raises(UnreadableImageError, match=bad.name):
        module(root)
    for in_memory in (True, False):
        with pytest.warns(UserWarning, match=rf"1 of 18 images cannot be read(.|\n)*{bad.name}"):
            data = module(root, unreadable="skip", in_memory=in_memory)
        assert len(data.train_samples()) == 17
        assert sorted(data.train_samples().source.labels.tolist()) == [1] * 6 + [285] * 6 + [758] * 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "wnids.txt").unlink(), r"wnids\.txt is missing or empty"),
        (lambda root: (root / "val" / "val_annotations.txt").write_text("a.JPEG\tn1\n"), r"has the line 'a\.JPEG"),
        (lambda root: (root / "val" / "val_annotations.txt").write_text("../x\tn02124075\n"), r"has the line '\.\./x"),
        (
            lambda root: (root / "val" / "val_annotations.txt").write_text(f"val_0.JPEG\t{TINY_WNIDS[1]}\n"),
            r"lists no image of 2 classes: \['n02124075', 'n01443537'\]",
        ),
        (lambda root: (root / "val" / "images" / "val_2.JPEG").unlink(), r"lacks 1 listed images: \['val_2\.JPEG'\]"),
        (
            lambda root: (root / "train" / TINY_WNIDS[0]).rename(root / "train" / "x"),
            "n02124075/images holds no images",
        ),
    ],
)
def test_a_broken_layout_is_explained(root, spoil, message):
    spoil(root)
    with pytest.raises(ValueError, match=rf"data\.root: .*{message}"):
        module(root)
