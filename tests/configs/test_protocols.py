"""The published protocols as files: the same constants as in the package, over every student's configuration."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hieramp_lit.cli import main
from hieramp_lit.report import results
from hieramp_lit.students.protocols import PUBLISHED
from tests.configs.shipped import BASES, PROTOCOLS, ROOT, name_of
from tests.configs.test_parse import printed

STUDENTS = [path for path in BASES if path.parent.name == "student"]
BY_PROTOCOL = {"max_epochs": -1, "check_val_every_n_epoch": -1}


def plain(name: str) -> dict[str, object]:
    """A published protocol as YAML has it."""
    constants = dataclasses.asdict(PUBLISHED[name])
    return {key: list(value) if isinstance(value, tuple) else value for key, value in constants.items()}


def test_every_published_protocol_has_its_file() -> None:
    assert {path.stem for path in PROTOCOLS} == set(PUBLISHED)


@pytest.mark.parametrize("path", PROTOCOLS, ids=name_of)
def test_a_file_states_every_constant_of_its_protocol(path: Path) -> None:
    assert path.read_text().startswith("# ")
    values = yaml.safe_load(path.read_text())
    model = values.pop("model")["init_args"]
    assert values == {"trainer": BY_PROTOCOL}
    assert model.pop("protocol") == plain(path.stem)
    assert model == ({"norm": "instance"} if path.stem == "minimax_hard" else {})


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=name_of)
@pytest.mark.parametrize("student", STUDENTS, ids=name_of)
def test_it_replaces_every_constant_of_a_students_configuration(
    student: Path, protocol: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = yaml.safe_load(printed(capsys, "fit", student, protocol))
    assert whole["model"]["init_args"]["protocol"] == plain(protocol.stem)
    assert whole["trainer"]["max_epochs"] == whole["trainer"]["check_val_every_n_epoch"] == -1


@pytest.mark.parametrize(
    ("student", "protocol"), [(path, PROTOCOLS[k % len(PROTOCOLS)]) for k, path in enumerate(STUDENTS)], ids=name_of
)
def test_students_train_under_it(student: Path, protocol: Path, put_inputs: Callable[[Path], Path]) -> None:
    teacher = yaml.safe_load(student.read_text())["model"]["init_args"]["teacher"]
    tiny = ROOT / "tests/tiny/student.yaml"
    command = ["fit", *(f"--config={path}" for path in (student, protocol, tiny, put_inputs(student)))]
    if teacher is None and PUBLISHED[protocol.stem].labels == "soft":
        with pytest.raises(ValueError, match=r"model\.protocol\.labels='soft' needs a teacher"):
            main(command)
        return
    main(command)
    (path,) = Path("runs").rglob(results.FILE)
    result = results.read(path)["protocol"]
    assert (result["name"], result["version"]) == (protocol.stem, 1)
    assert set(result["changed"]) - {"batch_size", "mean", "std"} <= {"epochs", "evaluate_every", "evaluate_early"}


@pytest.mark.parametrize("student", STUDENTS, ids=name_of)
def test_students_leave_epochs_and_evaluations_to_their_protocol(student: Path) -> None:
    values = yaml.safe_load(student.read_text())
    assert {key: values["trainer"][key] for key in BY_PROTOCOL} == BY_PROTOCOL
    protocol = values["model"]["init_args"]["protocol"]
    if "Students on" in student.read_text().partition("\n")[0]:
        assert protocol == {"name": "rded"}
    assert protocol["name"] in PUBLISHED or protocol["name"] == "teacher"
