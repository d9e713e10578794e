"""Weights in, weights out: every container our field uses, loaded strictly and without pickle.

Containers understood: safetensors; a plain state dict (`.pth`); Lightning checkpoints (``state_dict``), also in many
files as FSDP writes them (`sharded_checkpoint`); the ``{"model": …}`` files of RDED's teachers; ``{"trainer":
{"var_wo_ddp": …, "vae_local": …}}`` of the VAR and HIERAMP training scripts. What wrapped a network in training (DDP,
torch.compile, FSDP, activation checkpointing) is taken out of its names.
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from hieramp_lit.checkpoints.damage import DAMAGE, told
from hieramp_lit.checkpoints.hub import HUB_SCHEME, download
from hieramp_lit.files import atomic_write, sha256

ASSET_SCHEME = "asset://"
METADATA = "__metadata__"
CONTAINER_KEYS = ("state_dict", "model", "var_wo_ddp", "var", "trainer")
SHARDED_METADATA = ".metadata"
RECORD = "record"
"""Attribute of a `.pth` file's state dict that holds the text beside the weights; other tools do not see it."""
_INNER = "_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module"
_WRAPPERS = re.compile(rf"^((module|{_INNER})\.)+|(?<=\.)({_INNER})\.")


def resolve(checkpoint: str, *, key: str = "checkpoint") -> Path:
    """Turn a checkpoint argument into the path of an existing file, or of the folder of a sharded checkpoint.

    Args:
        checkpoint: A path, ``asset://NAME`` for weights that ship with the package, or ``hf://OWNER/REPOSITORY/FILE``
            for a file of the Hugging Face Hub, see `hub.download`.
        key: Configuration key to name in errors.

    Raises:
        FileNotFoundError: If there is no such file; the message names `key` and what to do.
        ValueError: If a location on the Hub is written otherwise.
        OSError: If the Hub cannot be reached.
    """
    if checkpoint.startswith(HUB_SCHEME):
        return download(checkpoint, key=key)
    if checkpoint.startswith(ASSET_SCHEME):
        root = Path(str(resources.files("hieramp_lit") / "assets"))
        path = root / checkpoint.removeprefix(ASSET_SCHEME)
        if not path.is_file():
            shipped = sorted(ASSET_SCHEME + file.relative_to(root).as_posix() for file in root.rglob("*.safetensors"))
            raise FileNotFoundError(f"{key}={checkpoint!r}: no such asset. Shipped: {', '.join(shipped) or 'none'}.")
        return path
    path = Path(checkpoint).expanduser()
    if not path.is_file() and not is_sharded(path):
        found = "a folder that is no sharded checkpoint (it has no .metadata)" if path.is_dir() else "no such file"
        raise FileNotFoundError(
            f"{key}={checkpoint!r}: {found} (looked in {path.absolute().parent}). "
            "Give the path of a .pth, .ckpt or .safetensors file."
        )
    return path


def is_sharded(path: Path) -> bool:
    """Whether a path is the folder of a checkpoint in many files."""
    return (path / SHARDED_METADATA).is_file()


