"""The trainers: resumed equals uninterrupted, same data for all models, labels, noise, thresholds, optimisers, number format."""

import signal

import numpy as np
import pytest
import torch

import data
import encode
import labels
import precision
import train_ar
import trainer
from models import ModelConfig, build
from trainer import learning_rate
from weights import load_run


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Small random tokens with a pattern to learn: 2 augmentations, 40 pictures of 8 ideas, an 8x8 grid."""
    path = tmp_path_factory.mktemp("tokens")
    rng = np.random.default_rng(0)
    cls, idea = np.arange(40) % 4, np.arange(40) % 8
    x = (idea[None, :, None] + np.arange(64) // 8 + rng.integers(0, 3, (2, 40, 64))) % 64
    rows = [
        dict(
            cls=data.CLASSES[c],
            idea=f"thing{i} of kind {'ab'[i % 2]}",
            style="noto",
            base="1F34E",
            split="val" if n < 5 else "train",
        )
        for n, (c, i) in enumerate(zip(cls, idea))
    ]
    z = labels.label([r | dict(named="thing7" not in r["idea"]) for r in rows], list(data.CLASSES))
    encode.save_npz(path / "tokens.npz", tokens=x.astype(np.int16), **z, style=np.zeros(40, np.int8), size=32, seed=0)
    np.save(path / "entropies.npy", rng.random((2, 40, 64)).astype(np.float32) * 6)
    return path


def run(path, out, kind, *more):
    layers = {"dpar": ["1", "1", "1"], "baseline": ["3"], "entropy": ["1"]}[kind]
    argv = [kind, "--tokens", path / "tokens.npz", "--out", out, "--dim", "64", "--heads", "4", "--codes", "64", "--steps", "8"]
    argv += ["--warmup", "2", "--batch", "4", "--log-every", "4", "--dropout", "0.1", "--token-dropout", "0.1", "--layers", *layers]
    argv += ["--noise", "0.05", "--jitter", "1"]
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
    with pytest.raises(SystemExit, match="other --muon-lr"):
        run(tokens, tmp_path / "cut", kind, "--resume", "--muon-lr", "1e-3")


def batches(path, kind, **how):
    z = encode.load(path / "tokens.npz", path / "entropies.npy")
    return train_ar.Batches(z, kind, len(z["names"]), train_ar.PatchRule(threshold=3.0), 0, "cpu", **how), z


def test_same_data_for_all_models(tokens):
    (base, _), (dpar, _) = batches(tokens, "baseline"), batches(tokens, "dpar", jitter=1.0)
    for step in range(5):
        (x, y, _), (x2, y2, starts) = base.batch(step, 8, 0, 1), dpar.batch(step, 8, 0, 1)
        assert torch.equal(x, x2) and torch.equal(y, y2) and starts.shape == x.shape
        halves = [base.batch(step, 8, r, 2)[0] for r in (0, 1)]  # two ranks share the step's pictures
        assert torch.equal(torch.stack(halves, 1).flatten(0, 1), x)


def test_labels_of_a_step(tokens):
    """A tenth the null class, a tenth the group, 0.15 the words, the others the name; without a name the words in its place."""
    b, z = batches(tokens, "baseline")
    i = np.repeat(np.flatnonzero(z["ideas"] >= 0)[:1], 20_000)
    y = b.label(i, np.random.default_rng(0).random(len(i)))
    share = lambda k: (y == k).mean()  # noqa: E731
    want = {len(z["names"]): 0.1, z["groups"][i[0]]: 0.1, z["words"][i[0]]: 0.15, z["ideas"][i[0]]: 0.65}
    assert all(abs(share(k) - p) < 0.01 for k, p in want.items()) and len(np.unique(y)) == 4
    nameless = np.repeat(np.flatnonzero(z["ideas"] < 0)[:1], 1000)
    y = b.label(nameless, np.random.default_rng(0).random(1000))
    assert (y == z["words"][nameless[0]]).mean() > 0.75 and set(y) == {
        len(z["names"]),
        z["groups"][nameless[0]],
        z["words"][nameless[0]],
    }
    assert (b.label(i[:3], np.ones(3)) == z["ideas"][i[0]]).all()  # validation: the name


def test_moved_thresholds(tokens):
    """A picture's entropies move together, by at most --jitter; validation's never do."""
    still, z = batches(tokens, "dpar")
    moved, _ = batches(tokens, "dpar", jitter=1.0)
    more = [int((moved.batch(s, 8, 0, 1)[2].sum(1) != still.batch(s, 8, 0, 1)[2].sum(1)).sum()) for s in range(4)]
    assert sum(more) > 16
    a, i = np.zeros(2, int), np.array([6, 7])
    up, rule = moved.take(a, i, shift=np.array([[0.5], [-0.5]]))[2], train_ar.PatchRule
    e = torch.from_numpy(z["entropies"][0, i])
    for k, threshold in enumerate((2.5, 3.5)):
        assert torch.equal(up[k : k + 1], train_ar.patch_starts(e[k : k + 1], rule(threshold=threshold), 8))
    assert all(torch.equal(s, t) for (_, _, s), (_, _, t) in zip(still.validation(), moved.validation()))


def test_noise():
    torch.manual_seed(0)
    x = torch.zeros(100, 256, dtype=torch.long)
    y = train_ar.noisy(x, 0.05, 1024)
    assert torch.equal(train_ar.noisy(x, 0.0, 1024), x) and abs((y != x).float().mean() - 0.05) < 0.005 and y.max() < 1024


def small(**how):
    return ModelConfig(dim=64, n_head=4, vocab_size=64, num_classes=5, grid_size=8, **how)


def test_optimizers():
    """Muon has the matrices between embeddings and output, AdamW everything else, each parameter once; norms and embeddings keep
    their weight."""
    torch.manual_seed(0)
    model = build(small(n_layer=1, n_local_encoder_layers=1, n_local_decoder_layers=1))
    model.cls_embedding.share(torch.ones(8, 3))
    name = {id(p): n for n, p in model.named_parameters()}
    opt = train_ar.optimizers(model, 1e-2, 1e-3, 0.1)
    muon, adam = ([[name[id(p)] for p in g["params"]] for g in o.param_groups] for o in opt.all)
    assert sorted(n for group in (*muon, *adam) for n in group) == sorted(name.values())
    assert {n.split(".")[-2] for n in muon[0]} == {"wqkv", "wo", "w1", "w2", "w3", "wq", "wk", "wv"}
    assert adam[1] == ["output.weight"] and "cls_embedding.parts.weight" in adam[0] and "tok_embeddings.weight" in adam[0]
    assert [g["weight_decay"] for g in opt.all[1].param_groups] == [0.0, 0.1]
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.randn_like(p)
    opt.step(0.5)
    assert [g["lr"] for o in opt.all for g in o.param_groups] == [5e-3, 5e-4, 5e-4]
    assert all(not torch.equal(p, before[n]) and p.grad is None for n, p in model.named_parameters())
    # A fresh AdamW moves by its rate; Muon's update is as large as AdamW's: 0.2 of the rate, root mean square.
    assert float((model.norm.weight.detach() - before["norm.weight"]).abs().max()) == pytest.approx(5e-4, rel=1e-3)
    w = model.layers[0].attention.wo.weight.detach() - before["layers.0.attention.wo.weight"] * (1 - 5e-3 * 0.1)
    assert float(w.square().mean().sqrt()) == pytest.approx(0.2 * 5e-3, rel=0.3)


def test_fold(tokens, tmp_path):
    """Exported rows are what training reads: own vector and parts. A run's model has plain rows."""
    state = run(tokens, tmp_path / "run", "baseline")
    c = ModelConfig.of(state["cfg"])
    model = build(c)
    model.cls_embedding.share(state["shares"])
    model.load_state_dict(state["ema"])
    y = torch.arange(c.num_classes + 1)
    with torch.no_grad():
        rows = model.cls_embedding(y)
        parts = model.cls_embedding(torch.tensor([c.num_classes + 1]))  # words alone
        assert torch.allclose(parts[0, 0], state["shares"][c.num_classes + 1] @ state["ema"]["cls_embedding.parts.weight"])
        plain, _ = load_run(tmp_path / "run")
        assert set(plain.state_dict()) == set(build(c).state_dict()) and torch.allclose(plain.cls_embedding(y), rows)
    assert (rows[-1] == state["ema"]["cls_embedding.embedding_table.weight"][-1]).all()  # the null class has no parts


