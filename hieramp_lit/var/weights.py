"""Loading and naming weights of VAR and its tokenizer: published files, ours, and what to say when they do not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hieramp_lit.checkpoints import load_strictly, read_tensors, resolve, weights_sha256
from hieramp_lit.var.architecture import VARArchitecture, VQVAEArchitecture
from hieramp_lit.var.label_rows import EMBEDDING, HEAD, LabelRows, with_label_rows
from hieramp_lit.var.quantizer import MultiScaleQuantizer
from hieramp_lit.var.scales import Scales
from hieramp_lit.var.transformer import VAR
from hieramp_lit.var.vqvae import VQVAE

CLASS_TOKEN_NAMES = ("cls_tokens.", "class_head.")
QUANTIZER = "quantize."
USAGE_STATISTIC = "ema_vocab_hit_SV"
TOKENIZER_KEY = "model.tokenizer.checkpoint"


@dataclass(frozen=True)
class Tokenizer:
    """The frozen tokenizer of a task.

    Args:
        checkpoint: Weights: a path to .pth, .ckpt or .safetensors, ``hf://…`` or ``asset://…``, see
            `checkpoints.resolve`. Its sizes are read from it.
    """

    checkpoint: str

    def load(self, scales: Scales) -> VQVAE:
        """The tokenizer with its weights, frozen, in eval mode."""
        return load_vqvae(self.checkpoint, scales, key=TOKENIZER_KEY).requires_grad_(False).eval()

    def load_quantizer(self, scales: Scales) -> MultiScaleQuantizer:
        """Codebook and φ convolutions alone, frozen: all that tokens need; encoder and decoder are not kept."""
        return load_quantizer(self.checkpoint, scales, key=TOKENIZER_KEY).requires_grad_(False).eval()

    def sha256(self) -> str:
        """Hex SHA-256 of the weights, see `checkpoints.weights_sha256`."""
        return weights_sha256(resolve(self.checkpoint, key=TOKENIZER_KEY))


def read_var_tensors(checkpoint: str, *, key: str = "checkpoint") -> dict[str, Tensor]:
    """State dict of a VAR in published naming, from any container.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or is not a VAR.
    """
    path = resolve(checkpoint, key=key)
    tensors = read_tensors(path, prefixes=("var.", ""), key=key)
    if "class_emb.weight" not in tensors:
        other = "a tokenizer (VQ-VAE)" if "quantize.embedding.weight" in tensors else "something else"
        raise ValueError(f"{key}: {path} is not a VAR but {other}; first names: {list(tensors)[:4]}.")
    return tensors


def load_var(checkpoint: str, *, num_heads: int | None = None, key: str = "checkpoint") -> VAR:
    """Build the VAR that a file holds, sizes and all, and load it strictly.

    Args:
        checkpoint: Path, ``hf://…`` or ``asset://…``; see `read_tensors` for the containers.
        num_heads: Attention heads, for files without L2-normalized attention, whose tensors do not tell it.
        key: Configuration key to name in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, is not a VAR, its names do not fit its own sizes, or the number of heads is
            unknown or another than `num_heads`.
    """
    tensors = read_var_tensors(checkpoint, key=key)
    architecture = _var_sizes(tensors, checkpoint, key)
    if num_heads is not None and architecture.num_heads not in (None, num_heads):
        raise ValueError(f"{key}: {checkpoint} has {architecture.num_heads} attention heads, num_heads={num_heads}.")
    architecture = replace(architecture, num_heads=architecture.num_heads or num_heads)
    scales = tuple(sorted(int(name.split(".")[1]) for name in tensors if name.startswith("cls_tokens.")))
    var = architecture.build(class_token_scales=scales)
    hint = f"The file looks like: {architecture.describe()}. Download or export it again."
    load_strictly(var, tensors, source=checkpoint, key=key, hint=hint)
    return var


def load_into(var: VAR, checkpoint: str, *, key: str = "checkpoint", label_rows: LabelRows = "keep") -> list[str]:
    """Load a file into a VAR of given sizes; class tokens and their classifier may be absent from the file.

    Where the model has more classes than the file, the additional rows of label embedding and class head are the mean
    of the file's, see `label_rows.with_label_rows`; "unconditional" stays the last one.

    Args:
        var: Model to fill. What the file lacks of its class tokens keeps its initialization.
        checkpoint: As for `load_var`.
        key: Configuration key to name in errors.
        label_rows: `keep` takes over the file's class rows; `new` starts all of the model's from their mean.

    Returns:
        What the file does not give: names that kept their initialization, and rows that are the mean of the file's,
        e.g. ``class_head.weight[1000:1010]`` where it has a class head, and last ``class_emb.weight[1000:1010]``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If other names are missing, there are surplus names, or shapes differ: says what the file is and
            what to set. If rows are to be kept and the file has more of them than the model.
    """
    if label_rows not in ("keep", "new"):
        raise ValueError(f"{_model(key)}label_rows={label_rows!r}: expected 'keep' or 'new'.")
    tensors = read_var_tensors(checkpoint, key=key)
    of_file = _var_sizes(tensors, checkpoint, key)
    try:
        tensors = with_label_rows(tensors, var.num_classes, label_rows)
    except ValueError as error:
        raise ValueError(f"{key}: {checkpoint}: {error}") from error
    new = [name for name in var.state_dict() if name.startswith(CLASS_TOKEN_NAMES) and name not in tensors]
    if len(new) < len(var.class_token_parameters()):
        new = []  # a file with some class tokens must have them all
    kept = {name: var.state_dict()[name] for name in new}
    hint = _what_to_set(of_file, VARArchitecture.of(var.state_dict()), key)
    load_strictly(var, {**tensors, **kept}, source=checkpoint, key=key, hint=hint)
    first = of_file.num_classes if label_rows == "keep" else 0
    resized = [*(name for name in tensors if name.startswith(HEAD)), EMBEDDING] if first < var.num_classes else []
    return new + [f"{name}[{first}:{var.num_classes}]" for name in resized]


def load_vqvae(checkpoint: str, scales: Scales, *, key: str = "tokenizer.checkpoint") -> VQVAE:
    """Build the tokenizer that a file holds and load it strictly.

    Args:
        checkpoint: As for `load_var`.
        scales: Token maps, which no tokenizer file holds: those of the VAR it serves.
        key: Configuration key to name in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or is not a tokenizer.
    """
    tensors = _read_tokenizer_tensors(checkpoint, key)
    try:
        architecture = VQVAEArchitecture.of(tensors)
    except KeyError as missing:
        raise _incomplete(missing, "tokenizer", checkpoint, key) from missing
    vqvae = architecture.build(scales)
    tensors = _with_usage_statistic(tensors, vqvae.quantize, QUANTIZER)
    load_strictly(vqvae, tensors, source=checkpoint, key=key, hint=f"The file looks like {architecture}.")
    return vqvae


def load_quantizer(checkpoint: str, scales: Scales, *, key: str = "tokenizer.checkpoint") -> MultiScaleQuantizer:
    """Build the quantizer of the tokenizer that a file holds and load it strictly; arguments as for `load_vqvae`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or is not a tokenizer.
    """
    tensors = _read_tokenizer_tensors(checkpoint, key)
    own = {name.removeprefix(QUANTIZER): t for name, t in tensors.items() if name.startswith(QUANTIZER)}
    vocab_size, z_channels = own["embedding.weight"].shape
    num_phi = len({name.split(".")[2] for name in own if name.startswith("quant_resi.qresi_ls.")})
    if not num_phi:
        raise _incomplete(KeyError(f"{QUANTIZER}quant_resi.qresi_ls.0.weight"), "tokenizer", checkpoint, key)
    quantizer = MultiScaleQuantizer(scales, vocab_size, z_channels, num_phi)
    load_strictly(quantizer, _with_usage_statistic(own, quantizer), source=checkpoint, key=key)
    return quantizer


def check_pair(tokenizer: VQVAE | MultiScaleQuantizer, var: VAR) -> None:
    """Refuse a tokenizer, or its quantizer, and a VAR of different codebooks or scales.

    Raises:
        ValueError: Naming both sides.
    """
    quantizer = tokenizer.quantize if isinstance(tokenizer, VQVAE) else tokenizer
    ours = (quantizer.vocab_size, quantizer.embedding.embedding_dim, quantizer.scales)
    theirs = (var.vocab_size, var.z_channels, var.scales)
    if ours != theirs:
        raise ValueError(
            "tokenizer.checkpoint and checkpoint do not belong together: the tokenizer has vocab_size, z_channels and "
            f"scales {ours}, the VAR was trained on {theirs}."
        )


def published_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as float32 where they are floating, for files that other VAR tools read."""
    return {name: t.to(torch.float32) if t.is_floating_point() else t for name, t in tensors.items()}


