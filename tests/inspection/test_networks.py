"""Which network looks at the images, how they reach it, and whether its answers are about the set's classes."""

from pathlib import Path

import pytest
import torch
import torchvision.models

from hieramp_lit.checkpoints import save, weights_sha256
from hieramp_lit.classes import load_classes
from hieramp_lit.inspection import inception_features, named_features, teacher_features
from hieramp_lit.inspection.networks import FeatureNetwork
from hieramp_lit.students import Teacher, create_student
from hieramp_lit.students.network_input import NetworkInput
from tests.inspection import oracle
from tests.inspection.sets import FEATURES, NETWORK, SIDE, write_network

DIGITS = load_classes("digits")


def test_features_and_answers_of_one_pass(network, digits):
    pixels = oracle.images_of(digits)[0][:5]
    found = named_features(Teacher(NETWORK, str(network)), DIGITS, SIDE)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    before = images.clone()
    features, logits = found(images)
    expected, answers = oracle.answers(network, pixels)
    assert features.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert logits.softmax(dim=1).numpy() == pytest.approx(answers, rel=1e-4)
    assert not features.requires_grad
    assert torch.equal(images, before)
    assert (found.name, found.num_features, found.sha256) == (NETWORK, FEATURES, weights_sha256(network))


def test_the_teacher_s_own_normalization_comes_first(network):
    given = NetworkInput((0.1, 0.2, 0.3), (1, 1, 1))
    assert teacher_features(Teacher(NETWORK, str(network)), DIGITS, SIDE, given).network_input.mean == (0.1, 0.2, 0.3)
    own = Teacher(NETWORK, str(network), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    found = teacher_features(own, DIGITS, SIDE, given)
    assert (found.network_input.mean, found.network_input.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    image = torch.full((1, 3, SIDE, SIDE), 255, dtype=torch.uint8)
    seen = []
    found.network.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    found(image)
    assert seen[0].unique().tolist() == pytest.approx([2.5])


@pytest.mark.parametrize("answers", [3, 1000])
def test_answers_about_other_classes_are_left_out(tmp_path, answers):
    weights = write_network(tmp_path / "other.safetensors", answers)
    found = named_features(Teacher(NETWORK, str(weights)), DIGITS, SIDE)
    assert f"{NETWORK} answers {answers} classes, the set has 10" in found.no_answers
    features, logits = found(torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8))
    assert (features.shape, logits) == ((2, FEATURES), None)
    assert not found.describe()["answers_the_classes"]


def test_imagenet_s_answers_are_cut_to_the_set_s_classes(tmp_path):
    weights = write_network(tmp_path / "imagenet.safetensors", 1000)
    woof = load_classes("imagewoof")
    image = torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8)
    whole = create_student(NETWORK, 1000, SIDE)
    whole.load_state_dict(
        named_features(Teacher(NETWORK, str(weights)), woof, SIDE).network.network.network.state_dict()
    )
    _, logits = named_features(Teacher(NETWORK, str(weights)), woof, SIDE)(image)
    expected = whole.eval()(NetworkInput().make(image.float() / 255))
    assert torch.allclose(logits, expected[:, [entry.imagenet_index for entry in woof.entries]])
    given = Teacher(NETWORK, str(weights), rows=tuple(range(10)))
    assert torch.allclose(named_features(given, woof, SIDE)(image)[1], expected[:, :10])


def test_rows_must_be_one_a_class(network):
    with pytest.raises(
        ValueError, match=r"--teacher: the teacher answers 2 classes, the set has 10. Give --teacher\.rows"
    ):
        named_features(Teacher(NETWORK, str(network), rows=(1, 2)), DIGITS, SIDE)


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    weights = write_network(tmp_path / "other.safetensors", 3)
    with pytest.raises(ValueError, match=r"model\.teacher"):
        teacher_features(Teacher(NETWORK, str(weights)), DIGITS, SIDE, NetworkInput())


def test_any_library_s_networks_serve(tmp_path):
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(num_classes=10)
    save(tmp_path / "squeezenet.pth", network.state_dict())
    with pytest.raises(ValueError, match="so it is no classifier"):
        named_features(Teacher("squeezenet1_1", str(tmp_path / "squeezenet.pth")), DIGITS, SIDE)
    save(tmp_path / "resnet.pth", create_student("timm/resnet10t", 10, SIDE).state_dict())
    found = named_features(Teacher("timm/resnet10t", str(tmp_path / "resnet.pth")), DIGITS, SIDE)
    assert (found.name, found.num_features) == ("timm_resnet10t", 512)


def test_a_module_of_uint8_images_is_taken_as_it_is():
    class Mean(torch.nn.Module):
        def forward(self, image):
            assert image.dtype == torch.uint8
            return image.double().mean(dim=(2, 3))

    found = FeatureNetwork("mean", Mean(), 3, None, "0" * 64, no_answers="none")
    features, logits = found(torch.full((2, 3, 4, 4), 7, dtype=torch.uint8))
    assert (features.tolist(), features.dtype, logits) == ([[7.0] * 3] * 2, torch.float32, None)
    assert found.describe()["mean"] is None


def test_inception_names_the_file_that_is_missing():
    with pytest.raises(FileNotFoundError, match=r"There is no file weights\.pth"):
        inception_features(Path("weights.pth"))
