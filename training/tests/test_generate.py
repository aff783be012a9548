"""Cached, batched generation against the reference's cacheless runs; mixes; what rounding may not decide in recorded runs."""

import torch

from fixtures import NEAR_LOGIT, decided
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


@torch.no_grad()
def test_mixed_rows(tiny):
    """The whole weight on one class is that class; a mix is the mean of rows, and guidance's null row stays."""
    seeds, rule = torch.tensor([5, 6]), PatchRule(threshold=tiny.config["patching"]["threshold"])
    classes = torch.tensor([1, 4])
    one = dict(weights=torch.tensor([[1.0, 0.0], [0.0, 1.0]]), classes=torch.tensor([[1, 7], [2, 4]]))
    for model, draw_all in (
        (tiny.dpar, lambda y: generate_dpar(tiny.entropy, tiny.dpar, y, seeds, rule)[0]),
        (tiny.baseline, lambda y: generate_tokens(tiny.baseline, y, seeds)),
    ):
        rows = model.cls_embedding.mix(**one)
        assert torch.equal(rows, model.cls_embedding(classes)) and torch.equal(draw_all(rows), draw_all(classes))
        table = model.cls_embedding.embedding_table.weight
        half = model.cls_embedding.mix(torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([[1, 4, 7]]))
        assert half.shape == (1, 1, 64)
        torch.testing.assert_close(half[0, 0], 0.5 * table[1] + 0.3 * table[4] + 0.2 * table[7])
    x = tiny.expected["tokens"][:1]
    mixed, alone = tiny.baseline(x, half), tiny.baseline(x, torch.tensor([1]))
    assert mixed.shape == alone.shape and (mixed - alone).abs().max() > 1e-3


def test_near_ties_are_found():
    """A draw that moving the logits a little would change is not decided; the same draw with room is."""
    how = dict(seed=3, temperature=0.8, top_k=0, top_p=0.85)
    torch.manual_seed(0)
    logits = 3 * torch.randn(40, 64)
    clear = torch.tensor([i for i in range(40) if decided(logits[i : i + 1].expand(1, -1), drawn(logits[i : i + 1], how), **how)])
    assert 30 < len(clear) <= 40
    row = logits[clear[:1]].clone()
    token = drawn(row, how)
    assert decided(row, token, **how) and not decided(row, (token + 1) % 64, **how)
    low, high = 0.0, 20.0  # what another token's logit must rise by to be drawn instead: bisected to well below NEAR_LOGIT
    other = int(row[0].topk(2).indices[0]) if int(row[0].argmax()) != int(token) else int(row[0].topk(2).indices[1])
    for _ in range(40):
        middle = (low + high) / 2
        raised = row.clone()
        raised[0, other] += middle
        low, high = (middle, high) if int(drawn(raised, how)) == int(token) else (low, middle)
    raised = row.clone()
    raised[0, other] += low
    assert high - low < NEAR_LOGIT / 100 and int(drawn(raised, how)) == int(token) and not decided(raised, token, **how)


def drawn(logits, how):
    """The token of position 0."""
    return draw(logits, torch.tensor([how["seed"]]), 0, how["temperature"], how["top_k"], how["top_p"])