def _read_tokenizer_tensors(checkpoint: str, key: str) -> dict[str, Tensor]:
    path = resolve(checkpoint, key=key)
    tensors = read_tensors(path, prefixes=("vqvae.", ""), key=key, part="vae_local")
    if f"{QUANTIZER}embedding.weight" not in tensors:
        other = "a VAR" if "class_emb.weight" in tensors else "something else"
        raise ValueError(f"{key}: {path} is not a tokenizer (VQ-VAE) but {other}; first names: {list(tensors)[:4]}.")
    return tensors


def _with_usage_statistic(
    tensors: Mapping[str, Tensor], quantizer: MultiScaleQuantizer, prefix: str = ""
) -> dict[str, Tensor]:
    """A statistic, which decides nothing: in place of one for another number of scales ours is kept (reference §1)."""
    name, ours = prefix + USAGE_STATISTIC, quantizer.ema_vocab_hit_SV
    usage = tensors.get(name)
    return {**tensors, name: ours if usage is None or len(usage) != len(ours) else usage}


def _var_sizes(tensors: Mapping[str, Tensor], source: str, key: str) -> VARArchitecture:
    try:
        return VARArchitecture.of(tensors)
    except KeyError as missing:
        raise _incomplete(missing, "VAR", source, key) from missing


def _incomplete(missing: KeyError, network: str, source: str, key: str) -> ValueError:
    return ValueError(
        f"{key}: {source} is no whole {network}. Missing in the file: {missing.args[0]}, which says a size; so the "
        "other names cannot be checked. Download or export the file again."
    )


def _what_to_set(of_file: VARArchitecture, of_model: VARArchitecture, key: str) -> str:
    """What a file is, and the values that would make the model fit it."""
    values = ", ".join(f"{name}: {value}" for name, value in of_file.settings_unlike(of_model).items())
    remedy = f"Set in {_model(key)}var: {values}; or give another file." if values else "Give another file."
    return f"This is a depth-{of_file.depth} checkpoint: {of_file.describe()}. {remedy}"


def _model(key: str) -> str:
    """The model's part of a configuration key: ``model.`` of ``model.checkpoint``."""
    return "model." if key.startswith("model.") else ""
