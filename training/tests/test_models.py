"""The models against the reference's fixtures."""

import torch
import torch.nn.functional as F

from models import PatchRule, build, entropies, patch_starts
from models.vq import VectorQuantizer

CLOSE = dict(atol=2e-4, rtol=1e-4)


def rule(f, **kw):
    p = f.config["patching"]
    return PatchRule(**{"threshold": p["threshold"], "max_patch_length": p["max_patch_length"], **kw})


@torch.no_grad()
def test_entropies_and_starts(fixture):
    e = fixture.expected
    got = entropies(fixture.entropy(e["tokens"], torch.full((2,), 1)))
    torch.testing.assert_close(got, e["entropies"], **CLOSE)
    assert torch.equal(patch_starts(e["entropies"], rule(fixture), fixture.dpar.c.grid_size), e["starts"])


@torch.no_grad()
def test_logits(fixture):
    e = fixture.expected
    torch.testing.assert_close(fixture.dpar(e["tokens"], e["classes"], e["starts"]), e["dpar_logits"], **CLOSE)
    torch.testing.assert_close(fixture.baseline(e["tokens"], e["classes"]), e["baseline_logits"], **CLOSE)


@torch.no_grad()
def test_tokenizer(fixture):
    e, g = fixture.expected, fixture.dpar.c.grid_size
    assert torch.equal(fixture.vq.encode(e["image"])[2], e["image_codes"])
    torch.testing.assert_close(fixture.vq.decode_code(e["tokens"][:1].view(1, g, g)), e["decoded"], **CLOSE)


def test_patch_rule():
    e, g = torch.zeros(1, 16), 8
    e[0, 5] = e[0, 12] = 9.0
    where = lambda **kw: patch_starts(e, PatchRule(threshold=5.0, **kw), g)[0].nonzero()[:, 0].tolist()  # noqa: E731
    assert where(mode="token") == list(range(16))
    assert where(mode="static", max_patch_length=4) == [0, 4, 8, 12]
    assert where(mode="entropy", max_patch_length=0) == [0, 1, 5, 12]
    assert where(mode="entropy", max_patch_length=4) == [0, 1, 5, 9, 12]
    assert where(max_patch_length=4) == [0, 1, 5, 8, 12]
    assert where(max_patch_length=3) == [0, 1, 4, 5, 8, 11, 12, 15]


def test_causal_and_padding(tiny):
    """A later token moves no earlier logit, and an image's logits do not depend on the patches of its batch neighbours."""
    x, y, s = (tiny.expected[k] for k in ("tokens", "classes", "starts"))
    with torch.no_grad():
        a = tiny.dpar(x, y, s)
        moved = x.clone()
        moved[:, 20] = (moved[:, 20] + 1) % 64
        b = tiny.dpar(moved, y, s)
        assert (a - b)[:, :21].abs().max() < 1e-5 < (a - b)[:, 21].abs().max()
        every = s.clone()
        every[1] = True
        torch.testing.assert_close(tiny.dpar(x, y, every)[0], a[0], **CLOSE)


@torch.no_grad()
def test_entropy_states(tiny):
    """They change nothing before training, and let no token see itself or a later one."""
    from dataclasses import replace

    x, y, s = (tiny.expected[k] for k in ("tokens", "classes", "starts"))
    model = build(replace(tiny.dpar.c, entropy_dim=tiny.entropy.c.dim)).eval()
    left = model.load_state_dict(tiny.dpar.state_dict(), strict=False)
    assert left.missing_keys == ["entropy_state.weight"]
    states = lambda x: tiny.entropy.hidden(x, torch.full_like(y, tiny.entropy.c.num_classes))  # noqa: E731
    torch.testing.assert_close(model(x, y, s, states(x)), tiny.dpar(x, y, s), **CLOSE)
    torch.nn.init.normal_(model.entropy_state.weight)
    moved = x.clone()
    moved[:, 20] = (moved[:, 20] + 1) % 64
    a, b = model(x, y, s, states(x)), model(moved, y, s, states(moved))
    assert (a - b)[:, :21].abs().max() < 1e-4 < (a - b)[:, 21].abs().max()
    assert (a - tiny.dpar(x, y, s)).abs().max() > 0.1


def test_attention_of_training():
    """What the CPU computes in bf16 is PyTorch's attention to bf16's accuracy, forward and back."""
    from models.gpt import causal_attention

    torch.manual_seed(0)
    qkv = [torch.randn(2, 3, 40, 16) for _ in range(3)]
    weight = torch.randn(2, 3, 40, 16)
    results = []
    for dtype, attention in ((torch.bfloat16, causal_attention), (torch.float32, F.scaled_dot_product_attention)):
        leaves = [t.bfloat16().to(dtype).requires_grad_() for t in qkv]
        out = attention(*leaves, **({} if attention is causal_attention else dict(is_causal=True)))
        results.append([out, *torch.autograd.grad((out * weight).sum(), leaves)])
    for got, want in zip(*results):
        torch.testing.assert_close(got.float(), want, atol=0.05, rtol=0.03)


def test_window_gradient(tiny):
    """The gather-only backward of the patch windows equals plain indexing."""
    from models.gpt import PatchLayout

    layout = PatchLayout(tiny.expected["starts"], 8)
    h = torch.randn(2, 64, 5, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, layout.M, layout.L, 5, dtype=torch.double) * layout.valid[..., None]
    real = torch.zeros(2 * layout.M * layout.L, dtype=torch.bool)
    real[layout.back] = True
    weight = weight * real.view(2, layout.M, layout.L, 1)
    (got,) = torch.autograd.grad((layout.windows(h) * weight).sum(), h)
    plain = h.reshape(-1, 5)[layout.slots].view(2, layout.M, layout.L, 5)
    (want,) = torch.autograd.grad((plain * weight).sum(), h)
    torch.testing.assert_close(got, want)


def test_codes_fit_where_the_vectors_are():
    """k-means on clusters that random codes would miss: every cluster gets codes, and every code is near one."""
    torch.manual_seed(0)
    centres = F.normalize(torch.randn(12, 8), dim=-1)
    f = F.normalize(centres.repeat(50, 1) + 0.02 * torch.randn(600, 8), dim=-1)
    q = VectorQuantizer(24, 8)
    before = (f @ q.embedding.weight.t()).detach().max(1).values.mean()
    q.fit(f)
    nearest = (f @ q.embedding.weight.t()).detach().max(1).values
    assert nearest.min() > 0.98 > before and (q.embedding.weight @ centres.t()).max(1).values.detach().min() > 0.98


def test_free_vectors_pass_without_codes():
    torch.manual_seed(0)
    q = VectorQuantizer(4, 8)
    q.free = True
    z = torch.randn(2, 8, 3, 3)
    assert torch.allclose(q.eval()(z)[0], F.normalize(z, dim=1), atol=1e-6)
    out, loss, _ = q.train()(z)
    assert loss == 0 and 0 < (out - F.normalize(z, dim=1)).norm(dim=1).mean() < 0.6
