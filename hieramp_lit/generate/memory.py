"""How many images fit into a device's memory at once.

Sizes are counted from the shapes of the tensors that live at the same time at the finest scale, where the peak is; what
a device has left is asked of it.

Legend: ``l`` tokens of the finest scale with its class token · ``L`` tokens of all scales · ``C`` width · ``V``
codebook size · ``H W`` pixels.
"""

from pathlib import Path

import torch

from hieramp_lit.var import VAR, VQVAE

MARGIN = 0.75
"""Share of the free memory to plan with; the rest is for the libraries' workspaces and for fragments."""
MOST_ON_CPU = 16
"""Larger batches gain nothing on a CPU."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
"""Where a container finds its own limits (version 2)."""


def bytes_per_image(var: VAR) -> int:
    """Memory that one more image takes while its tokens are drawn, in bytes."""
    size = var.compute_dtype.itemsize
    length, width = var.scales.lengths[-1] + 1, var.embed_dim
    cache = 2 * var.depth * (var.scales.total + 1) * width * size
    # Tokens and their norm in float32; the norm cast; queries, keys and values with products in float32; the wide
    # layer twice, before and behind its activation.
    block = length * width * (2 * 4 + (1 + 3 + 2 * 4) * size + 2 * 4)
    # Logits of a half, guided ones, weights, the padded copy and a sort's values and indices, with a mask.
    sampling = length * var.vocab_size * (4 + 2 + 4 + 4 + 6 + 1)
    return 2 * (cache + block) + sampling


def decoding_bytes(vqvae: VQVAE, dtype: torch.dtype, images: int) -> int:
    """Memory of decoding some images at once, in bytes: four activations of the widest level, one in float32."""
    channels = vqvae.decoder.conv_out.in_channels
    pixels = vqvae.image_size**2
    return images * pixels * channels * (4 * dtype.itemsize + 4)


def free_bytes(device: torch.device) -> int:
    """Memory that a device has left for tensors, in bytes; of the CPU, also within the limit of a container.

    Raises:
        ValueError: If the system does not tell; give a number of images then.
    """
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved
    if not _MEMINFO.exists():
        raise ValueError("data.batch_size='auto': this system does not tell how much memory is free. Give a number.")
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (_number(_CGROUP / name) for name in ("memory.max", "memory.current"))
    return available if limit is None or used is None else min(available, limit - used)


def _number(path: Path) -> int | None:
    """What a file of a control group says; None without one, or for ``max``, which is no limit."""
    text = path.read_text().strip() if path.exists() else "max"
    return None if text == "max" else int(text)


def fitting_batch_size(per_image: int, fixed: int, free: int, most: int) -> int:
    """Largest power of two that fits, so that small changes of what is free do not change it; at most `most`.

    Args:
        per_image: Bytes of one image.
        fixed: Bytes that do not depend on the number of images.
        free: Bytes that are free.
        most: Upper limit, at least 1; taken itself where it fits.

    Raises:
        ValueError: If not even one image fits.
    """
    fitting = (int(MARGIN * free) - fixed) // per_image
    if fitting < 1:
        raise ValueError(
            f"data.batch_size='auto': one image needs about {(per_image + fixed) / 2**20:,.0f} MiB, "
            f"{MARGIN:.0%} of the {free / 2**20:,.0f} MiB free are less. Lower model.decode_batch_size, free memory, "
            "or give a number to try it all the same."
        )
    return most if fitting >= most else 1 << (fitting.bit_length() - 1)
