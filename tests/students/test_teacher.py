import pytest
import torch

from hieramp_lit.checkpoints import save
from hieramp_lit.students import Teacher, create_student


@pytest.fixture
def trained():
    torch.manual_seed(3)
    return create_student("convnet1", 6, 16)


def answers(network):
    with torch.no_grad():
        return network.eval()(torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16))


@pytest.mark.parametrize("form", ["safetensors", "pth", "lightning", "rded", "distributed"])
def test_every_container_gives_the_same_teacher(form, trained, tmp_path):
    state = trained.state_dict()
    path = tmp_path / ("teacher.safetensors" if form == "safetensors" else "teacher.pth")
    if form == "safetensors":
        save(path, state)
    else:
        content = {
            "pth": state,
            "lightning": {
                "state_dict": {f"student.{k}": v for k, v in state.items()} | {"accuracy.top1": torch.ones(6)}
            },
            "rded": {"model": state},
            "distributed": {"model": {f"module.{k}": v for k, v in state.items()}},
        }[form]
        torch.save(content, path)
    loaded = Teacher("convnet1", str(path)).load(6, 16)
    assert torch.equal(answers(loaded.network), answers(trained))
    assert len(loaded.sha256) == 64
    assert not loaded.network.training
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())


def test_rows_cut_the_last_layer(trained, tmp_path):
    path = tmp_path / "teacher.safetensors"
    save(path, trained.state_dict())
    teacher = Teacher("convnet1", str(path), num_classes=6, rows=(4, 0, 5))
    assert torch.equal(answers(teacher.load(3, 16).network), answers(trained)[:, [4, 0, 5]])
    with pytest.raises(ValueError, match=r"model\.teacher\.rows"):
        teacher.load(4, 16)


def test_another_architecture_lists_names_and_causes(tmp_path):
    path = tmp_path / "teacher.pth"
    torch.save({"model": create_student("resnet18_modified", 10, 32).state_dict()}, path)
    with pytest.raises(ValueError, match=r"(?s)model\.teacher\.checkpoint.*conv1\.weight.*3×3.*10 rows"):
        Teacher("resnet18", str(path)).load(10, 32)


def test_missing_file_names_the_key():
    with pytest.raises(FileNotFoundError, match=r"model\.teacher\.checkpoint"):
        Teacher("convnet1", "nowhere.pth").load(10, 16)


@pytest.mark.parametrize("weights", [{}, {"checkpoint": "x.pth", "pretrained": True}])
def test_weights_come_from_exactly_one_place(weights):
    with pytest.raises(ValueError, match="either checkpoint or pretrained"):
        Teacher("resnet18", **weights)


def test_rows_need_no_number_of_classes_which_the_file_knows(trained, tmp_path):
    save(tmp_path / "teacher.pth", trained.state_dict())
    teacher = Teacher("convnet1", str(tmp_path / "teacher.pth"), rows=(4, 0, 5))
    assert torch.equal(answers(teacher.load(3, 16).network), answers(trained)[:, [4, 0, 5]])
    assert torch.equal(answers(teacher.load_whole(16)), answers(trained))
    assert teacher.answers() == 6
    save(tmp_path / "vector.pth", {"bias": torch.ones(3)})
    with pytest.raises(ValueError, match=r"model\.teacher\.checkpoint: .* no classifier"):
        Teacher("convnet1", str(tmp_path / "vector.pth"), rows=(0,)).load(1, 16)


def test_impossible_rows_are_refused():
    with pytest.raises(ValueError, match=r"teacher\.rows"):
        Teacher("resnet18", "x.pth", rows=(-1,))
    with pytest.raises(ValueError, match="row 12 asked for, the last layer has 10"):
        Teacher("convnet1", "x.pth", num_classes=10, rows=(12,)).load(1, 16)
