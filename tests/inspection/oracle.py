"""What an inspection must find, from the images alone: float64, numpy and scipy, one definition after the other."""

import io
import tarfile
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.spatial.distance import cdist

from hieramp_lit.checkpoints import read_tensors

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images_of(folder):
    """Pixels and labels of a set's tar files, in order, and keys."""
    found = []
    for path in sorted(Path(folder).glob("*.tar")):
        with tarfile.open(path) as file:
            content = {member.name: file.extractfile(member).read() for member in file}
        for name in content:
            if name.endswith(".png"):
                key = name.removesuffix(".png")
                pixels = np.array(Image.open(io.BytesIO(content[name])))
                found.append((pixels, int(content[f"{key}.cls"]), key))
    return [np.stack([one[0] for one in found]), np.array([one[1] for one in found]), [one[2] for one in found]]


def answers(weights, pixels):
    """Features and softmax answers of the ConvNet, layer by layer in float64."""
    w = {name: tensor.double() for name, tensor in read_tensors(Path(weights)).items() if tensor.is_floating_point()}
    x = torch.from_numpy(pixels).double().permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    for i in range(3):
        x = F.conv2d(x, w[f"layers.conv.{i}.weight"], w[f"layers.conv.{i}.bias"], padding=1)
        mean, var = w[f"layers.norm.{i}.running_mean"], w[f"layers.norm.{i}.running_var"]
        x = (x - mean.view(-1, 1, 1)) / (var.view(-1, 1, 1) + 1e-5).sqrt()
        x = x * w[f"layers.norm.{i}.weight"].view(-1, 1, 1) + w[f"layers.norm.{i}.bias"].view(-1, 1, 1)
        x = x.relu().unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean(dim=(3, 5))
    features = x.flatten(1)
    logits = features @ w["classifier.weight"].T + w["classifier.bias"]
    return features.numpy(), logits.softmax(dim=1).numpy()


def radii(x, k):
    return np.sort(cdist(x, x) + np.diag(np.full(len(x), np.inf)), axis=1)[:, k - 1]


def overlap(real, made, k=3, dense_k=5):
    """Precision, recall, density, coverage."""
    between = cdist(real, made)
    inside = between <= radii(real, k)[:, None] * (1 + 1e-12)
    of_made = between <= radii(made, k)[None] * (1 + 1e-12)
    dense = between <= radii(real, dense_k)[:, None] * (1 + 1e-12)
    return inside.any(0).mean(), of_made.any(1).mean(), dense.sum() / (dense_k * len(made)), dense.any(1).mean()


def fid(real, made):
    one, other = np.cov(real.T), np.cov(made.T)
    values, vectors = scipy.linalg.eigh(one)
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    # tr (Σ₁ Σ₂)^½ = tr (Σ₁^½ Σ₂ Σ₁^½)^½, of a symmetric matrix
    trace = np.sqrt(scipy.linalg.eigvalsh(root @ other @ root).clip(min=0)).sum()
    return ((real.mean(0) - made.mean(0)) ** 2).sum() + np.trace(one + other) - 2 * trace


def kid(real, made):
    """The unbiased estimate over all images; both kinds have the same number."""

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(x):
        K = kernel(x, x)
        return (K.sum() - np.trace(K)) / (len(x) * (len(x) - 1))

    return within(real) + within(made) - 2 * kernel(real, made).mean()


def vendi(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / len(x))
    values = values[values > 1e-14]
    return np.exp(-(values * np.log(values)).sum())


def diversity(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.mean([1 - unit[i] @ unit[j] for i in range(len(x)) for j in range(i)])
