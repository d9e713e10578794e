import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hieramp_lit.seeds import stream
from hieramp_lit.students import Teacher, create_student
from hieramp_lit.students.network_input import NetworkInput
from hieramp_lit.students.views.mix import Mixed
from hieramp_lit.tasks.teaching import Teaching, relabel_loss

STUDENTS = NetworkInput()
OWN = NetworkInput((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def network(seed):
    torch.manual_seed(seed)
    return create_student("convnet1_w4", 10, 8)


def teaching(network_input=STUDENTS):
    teacher = network(1).eval().requires_grad_(False)
    return Teaching(Teacher("convnet1_w4", "somewhere"), teacher, "0" * 64, network_input)


def views():
    image = torch.rand(6, 3, 8, 8, generator=stream("views"))
    return Mixed(image, torch.tensor([1, 2, 3, 4, 5, 0]), 0.75)


def loss_of(student, teacher, batch, **options):
    settings = {"temperature": 20.0, "update_batch_norm_twice": False, **options}
    return relabel_loss(student, STUDENTS, teacher, batch, torch.arange(6), **settings)


def test_labels_are_constants_that_may_enter_a_loss():
    soft = teaching().label(torch.rand(6, 3, 8, 8))
    assert not soft.requires_grad
    assert not soft.is_inference()
    weight = torch.ones(6, 10, requires_grad=True)
    (weight * soft).sum().backward()  # saves the labels
    assert torch.equal(weight.grad, soft)


@pytest.mark.parametrize("network_input", [STUDENTS, OWN])
def test_the_teacher_labels_the_images_that_the_student_sees_each_normalized_in_its_own_way(network_input):
    student, teacher, batch = network(0), teaching(network_input), views()
    image = batch.image.clone()
    soft = F.softmax(teacher.network(network_input.make(image)) / 20, dim=1)
    expected = F.kl_div(F.log_softmax(network(0)(STUDENTS.make(image)) / 20, dim=1), soft, reduction="batchmean")
    torch.testing.assert_close(loss_of(student, teacher, batch), expected)


def test_without_a_teacher_labels_are_mixed_by_share():
    student, batch = network(0), views()
    logits = network(0)(STUDENTS.make(batch.image.clone()))
    own, other = F.cross_entropy(logits, torch.arange(6)), F.cross_entropy(logits, batch.partner)
    torch.testing.assert_close(loss_of(student, None, batch), 0.75 * own + 0.25 * other)


def test_batch_norm_moves_twice_when_asked_and_gradients_are_those_of_the_second_pass():
    once, twice = network(0), network(0)
    loss_of(once, teaching(), views()).backward()
    loss_of(twice, teaching(), views(), update_batch_norm_twice=True).backward()
    norms = [next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d)) for net in (once, twice)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [1, 2]
    start, first = torch.zeros(4), norms[0].running_mean
    torch.testing.assert_close(norms[1].running_mean, first + 0.9 * (first - start))
    for a, b in zip(once.parameters(), twice.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
