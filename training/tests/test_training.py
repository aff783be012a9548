"""The trainers: resumed equals uninterrupted, same data for all models, schedule."""

import numpy as np
import pytest
import torch

import encode
import train_ar
from trainer import learning_rate


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Small random tokens with a pattern to learn: 2 augmentations, 40 pictures, an 8x8 grid."""
    path = tmp_path_factory.mktemp("tokens")
    rng = np.random.default_rng(0)
    cls = np.arange(40) % 58
    x = (cls[None, :, None] + np.arange(64) // 8 + rng.integers(0, 3, (2, 40, 64))) % 64
    arrays = dict(tokens=x.astype(np.int16), classes=cls, is_val=np.arange(40) % 8 == 0, style=np.zeros(40, np.int8))
    encode.save_npz(path / "tokens.npz", **arrays, size=32, seed=0)
    np.save(path / "entropies.npy", rng.random((2, 40, 64)).astype(np.float32) * 6)
    return path


def run(path, out, kind, *more):
    layers = {"dpar": ["1", "1", "1"], "baseline": ["3"], "entropy": ["1"]}[kind]
    argv = [kind, "--tokens", path / "tokens.npz", "--out", out, "--dim", "64", "--heads", "4", "--codes", "64", "--steps", "8"]
    argv += ["--warmup", "2", "--batch", "4", "--log-every", "4", "--dropout", "0.1", "--token-dropout", "0.1", "--layers", *layers]
    argv += ["--entropies", path / "entropies.npy", "--threshold", "3"] if kind == "dpar" else []
    train_ar.main([str(a) for a in [*argv, *more]])
    return torch.load(out / "last.pt", weights_only=False)


@pytest.mark.parametrize("kind", ["dpar", "baseline", "entropy"])
def test_resume_equals_uninterrupted(tokens, tmp_path, kind):
    whole = run(tokens, tmp_path / "whole", kind)
    run(tokens, tmp_path / "cut", kind, "--stop-at", "3")
    cut = run(tokens, tmp_path / "cut", kind, "--resume")
    assert cut["step"] == whole["step"] == 8
    for key in ("model", "ema"):
        for name, value in whole[key].items():
            assert torch.equal(value, cut[key][name]), f"{key} {name}"
    rows = (tmp_path / "cut" / "log.csv").read_text().splitlines()
    assert [r.split(",")[0] for r in rows] == ["step", "3", "4", "8"]
    with pytest.raises(SystemExit):  # another schedule must not be mixed in
        run(tokens, tmp_path / "cut", kind, "--resume", "--steps", "9")


def test_same_data_for_all_models(tokens):
    z = encode.load(tokens / "tokens.npz", tokens / "entropies.npy")
    rule = train_ar.PatchRule(threshold=3.0)
    base, dpar = (train_ar.Batches(z, k, 58, rule, 0, "cpu") for k in ("baseline", "dpar"))
    for step in range(5):
        (x, y, _), (x2, y2, starts) = base.batch(step, 8, 0, 1), dpar.batch(step, 8, 0, 1)
        assert torch.equal(x, x2) and torch.equal(y, y2) and starts.shape == x.shape
        halves = [base.batch(step, 8, r, 2)[0] for r in (0, 1)]  # two ranks share the step's pictures
        assert torch.equal(torch.stack(halves, 1).flatten(0, 1), x)


def test_schedule():
    at = [learning_rate(s, 100, 1.0, 10) for s in (0, 9, 10, 55, 99, 100, 500)]
    assert at[0] == 0.1 and at[1] == at[2] == 1.0 and abs(at[3] - 0.5) < 1e-9 and at[5] == at[6] == 0.03