def test_start_from_exported(tokens, tmp_path, capsys):
    """--init: the weights of a model folder, a fresh optimiser; another number of classes keeps all but their rows."""
    from safetensors.torch import save_file

    import export

    run(tokens, tmp_path / "run", "baseline")
    model, state = load_run(tmp_path / "run")
    half = export.half(model)
    save_file(half, tmp_path / "baseline.safetensors")
    begun = build(ModelConfig.of(state["cfg"]))
    begun.cls_embedding.share(state["shares"])
    trainer.start_from(begun, tmp_path / "baseline.safetensors")
    begun.cls_embedding.fold()
    assert all(torch.equal(v.half(), half[k]) for k, v in begun.state_dict().items())
    for source in (tmp_path / "baseline.safetensors", tmp_path / "run"):  # a run has parts, this model has none
        other = build(ModelConfig.of({**state["cfg"], "num_classes": 3}))
        trainer.start_from(other, source)
        assert "their rows start fresh" in capsys.readouterr().out
        assert torch.equal(other.norm.weight.half(), half["norm.weight"])
        assert torch.equal(other.cls_embedding.embedding_table.weight[-1].half(), half[trainer.TABLE][-1])
    for classes, parts in ((3, 2), (state["cfg"]["num_classes"], state["shares"].shape[1])):
        shared = build(ModelConfig.of({**state["cfg"], "num_classes": classes}))
        shared.cls_embedding.share(torch.ones(classes + 4, parts))
        trainer.start_from(shared, tmp_path / "run")
        shared.cls_embedding.fold()
        if classes != 3:
            assert torch.allclose(shared.cls_embedding.embedding_table.weight, model.cls_embedding.embedding_table.weight)
    with pytest.raises(SystemExit, match="other shapes"):
        trainer.start_from(build(small(n_layer=2)), tmp_path / "baseline.safetensors")
    with pytest.raises(SystemExit, match="neither"):
        trainer.start_from(other, tmp_path / "nothing.safetensors")
    done = run(
        tokens, tmp_path / "more", "baseline", "--init", tmp_path / "baseline.safetensors", "--lr", "1e-9", "--muon-lr", "1e-9"
    )
    assert done["step"] == 8 and torch.allclose(done["ema"]["norm.weight"].half(), half["norm.weight"], atol=1e-3)


