import pytest
import torch

from hieramp_lit.data.bank.warp import Warp
from hieramp_lit.data.images.digits import DigitsDataModule, load_digits_split


def originals():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy(pixels).view(-1, 8, 8), torch.from_numpy(labels)


def shares(labels):
    return torch.bincount(labels, minlength=10) / len(labels)


def test_train_and_test_part_all_images_by_class():
    (train, train_labels), (test, test_labels) = load_digits_split("train"), load_digits_split("test")
    assert (len(train), len(test)) == (1347, 450)
    assert train.shape[1:] == (3, 32, 32)
    assert train.dtype == torch.uint8
    _, labels = originals()
    assert torch.equal(torch.bincount(train_labels) + torch.bincount(test_labels), torch.bincount(labels))
    assert (shares(train_labels) - shares(test_labels)).abs().max() < 0.004


def test_no_image_is_in_two_parts():
    test, fit, validation = (load_digits_split(split)[0] for split in ("test", "fit", "validation"))
    everything = torch.cat([test, fit, validation]).flatten(1)
    # 1797 images without one duplicate: parts that overlapped would repeat some
    pixels, _ = originals()
    assert len(everything.unique(dim=0)) == len(pixels.flatten(1).unique(dim=0)) == 1797


def test_fit_and_validation_part_the_training_images_alone():
    train = load_digits_split("train")[0].flatten(1)
    fit, validation = (load_digits_split(split) for split in ("fit", "validation"))
    parts = torch.cat([fit[0], validation[0]]).flatten(1)
    assert (len(fit[0]), len(validation[0])) == (1077, 270)
    assert torch.equal(parts.unique(dim=0), train.unique(dim=0))
    assert (shares(fit[1]) - shares(validation[1])).abs().max() < 0.004


def test_each_image_is_one_of_the_8x8_originals_enlarged_with_its_label():
    parts = [load_digits_split(split) for split in ("train", "test")]
    images, found_labels = (torch.cat(values) for values in zip(*parts, strict=True))
    pixels, labels = originals()
    small = images[:, 0].double().view(-1, 8, 4, 8, 4)[:, :, 1:3, :, 1:3].mean(dim=(2, 4)).flatten(1)
    nearest = torch.cdist(small, pixels.flatten(1) * (255 / 16)).argmin(dim=1)
    assert sorted(nearest.tolist()) == list(range(1797))
    assert torch.equal(labels[nearest], found_labels)
    assert torch.equal(images[:, 0], images[:, 2])


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(ValueError, match="'train', 'test', 'fit', 'validation'"):
        load_digits_split("val")


def test_validation_can_stay_off_the_test_images():
    seen, unseen = DigitsDataModule(validation="train_split"), DigitsDataModule(validation="test")
    assert (len(seen.train_samples()), len(seen.val_samples()), len(seen.test_samples())) == (1077, 270, 450)
    assert (len(unseen.train_samples()), len(unseen.val_samples())) == (1347, 450)
    with pytest.raises(ValueError, match=r"data\.validation"):
        DigitsDataModule(validation="val")


def test_training_images_are_augmented_the_same_way_at_any_batch_size():
    def epoch(batch_size):
        loader = DigitsDataModule(batch_size, augmentation=Warp()).train_dataloader()
        batches = list(loader)
        return torch.cat([b.image for b in batches])[:1280], torch.cat([b.label for b in batches])[:1280]

    (images, labels), (same_images, same_labels) = epoch(64), epoch(32)
    assert torch.equal(labels, same_labels)
    assert torch.equal(images, same_images)
    plain = torch.cat([batch.image for batch in DigitsDataModule(64).train_dataloader()])
    assert not torch.equal(images, plain)


def test_validation_images_are_not_augmented():
    data = DigitsDataModule(100, augmentation=Warp())
    assert torch.equal(torch.cat([batch.image for batch in data.val_dataloader()]), load_digits_split("test")[0])
