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
NORMS = {"rded": None, "d3hr": None, "clean": None, "minimax_hard": "instance"}
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
    assert model == {"norm": NORMS[path.stem]}


@pytest.mark.parametrize(("turn", "student"), list(enumerate(STUDENTS)), ids=[path.stem for path in STUDENTS])
def test_each_replaces_every_constant_of_a_students_configuration_and_of_one_another(
    turn: int, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_after_the_other = [PROTOCOLS[(turn + k) % len(PROTOCOLS)] for k in range(len(PROTOCOLS))]
    alone, whole = (yaml.safe_load(printed(capsys, "fit", student, *files)) for files in ([], one_after_the_other))
    last = one_after_the_other[-1].stem
    expected = alone["model"]["init_args"] | {"protocol": plain(last), "norm": NORMS[last]}
    assert whole["model"] == {**alone["model"], "init_args": expected}
    assert whole["trainer"]["max_epochs"] == whole["trainer"]["check_val_every_n_epoch"] == -1


def fit(student: str, protocol: Path, inputs: Path) -> None:
    files = [ROOT / f"configs/student/{student}.yaml", protocol, ROOT / "tests/tiny/student.yaml", inputs]
    main(["fit", *(f"--config={path}" for path in files)])


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=name_of)
def test_students_train_under_it(protocol: Path, put_inputs: Callable[[Path], Path]) -> None:
    fit("digits", protocol, put_inputs(ROOT / "configs/student/digits.yaml"))
    (path,) = Path("runs").rglob(results.FILE)
    result = results.read(path)["protocol"]
    assert (result["name"], result["version"]) == (protocol.stem, 1)
    assert set(result["changed"]) == CHANGED_BY_TINY[protocol.stem]


CHANGED_BY_TINY = {
    "rded": {"batch_size", "epochs", "evaluate_every"},
    "clean": {"batch_size", "epochs", "evaluate_every"},
    "d3hr": {"batch_size", "epochs", "evaluate_early"},
    "minimax_hard": {"batch_size", "epochs"},
}
"""tests/tiny/student.yaml: two epochs, each evaluated, batches of four images."""


def test_teachers_train_under_hard_labels_alone(put_inputs: Callable[[Path], Path]) -> None:
    by_name = {path.stem: path for path in PROTOCOLS}
    inputs = put_inputs(ROOT / "configs/student/digits_teacher.yaml")
    fit("digits_teacher", by_name["minimax_hard"], inputs)
    with pytest.raises(ValueError, match=r"model\.protocol\.labels='soft' needs a teacher"):
        fit("digits_teacher", by_name["clean"], inputs)


@pytest.mark.parametrize("student", STUDENTS, ids=name_of)
def test_students_leave_epochs_and_evaluations_to_their_protocol(student: Path) -> None:
    values = yaml.safe_load(student.read_text())
    assert {key: values["trainer"][key] for key in BY_PROTOCOL} == BY_PROTOCOL
    protocol = values["model"]["init_args"]["protocol"]
    if "Students on" in student.read_text().partition("\n")[0]:
        assert protocol == {"name": "rded"}
    assert protocol["name"] in PUBLISHED or protocol["name"] == "teacher"
