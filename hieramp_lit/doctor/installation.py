"""Versions and devices: whether this machine is one that the package runs on."""

import platform
import re
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hieramp_lit.doctor.findings import Finding, size

DRIVER = Path("/proc/driver/nvidia/version")
PACKAGE = "hieramp_lit"


def check_versions(
    requirements: Sequence[str] | None = None, installed: Callable[[str], str] = metadata.version
) -> list[Finding]:
    """Compare Python and all packages with the bounds that our own metadata names.

    Args:
        requirements: As in ``project.dependencies``; None is our own metadata.
        installed: Version of a package; raises `PackageNotFoundError` where it is absent.
    """
    about = metadata.metadata(PACKAGE)
    python, asked = platform.python_version(), about["Requires-Python"] or ""
    findings = []
    if python not in SpecifierSet(asked):
        findings.append(
            Finding("Python", "error", f"Python {python}, we need {asked}", "make an environment with such a Python")
        )
    versions: dict[str, str] = {}
    for line in metadata.requires(PACKAGE) or [] if requirements is None else requirements:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name, bounds = requirement.name, requirement.specifier
        wanted = f"pip install '{name}{bounds}'"
        try:
            versions[name] = installed(name)
        except metadata.PackageNotFoundError:
            findings.append(Finding("versions", "error", f"{name} is not installed", wanted))
            continue
        if not bounds.contains(versions[name], prereleases=True):
            text = f"{name} {versions[name]} is outside {bounds}, the releases that we know"
            findings.append(Finding("versions", "warning", text, wanted, {"package": name, "version": versions[name]}))
    if not findings:
        some = ", ".join(f"{name} {versions[name]}" for name in ("torch", "lightning") if name in versions)
        text = f"Python {python}; {some}; all {len(versions)} packages are within our bounds"
        findings.append(Finding("versions", "ok", text, facts={"python": python} | versions))
    return findings


def check_devices(
    accelerator: str = "auto", precision: str = "32-true", driver: Path = DRIVER, gpus: int | None = None
) -> list[Finding]:
    """Say what the package would compute on, and whether it can in a precision.

    Args:
        accelerator: ``trainer.accelerator``.
        precision: ``trainer.precision``.
        driver: Where Linux describes the NVIDIA driver.
        gpus: How many to look at; None is all that torch sees.
    """
    half = "bf16" in precision
    wants_gpu = accelerator in {"gpu", "cuda"}
    if gpus is None:
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not gpus or accelerator == "cpu":
        return [_no_gpu(wants_gpu, gpus, driver), _cpu(half)]
    findings = []
    for index in range(gpus):
        about = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        knows_bf16 = about.major >= 8  # older ones compute it step by step, slower than float32
        text = f"cuda:{index} is {about.name}, {size(free)} of {size(total)} free, CUDA {torch.version.cuda}"
        text += f", driver {_driver(driver) or 'unknown'}, bfloat16 {'yes' if knows_bf16 else 'no'}"
        facts = {"name": about.name, "bytes": total, "free_bytes": free, "bf16": knows_bf16}
        if half and not knows_bf16:
            remedy = "set trainer.precision: 16-mixed, or 32-true"
            findings.append(Finding("device", "warning", f"{text}; trainer.precision is {precision}", remedy, facts))
        elif free < total / 2:
            findings.append(Finding("device", "warning", text, "another process uses it: `nvidia-smi` names it", facts))
        else:
            findings.append(Finding("device", "ok", text, facts=facts))
    return findings


def _no_gpu(wanted: bool, gpus: int, driver: Path) -> Finding:
    found = _driver(driver)
    if gpus:
        return Finding("device", "ok", f"trainer.accelerator is cpu; {gpus} GPUs stay unused")
    if found is not None:
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        return Finding(
            "device",
            "error" if wanted else "warning",
            f"there is an NVIDIA driver, {found}, but torch {torch.__version__} (built {built}) sees no GPU",
            "install the torch build for this driver (pytorch.org), and look at CUDA_VISIBLE_DEVICES",
        )
    if wanted:
        return Finding(
            "device",
            "error",
            "trainer.accelerator asks for a GPU, and there is none",
            "run it where there is one, or set trainer.accelerator: cpu",
        )
    return Finding("device", "ok", "no GPU: everything runs on the CPU, fit for small images and for trying things")


def _cpu(half: bool) -> Finding:
    capability = torch.backends.cpu.get_cpu_capability()
    text = f"CPU with {capability} and {torch.get_num_threads()} threads"
    if half and "AVX512" not in capability:
        remedy = "set trainer.precision: 32-true if it is slow"
        return Finding("CPU", "warning", f"{text}; bfloat16 may be slower than float32 on it", remedy)
    return Finding("CPU", "ok", text, facts={"capability": capability, "threads": torch.get_num_threads()})


def _driver(file: Path) -> str | None:
    """Version of the NVIDIA driver; None without one."""
    if not file.is_file():
        return None
    match = re.search(r"\b(\d{3}\.\d+(\.\d+)?)\b", file.read_text())
    return match[1] if match else "of unknown version"
