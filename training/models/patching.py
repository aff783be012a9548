"""Entropies and the patch rule (dpar.md section 2; the Rust twin is src/patching.rs)."""

from dataclasses import dataclass

import torch

MODES = ("token", "static", "entropy", "entropy_row_boundary")


@dataclass(frozen=True)
class PatchRule:
    """mode of MODES, threshold in nats (a token starts a patch when its entropy is above it), P_max (0: unlimited)."""

    mode: str = "entropy_row_boundary"
    threshold: float = 3.3
    max_patch_length: int = 4

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"patch mode {self.mode!r} is none of {MODES}")

    def start(self, i, e, run, grid):
        """Do tokens i start a patch? e (B,) nats, run (B,) tokens the current patch holds -> bool (B,)."""
        full = (run >= self.max_patch_length) if self.max_patch_length else torch.zeros_like(run, dtype=torch.bool)
        if i == 0 or self.mode == "token":
            return torch.ones_like(full)
        if self.mode == "static":
            return full
        if i == 1 or (self.mode == "entropy_row_boundary" and i % grid == 0):
            return torch.ones_like(full)
        return full | (e > self.threshold)

    @property
    def needs_entropy(self):
        return self.mode.startswith("entropy")


def entropies(logits):
    """logits (..., V) -> entropy of the softmax, nats (...)."""
    logp = logits.float().log_softmax(-1)
    return -(logp.exp() * logp).sum(-1)


def patch_starts(e, rule, grid):
    """e (B,T) nats -> bool (B,T): which tokens start a patch."""
    out = torch.empty(e.shape, dtype=torch.bool, device=e.device)
    run = torch.zeros(e.shape[0], dtype=torch.long, device=e.device)
    for i in range(e.shape[1]):
        out[:, i] = rule.start(i, e[:, i], run, grid)
        run = torch.where(out[:, i], 1, run + 1)
    return out
