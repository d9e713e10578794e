import pytest

from hieramp_lit.classes import load_classes
from hieramp_lit.students.protocols import PUBLISHED, Setting, rules


def setting(ipc=10, classes=10, image_size=224, student="resnet18", **options):
    return Setting(round(ipc * classes), classes, image_size, student, **options)


@pytest.mark.parametrize(
    ("student", "rate"),
    [
        ("resnet18", 0.001),
        ("resnet101", 0.001),
        ("resnet18_modified", 0.001),
        ("convnet3", 0.001),
        ("mobilenet_v2", 0.0025),
        ("efficientnet_b0", 0.002),
        ("timm/efficientnet_b0", 0.002),
        ("timm/tf_efficientnet_b0", 0.002),
        ("timm/tf_efficientnetv2_s.in21k", 0.002),
        ("timm/gc_efficientnetv2_rw_t", 0.002),
        ("timm/tf_mobilenetv3_small_100", 0.0025),
        ("timm/test_vit", 0.0001),
        ("timm/swinv2_tiny_window8_256", 0.0001),
        ("timm/deit_tiny_patch16_224", 0.0001),
        ("timm/vit_base_resnet50_224", 0.0001),
        ("timm/resnet50_vit", 0.001),
        ("timm/repvgg_a0", 0.001),
        ("timm/convnext_tiny", 0.001),
        ("timm/tf_resnet50", 0.001),
        ("timm/maxvit_nano_rw_256", 0.001),
        ("vgg11", 0.0005),
        ("alexnet", 0.0001),
        ("vit_b_16", 0.0001),
        ("swin_v2_t", 0.0001),
    ],
)
def test_learning_rate_by_student(student, rate):
    assert rules.learning_rate(setting(student=student)) == rate


def test_convnet3_on_cifar100_is_the_exception():
    assert rules.learning_rate(setting(10, 100, 32, "convnet3")) == 0.002
    assert rules.batch_size("rded", setting(10, 100, 32, "convnet3")) == 25
    assert rules.batch_size("rded", setting(10, 100, 32, "resnet18_modified")) == 100


@pytest.mark.parametrize(
    ("rule", "ipc", "classes", "image_size", "size"),
    [
        ("rded", 1, 10, 224, 10),
        ("rded", 10, 10, 224, 50),
        ("rded", 50, 10, 224, 100),
        ("rded", 20, 10, 224, 50),
        ("rded", 100, 10, 224, 100),
        ("rded", 5, 10, 224, 10),
        ("rded", 1, 100, 224, 20),
        ("rded", 10, 100, 224, 100),
        ("rded", 50, 1000, 224, 200),
        ("rded", 1, 200, 64, 100),
        ("rded", 50, 200, 64, 100),
        ("rded", 10, 200, 224, 50),
        ("rded", 1, 4, 224, 4),  # never more than the set
        ("d3hr", 1, 10, 224, 10),
        ("d3hr", 1, 100, 224, 15),
        ("d3hr", 9, 10, 224, 15),
        ("d3hr", 10, 100, 224, 50),
        ("d3hr", 10, 1000, 224, 50),
        ("d3hr", 49, 10, 224, 50),
        ("d3hr", 50, 1000, 224, 100),
        ("d3hr", 1, 200, 64, 15),
        ("minimax", 1, 10, 224, 10),
        ("minimax", 10, 10, 224, 64),
        ("minimax", 100, 1000, 224, 64),
    ],
)
def test_batch_size_table(rule, ipc, classes, image_size, size):
    assert rules.batch_size(rule, setting(ipc, classes, image_size)) == size