@pytest.mark.parametrize(
    ("flags", "capability", "want"),
    [
        ({"avx2", "avx512f"}, "AVX512", False),
        ({"avx512f", "avx512_bf16"}, "AVX512", True),
        ({"avx512f", "amx_bf16", "avx512_bf16"}, "AVX512", True),
        ({"avx512f", "avx512_bf16"}, "AVX2", None),
        (set(), "DEFAULT", None),
    ],
)
def test_native_format(flags, capability, want):
    assert precision.native(torch.device("cpu"), flags, capability)[0] is want


def test_format_is_timed_where_unsure(monkeypatch, tmp_path):
    import time

    slow = lambda which: lambda bf16: time.sleep(0.02 if bf16 is which else 0.001)  # noqa: E731
    monkeypatch.setattr(precision, "native", lambda _: (None, "who knows"))
    assert precision.choose("cpu", None, slow(True))[0] is False and precision.choose("cpu", None, slow(False))[0] is True
    assert "who knows" in precision.choose("cpu", None, slow(True))[1] and precision.choose("cpu", True, None) == (True, "as asked")
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx512_bf16\nprocessor : 1\n")
    assert precision.cpu_flags(tmp_path / "cpuinfo") == {"fpu", "avx512_bf16"} and precision.cpu_flags(tmp_path / "none") is None


