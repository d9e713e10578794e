import pytest
import torch

from hieramp_lit.seeds import stream
from hieramp_lit.students import create_student
from hieramp_lit.students.network_input import NetworkInput, fastest_format

MEAN, STD = (0.5, 0.25, 0.1), (0.5, 2.0, 0.3)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_images_are_normalized_by_the_definition(memory_format, dtype):
    image = torch.rand(2, 3, 5, 4, generator=stream("image"))
    expected = (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    network_input = NetworkInput(MEAN, STD, memory_format)
    before = image.clone()
    made = network_input.make(image, dtype)
    assert torch.equal(image, before)
    assert torch.equal(made, expected.to(dtype))
    assert made.is_contiguous(memory_format=memory_format)
    assert torch.equal(network_input.make_(image, dtype), made)


@pytest.mark.parametrize(
    ("name", "norm", "expected"),
    [
        ("convnet3", None, torch.channels_last),
        ("resnet18", None, torch.channels_last),
        ("resnet18", "instance", torch.contiguous_format),
        ("resnet_ap10", None, torch.contiguous_format),
    ],
)
def test_group_norm_keeps_the_usual_format(name, norm, expected):
    assert fastest_format(create_student(name, 10, 32, norm)) == expected


@pytest.mark.parametrize("name", ["convnet3_w8", "resnet18_modified", "resnet_ap10"])
def test_the_format_changes_no_answer_and_no_name(name):
    plain = create_student(name, 10, 32).eval()
    laid_out = create_student(name, 10, 32).eval().to(memory_format=torch.channels_last)
    laid_out.load_state_dict(plain.state_dict())
    image = torch.randn(3, 3, 32, 32, generator=stream("image"))
    with torch.no_grad():
        expected = plain(image)
        answer = laid_out(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(answer, expected, atol=1e-4, rtol=1e-4)
    assert list(laid_out.state_dict()) == list(plain.state_dict())
