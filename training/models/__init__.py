"""The four models of dpar.md: VQ tokenizer, entropy model and baseline (Transformer), DPAR (DynamicTransformer)."""

from .gpt import DynamicTransformer, ModelConfig, Transformer, build
from .patching import MODES, PatchRule, entropies, patch_starts
from .vq import VQModel

__all__ = [
    "MODES",
    "DynamicTransformer",
    "ModelConfig",
    "PatchRule",
    "Transformer",
    "VQModel",
    "build",
    "entropies",
    "patch_starts",
]