def test_timing_leaves_no_trace(tokens, tmp_path, monkeypatch, capsys):
    """Where three steps of each format were timed first, the run is the same to the bit."""
    run(tokens, tmp_path / "plain", "dpar", "--f32")
    monkeypatch.setattr(precision, "native", lambda _: (None, "who knows"))
    monkeypatch.setattr(precision.time, "perf_counter", iter(range(100)).__next__)  # a tie: f32
    run(tokens, tmp_path / "timed", "dpar")
    a, b = (torch.load(tmp_path / n / "last.pt", weights_only=False)["model"] for n in ("plain", "timed"))
    assert all(torch.equal(v, b[k]) for k, v in a.items()) and "in f32: who knows; a step takes" in capsys.readouterr().out


def test_another_machine_goes_on_and_says_so(tokens, tmp_path, monkeypatch, capsys):
    run(tokens, tmp_path / "run", "entropy", "--stop-at", "3", "--f32")
    monkeypatch.setattr(precision, "machine", lambda _: "an abacus")
    assert run(tokens, tmp_path / "run", "entropy", "--resume", "--f32", "--stop-at", "5")["machine"] == "an abacus"
    assert "goes on on an abacus in f32" in capsys.readouterr().out
    state = run(tokens, tmp_path / "run", "entropy", "--resume", "--bf16")
    assert (state["step"], state["format"]) == (8, "bf16")
    assert "begun on an abacus in f32, goes on on an abacus in bf16" in capsys.readouterr().out


def test_progress_is_said(tokens, tmp_path, capsys):
    run(tokens, tmp_path / "run", "entropy", "--steps", "40", "--log-every", "20")
    lines = capsys.readouterr().out.splitlines()
    assert "M parameters, in " in lines[0] and lines[0].endswith("from step 0")
    assert "pictures a second (first step" in lines[1] and "done in" in lines[1]
    assert lines[2].startswith("50%, ") and " left:  step 20" in lines[2] and lines[3].startswith("100%, 0 s left")


def test_initial_scales():
    """By width: deviations of 0.6 / sqrt(inputs) in matrices, 0.5 in embeddings, 0.3 in rows with parts, nothing in the output."""
    for dim in (64, 256):
        torch.manual_seed(0)
        model = build(ModelConfig(dim=dim, n_head=4, n_layer=1, n_local_encoder_layers=1, n_local_decoder_layers=1, num_classes=99))
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear):
                want = 0 if name == "output" else 0.6 * module.in_features**-0.5
                assert float(module.weight.detach().std()) == pytest.approx(want, rel=0.1), name
        assert float(model.tok_embeddings.weight.detach().std()) == pytest.approx(0.5, rel=0.05)
        model.cls_embedding.share(torch.ones(120, 200))
        for rows in (model.cls_embedding.embedding_table, model.cls_embedding.parts):
            assert float(rows.weight.detach().std()) == pytest.approx(0.3, rel=0.05)


def test_stopped_by_time_or_by_hand(tokens, tmp_path, monkeypatch):
    """--minutes and a signal end a run with a checkpoint, from which it goes on; a signal with exit code 130."""
    assert run(tokens, tmp_path / "short", "entropy", "--minutes", "1e-9")["step"] == 1
    assert run(tokens, tmp_path / "short", "entropy", "--resume")["step"] == 8

    class Pressed(trainer.Clock):
        def __init__(self, *how):
            super().__init__(*how)
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as m, pytest.raises(SystemExit) as end:
        m.setattr(trainer, "Clock", Pressed)
        run(tokens, tmp_path / "cut", "entropy")
    assert end.value.code == 130 and torch.load(tmp_path / "cut/last.pt", weights_only=False)["step"] == 1
    assert run(tokens, tmp_path / "cut", "entropy", "--resume")["step"] == 8


def test_schedule():
    at = [learning_rate(s, 100, 1.0, 10) for s in (0, 9, 10, 55, 99, 100, 500)]
    assert at[0] == 0.1 and at[1] == at[2] == 1.0 and abs(at[3] - 0.5) < 1e-9 and at[5] == at[6] == 0.03
