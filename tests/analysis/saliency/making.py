"""Sets with class-token maps, from a small VAR, and the command lines that make them."""

from pathlib import Path

import torch

from hieramp_lit.amplify import Amplification
from hieramp_lit.checkpoints import save
from hieramp_lit.generate import Generator
from hieramp_lit.tasks import AmplifiedGeneration
from hieramp_lit.var import Sampling, Tokenizer, load_var

STRONG = Amplification(beta=5.0, rho=0.5)
CONFIG = """\
trainer: {{accelerator: cpu}}
model:
  class_path: AmplifiedGeneration
  init_args:
    checkpoint: {var}
    tokenizer: {{checkpoint: {tokenizer}}}
    output: unused
    amplification: {amplification}
data: {{class_path: GenerationPlan, init_args: {{classes: digits}}}}
"""


def lively(var: Path, to: Path) -> Path:
    """Weights of a VAR with large numbers: at initialization every map is almost even."""
    model = load_var(str(var))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    save(to, model.state_dict())
    return to


def generator(
    var: Path,
    tokenizer: Path,
    amplification: Amplification | None = STRONG,
    sampling: Sampling = Sampling(),  # noqa: B008
) -> Generator:
    """That of `CONFIG`."""
    task = AmplifiedGeneration(str(var), Tokenizer(str(tokenizer)), "unused", sampling, amplification)
    return task.generator
