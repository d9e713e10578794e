"""hieramp_lit: distil image data sets with generative models (HIERAMP on VAR) in PyTorch Lightning."""

__version__ = "0.1.0"
