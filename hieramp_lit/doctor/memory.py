"""Whether a run fits into the memory of its device, by adding up what lives at the same time.

Legend: ``B`` images at once · ``S`` tokens of all scales and class tokens · ``L`` tokens · ``C`` width · ``V`` codebook
size · ``P`` parameters.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from hieramp_lit.doctor.findings import Finding, size
from hieramp_lit.generate.memory import bytes_per_image, decoding_bytes
from hieramp_lit.var import VAR, VQVAE

BLOCK_BYTES = 34
"""What a block keeps for its backward pass, in bytes a token and channel, in half precision and without a matrix of
attention (Korthikanti et al., arXiv:2205.05198, Sec. 4.1)."""
LOGIT_BYTES = 16
"""Of a token and code: logits, their logarithms, the gradient of both, in float32."""


class Part(NamedTuple):
    """Something that takes memory.

    Attributes:
        what: In words.
        bytes: Estimate.
    """

    what: str
    bytes: int


def tuning_parts(
    var: VAR,
    vqvae: VQVAE | None,
    batch_size: int,
    *,
    half: bool,
    checkpointing: bool = False,
    class_tokens_only: bool = False,
    sharded: int = 1,
) -> list[Part]:
    """Memory of tuning VAR on one device.

    ``4P`` weights, ``4P`` gradients and ``8P`` AdamW of what learns, ``2P`` weights cast to half precision;
    ``34 · B · S · C`` a block in half precision, twice that in float32; ``16 · B · L · V`` logits.

    Args:
        var: On any device, also ``meta``.
        vqvae: Tokenizer, where images are encoded on the fly; None with cached tokens.
        batch_size: Images at once, ``B``.
        half: Whether blocks compute in half precision.
        checkpointing: Keep the blocks' inputs alone.
        class_tokens_only: Only class tokens and their classifier learn.
        sharded: Devices that share weights, gradients and optimizer.
    """
    all_of_it = sum(parameter.numel() for parameter in var.parameters())
    own = sum(parameter.numel() for _, parameter in var.class_token_parameters())
    learning = own if class_tokens_only else all_of_it
    token_channels = batch_size * (var.scales.total + len(var.class_token_scales)) * var.embed_dim
    block = token_channels * BLOCK_BYTES * (1 if half else 2)
    kept = var.depth * token_channels * 4 + block if checkpointing else var.depth * block
    parts = [
        Part("weights", (4 * all_of_it + (2 * all_of_it if half else 0)) // sharded),
        Part("gradients and AdamW", 12 * learning // sharded),
        Part("activations", kept),
        Part("logits", batch_size * var.scales.total * var.vocab_size * LOGIT_BYTES),
    ]
    return parts + ([] if vqvae is None else encoding_parts(vqvae, batch_size))


def encoding_parts(vqvae: VQVAE, batch_size: int) -> list[Part]:
    """Memory of encoding images with a frozen tokenizer."""
    encoder = decoding_bytes(vqvae, torch.float32, batch_size)  # the encoder mirrors the decoder
    return [Part("tokenizer", 4 * _parameters(vqvae)), Part("encoding", encoder)]


def generation_parts(var: VAR, vqvae: VQVAE, batch_size: int, decode_batch_size: int, *, half: bool) -> list[Part]:
    """Memory of generating `batch_size` images at once, see `generate.memory`."""
    dtype = torch.float16 if half else torch.float32
    per_image = bytes_per_image(var) // (2 if half else 1)
    weights = (_parameters(var) + _parameters(vqvae)) * (dtype.itemsize + (4 if half else 0))
    decoding = decoding_bytes(vqvae, dtype, min(decode_batch_size, batch_size))
    return [Part("weights", weights), Part("images", batch_size * per_image), Part("decoding", decoding)]


def training_parts(network: nn.Module, forward: Callable[[], Tensor], *, half: bool) -> list[Part]:
    """Memory of training a convolutional network with AdamW: what its backward pass keeps is counted, not guessed.

    Args:
        network: On the device ``meta``, in training mode.
        forward: Runs it on a batch.
        half: Whether it computes in half precision.
    """
    parameters = _parameters(network)
    kept = saved_for_backward(network, forward) // (2 if half else 1)
    return [Part("weights", 4 * parameters), Part("gradients and AdamW", 12 * parameters), Part("activations", kept)]


def saved_for_backward(network: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps of a forward pass, the network's own weights left out."""
    own = {_storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
    seen: dict[StorageWeakRef, int] = {}  # several saved tensors may be views of one

    def note(tensor: Tensor) -> Tensor:
        seen.setdefault(_storage(tensor), tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()  # kept, or storages would be freed and others take their places
    del result
    return sum(number for storage, number in seen.items() if storage not in own)


def check_memory(parts: Sequence[Part], free: int, device: str, remedy: str) -> Finding:
    """Compare what a run takes with what its device has left.

    Args:
        parts: All that lives at the same time.
        free: Bytes left.
        device: Name of the device.
        remedy: What to do if it does not fit.
    """
    needed = sum(part.bytes for part in parts)
    listed = ", ".join(f"{part.what} {size(part.bytes)}" for part in parts)
    text = f"about {size(needed)} of {size(free)} free on {device} ({listed}); the estimate may be a third off"
    facts = {"needed_bytes": needed, "free_bytes": free, "parts": {part.what: part.bytes for part in parts}}
    if needed > free:
        return Finding("memory", "error", text, remedy, facts)
    if needed * 4 > free * 3:
        return Finding("memory", "warning", text, remedy, facts)
    return Finding("memory", "ok", text, facts=facts)


def _storage(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
