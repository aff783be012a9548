"""Cached, batched generation against the reference's cacheless runs."""

import torch

from models import PatchRule
from models.generate import draw, generate_dpar, generate_tokens


def test_reference_runs(fixture):
    for run in fixture.runs:
        rule = PatchRule(threshold=run["threshold"])
        how = {k: run[k] for k in ("cfg", "temperature", "top_k", "top_p") if k in run}
        classes = torch.tensor([run["cls"], 0, run["cls"]])  # the middle one is other work in the same batch
        seeds = torch.tensor([run["seed"], 3, run["seed"]])
        x, e, s = generate_dpar(fixture.entropy, fixture.dpar, classes, seeds, rule, **how)
        for row in (0, 2):
            assert x[row].tolist() == run["tokens"]
            assert s[row].tolist() == run["starts"]
            torch.testing.assert_close(e[row], torch.tensor(run["entropies"]), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_cached_equals_uncached(tiny):
    """Token by token without caches, for the baseline and for a DPAR of every patch mode."""
    classes, seeds, how = torch.tensor([1, 4]), torch.tensor([5, 6]), dict(temperature=0.9, top_k=20, top_p=0.9)
    both = torch.cat([classes, torch.full((2,), 10)])

    def slow(logits):
        x = torch.zeros(2, 64, dtype=torch.long)
        for i in range(64):
            a, b = logits(x.repeat(2, 1))[:, i].chunk(2)
            x[:, i] = draw(b + 2.0 * (a - b), seeds, i, **how)
        return x

    assert torch.equal(generate_tokens(tiny.baseline, classes, seeds, 2.0, **how), slow(lambda x: tiny.baseline(x, both)))
    for mode in ("token", "static", "entropy"):
        rule = PatchRule(mode, tiny.config["patching"]["threshold"], 3)
        x, _, s = generate_dpar(tiny.entropy, tiny.dpar, classes, seeds, rule, 2.0, **how)
        assert torch.equal(x, slow(lambda t, s=s: tiny.dpar(t, both, s.repeat(2, 1))))
