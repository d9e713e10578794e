from importlib import metadata
from pathlib import Path

import pytest

from hieramp_lit.doctor.installation import check_devices, check_versions


def installed(name: str) -> str:
    versions = {"torch": "2.9.1", "timm": "0.9.0"}
    if name not in versions:
        raise metadata.PackageNotFoundError(name)
    return versions[name]


def test_packages_within_their_bounds_are_one_line():
    (found,) = check_versions(["torch>=2.8,<3", 'ruff>=0.14; extra == "dev"'], installed)
    assert found.status == "ok"
    assert found.facts["torch"] == "2.9.1"
    assert "ruff" not in found.facts


@pytest.mark.parametrize(
    ("requirement", "status", "text"),
    [("timm>=1.0.15,<2", "warning", "timm 0.9.0 is outside"), ("wandb>=0.19", "error", "wandb is not installed")],
)
def test_what_is_outside_or_absent_is_named_with_what_to_type(requirement: str, status: str, text: str):
    (found,) = check_versions([requirement], installed)
    assert (found.status, text in found.text) == (status, True)
    assert found.remedy.startswith(f"pip install '{requirement.partition('>')[0]}")


def test_this_installation_is_measured_by_our_own_metadata():
    found = check_versions()
    assert {"torch", "lightning"} <= set(found[-1].facts) | {f.facts.get("package") for f in found}


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_a_gpu_that_is_asked_for_and_absent_is_an_error(accelerator: str, tmp_path: Path):
    found = check_devices(accelerator, driver=tmp_path / "none", gpus=0)[0]
    assert found.status == "error"
    assert "trainer.accelerator: cpu" in found.remedy


@pytest.mark.parametrize(("accelerator", "status"), [("auto", "warning"), ("gpu", "error")])
def test_a_driver_that_torch_does_not_see_is_named(accelerator: str, status: str, tmp_path: Path):
    driver = tmp_path / "version"
    driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\nGCC version: 12.2.0\n")
    found = check_devices(accelerator, driver=driver, gpus=0)[0]
    assert found.status == status
    assert "550.54.15" in found.text


def test_a_cpu_is_well(tmp_path: Path):
    assert {found.status for found in check_devices("cpu", gpus=0, driver=tmp_path / "none")} == {"ok"}
    assert check_devices("cpu", gpus=2, driver=tmp_path / "none")[0].text.endswith("2 GPUs stay unused")