@pytest.mark.parametrize(
    ("rule", "ipc", "classes", "image_size", "is_imagewoof", "epochs"),
    [
        ("rded", 1, 10, 224, False, 300),
        ("rded", 50, 1000, 224, True, 300),
        ("d3hr", 10, 1000, 224, False, 300),
        ("d3hr", 10, 200, 64, False, 300),
        ("d3hr", 10, 10, 32, False, 400),
        ("d3hr", 50, 100, 32, False, 400),
        ("d3hr", 1, 10, 224, True, 1000),
        ("d3hr", 9, 10, 224, True, 1000),
        ("d3hr", 10, 10, 224, True, 2000),
        ("d3hr", 20, 10, 224, True, 1000),
        ("d3hr", 50, 10, 224, True, 1500),
        ("d3hr", 100, 10, 224, True, 1000),
        ("minimax", 1, 10, 224, False, 3000),
        ("minimax", 2, 10, 224, False, 2000),
        ("minimax", 10, 10, 224, False, 2000),
        ("minimax", 50, 10, 224, False, 1500),
        ("minimax", 51, 10, 224, False, 1000),
        ("minimax", 200, 10, 224, False, 1000),
        ("minimax", 500, 10, 224, False, 500),
        ("minimax", 501, 10, 224, False, 300),
        ("minimax", 1, 100, 224, False, 2000),
        ("minimax", 10, 100, 224, False, 1300),
        ("minimax", 50, 100, 224, False, 1000),
        ("minimax", 200, 100, 224, False, 600),
        ("minimax", 500, 100, 224, False, 300),
        ("minimax", 1000, 100, 224, False, 200),
        ("minimax", 10, 1000, 224, False, 2000),
    ],
)
def test_epochs_table(rule, ipc, classes, image_size, is_imagewoof, epochs):
    assert rules.epochs(rule, setting(ipc, classes, image_size, is_imagewoof=is_imagewoof)) == epochs


@pytest.mark.parametrize(
    ("rule", "share", "epochs", "where", "first"),
    [
        ("share", 0.8, 300, {}, 241),
        ("share", 0.8, 400, {}, 321),
        ("share", 0.0, 3000, {}, 1),
        ("share", 0.29, 100, {}, 30),  # 0.29 × 100 is 28.999999999999996 to a computer
        ("share", 1.0, 300, {}, 301),
        ("d3hr", 0.8, 300, {}, 292),
        ("d3hr", 0.8, 300, {"classes": 200, "image_size": 64}, 292),
        ("d3hr", 0.8, 400, {"image_size": 32}, 392),
        ("d3hr", 0.8, 2000, {"is_imagewoof": True}, 392),
    ],
)
def test_the_first_epoch_that_may_be_the_best(rule, share, epochs, where, first):
    assert rules.first_best_epoch(rule, share, epochs, setting(**where)) == first


@pytest.mark.parametrize(
    ("every", "epochs", "interval"), [(None, 3000, 30), (None, 1300, 13), (None, 199, 1), (None, 2, 1), (10, 3000, 10)]
)
def test_evaluations_are_a_hundredth_of_training_apart_where_no_number_is_given(every, epochs, interval):
    assert rules.evaluation_interval(every, epochs) == interval


@pytest.mark.parametrize("epochs", [200, 300, 500, 600, 1000, 1300, 1500, 2000, 3000])
def test_minimax_evaluates_a_hundred_times(epochs):
    due = [e for e in range(1, epochs + 1) if PUBLISHED["minimax_hard"].evaluates(e, epochs, setting())]
    assert len(due) == 100
    assert due[-1] == epochs


def test_rules_by_images_per_class_need_them_counted():
    stream = Setting(None, 10, 224, "resnet18", is_imagewoof=True)
    assert rules.epochs("rded", stream) == 300
    for decide in (lambda: rules.epochs("minimax", stream), lambda: rules.batch_size("rded", stream)):
        with pytest.raises(ValueError, match=r"model\.protocol\.epochs and data\.batch_size"):
            decide()


@pytest.mark.parametrize(("name", "expected"), [("imagewoof", True), ("imagenette", False), ("cifar10", False)])
def test_imagewoof_is_known_by_its_classes(name, expected):
    classes = load_classes(name)
    assert Setting.of(100, 10, classes, 224, "resnet18").is_imagewoof is expected


def test_the_set_has_the_classes_of_its_list_whatever_rows_the_student_has():
    assert Setting.of(100, 1000, load_classes("imagewoof"), 224, "resnet18").images_per_class == 10
    assert Setting.of(100, 20, None, 224, "resnet18").images_per_class == 5


def test_a_set_without_class_list_is_no_imagewoof():
    assert not Setting.of(100, 10, None, 224, "resnet18").is_imagewoof