def weights_sha256(path: Path) -> str:
    """Hex SHA-256 of a weight file; of a sharded checkpoint, over its files' names and hashes in sorted order."""
    if not is_sharded(path):
        return sha256(path)
    files = [path / SHARDED_METADATA, *sorted(path.glob("*.distcp"))]
    lines = [f"{sha256(file)}  {file.name}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_tensors(
    path: Path, *, prefixes: Sequence[str] = ("",), key: str = "checkpoint", part: str = "var_wo_ddp"
) -> dict[str, Tensor]:
    """Read a state dict from any container, on the CPU.

    Args:
        path: File, or folder of a sharded checkpoint, to read.
        prefixes: The first prefix that some name has wins; only names with it are kept, and it is cut off. So
            ``("var.", "")`` takes the VAR out of a task's checkpoint and a bare VAR file alike.
        key: Configuration key to name in errors.
        part: Which network to take out of a container of several, e.g. ``vae_local``.

    Raises:
        ValueError: If the file is damaged, needs pickle, or holds no tensors.
    """
    content: Any
    try:
        if is_sharded(path):
            from hieramp_lit.checkpoints.sharded import read_sharded  # here: importing it takes most of a second

            content = read_sharded(path)
        elif path.suffix == ".safetensors":
            content = dict(safetensors.torch.load_file(path))
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise ValueError(
            f"{key}: cannot read weights from {path} ({told(error)}). "
            "The file is damaged, cut short, or holds pickled Python objects, which we refuse to run. Download it "
            "again or save it as a plain state dict or safetensors."
        ) from error
    wrapped = _unwrap(content, part)
    tensors = {_WRAPPERS.sub("", name): tensor for name, tensor in wrapped.items()}
    if len(tensors) < len(wrapped):
        raise ValueError(
            f"{key}: {path} holds some weights twice, wrapped (module., _orig_mod.) and plain. Save one network alone."
        )
    if not tensors:
        found = sorted(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(
            f"{key}: {path} holds no state dict. Found: {found}; containers known: {list(CONTAINER_KEYS)}."
        )
    for prefix in prefixes:
        chosen = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if chosen:
            return chosen
    raise ValueError(
        f"{key}: {path} has no names that start with any of {list(prefixes)}; first names: {list(tensors)[:5]}."
    )


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str, key: str, hint: str = "") -> None:
    """Copy `tensors` into `module`, every name and shape exactly.

    Args:
        module: Network to fill.
        tensors: State dict.
        source: Where the tensors come from, for the message.
        key: Configuration key to name in errors.
        hint: A sentence that says what the file looks like and what to do.

    Raises:
        ValueError: With the missing names, the surplus names and the shapes that differ.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors]
    surplus = [name for name in tensors if name not in own]
    shapes = [
        f"{name}: file {tuple(tensors[name].shape)}, model {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if missing or surplus or shapes:
        lines = [f"{key}: {source} does not fit {type(module).__name__}."]
        lines += [
            _some("Missing in the file", missing),
            _some("Surplus in the file", surplus),
            _some("Other shapes", shapes),
        ]
        raise ValueError("\n".join(line for line in [*lines, hint] if line))
    module.load_state_dict(tensors, strict=True)


def check_resumable(path: Path) -> None:
    """Refuse a file that ``--ckpt_path`` cannot resume from, before Lightning fails on it.

    Args:
        path: An existing file.

    Raises:
        ValueError: If it is not a checkpoint that a Lightning fit wrote; names the others of its folder, and says
            where weights go instead.
        FileNotFoundError: If it is gone.
        PermissionError: If it may not be read.
    """
    try:
        content = None if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True, mmap=True)
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, *DAMAGE) as error:  # an OSError where the memory map finds fewer bytes than it is to hold
        others = [other for other in path.parent.glob("*.ckpt") if other != path]
        names = [other.name for other in sorted(others, key=lambda other: other.stat().st_mtime, reverse=True)]
        beside = f" Beside it, newest first: {', '.join(names)}." if names else ""
        raise ValueError(
            f"--ckpt_path {path}: cannot be read as a checkpoint ({told(error)}). It is damaged, cut short, or none of "
            f"a fit of ours.{beside} {_RESUMES}"
        ) from error
    if not isinstance(content, Mapping) or "pytorch-lightning_version" not in content:
        raise ValueError(f"--ckpt_path {path}: these are weights alone; {_RESUMES}")


def check_network(checkpoint: Mapping[str, Any], network: str) -> None:
    """Refuse the checkpoint of another task.

    Args:
        checkpoint: What Lightning read.
        network: The task's attribute that holds its network, e.g. ``student``.

    Raises:
        ValueError: If the checkpoint holds other networks only.
    """
    theirs = sorted({name.partition(".")[0] for name in checkpoint["state_dict"]})
    if network not in theirs:
        raise ValueError(
            f"--ckpt_path: this task's network is called {network!r}, the checkpoint holds {theirs}: another task "
            f"wrote it; {_RESUMES}"
        )


_RESUMES = (
    "--ckpt_path continues a fit from its runs/<name>/version_N/checkpoints/*.ckpt. Weights to start from, or to "
    "judge, are an argument of the model: --model.checkpoint FILE."
)


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a plain state dict atomically: safetensors by suffix, else `torch.save` as published `.pth` files.

    Args:
        path: Target; ``.safetensors``, ``.pth`` or ``.pt``.
        tensors: State dict.
        metadata: Text beside the weights, which `read_record` reads.

    Raises:
        ValueError: For another suffix.
    """
    plain = OrderedDict((name, tensor.detach().cpu().contiguous()) for name, tensor in tensors.items())
    with atomic_write(path) as temporary:
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(plain, temporary, metadata=dict(metadata or {}))
            _sort_metadata(temporary)
        elif path.suffix in {".pth", ".pt"}:
            vars(plain)[RECORD] = dict(metadata or {})
            torch.save(plain, temporary)
        else:
            raise ValueError(f"Cannot tell the format from {path.name!r}: end it in .safetensors, .pth or .pt.")


def _sort_metadata(path: Path) -> None:
    """Bring the entries of a safetensors file's metadata into order, so that equal weights give equal files."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        if METADATA in header:
            header[METADATA] = dict(sorted(header[METADATA].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > size:
            raise RuntimeError(f"{path}: the header of {size} bytes cannot hold the {len(text)} of its sorted entries.")
        file.seek(8)
        file.write(text.ljust(size))


def _unwrap(content: object, part: str) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for name in ("state_dict", "model", part, *CONTAINER_KEYS):
        inner = content.get(name)
        if isinstance(inner, Mapping):
            return _unwrap(inner, part)
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _some(title: str, names: Sequence[str], most: int = 12) -> str:
    if not names:
        return ""
    more = f" … and {len(names) - most} more" if len(names) > most else ""
    return f"{title} ({len(names)}): {', '.join(names[:most])}{more}."
