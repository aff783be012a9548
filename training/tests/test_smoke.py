"""The whole chain on a tiny data set: tokenizer, tokens, entropy model, baseline, DPAR, samples, scores, export; minutes on a CPU.

Pictures: DPAR_DATA=DIR takes a folder of data.py; without it, drawn shapes in the same layout (no network in the tests).
DPAR_SMOKE_OUT=DIR keeps the exported folder with `expected.safetensors`: tests/fixtures/smoke was written so.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TRAINING
from PIL import Image, ImageDraw
from safetensors.torch import load_file

import data

WANTED = (data.HERE / "ideas.txt").read_text().splitlines()
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}  # quick beside other work: two threads spin on each other


def python(script, *args):
    r = subprocess.run(
        [sys.executable, script, *map(str, args)], cwd=TRAINING, capture_output=True, text=True, timeout=900, env=ENV
    )
    assert r.returncode == 0, f"{script} {args}\n{r.stdout}\n{r.stderr}"
    return r.stdout


def drawn(path, n=60):
    """n coloured shapes as images.npy and manifest.jsonl."""
    rng = np.random.default_rng(0)
    images, rows = np.zeros((n, 128, 128, 4), np.uint8), []
    for i in range(n):
        page = Image.new("RGBA", (128, 128))
        colour = (*map(int, rng.integers(0, 256, 3)), 255)
        shape = [ImageDraw.Draw(page).ellipse, ImageDraw.Draw(page).rectangle][i % 2]
        shape((10, 10 + i % 20, 118 - i % 30, 118), fill=colour)
        images[i] = np.asarray(page)
        held = "val" if i % 6 == i // 6 else "train"
        row = dict(cls=data.CLASSES[i % 6], idea=WANTED[i % 12], style=data.STYLES[i % 5], split=held, base=f"1F3{i % 12:02X}")
        rows.append(row | dict(keywords=["shape"], named=row["style"] in data.NAMED_STYLES))
    np.save(path / "images.npy", images)
    data.write(path, rows, data.CLASSES)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    t = tmp_path_factory.mktemp("chain")
    pictures = Path(os.environ.get("DPAR_DATA", t))
    if pictures == t:
        drawn(t)
    quick = ["--log-every", 50, "--warmup", 2, "--ema", "0.9", "--threads", 1]
    python("classifier.py", "--data", pictures, "--out", t / "classifier", "--steps", 3, "--batch", 8, *quick)
    vq = "--size 32 --ch 8 --ch-mult 1 2 2 --z 8 --codes 64 --steps 80 --batch 8 --lr 3e-3 --free 30".split()
    judge = t / "classifier/classifier.safetensors"
    losses = ["--perceptual", 0.1, "--classifier", judge, "--adversarial", 0.1, "--adversarial-from", 70]
    for part in (["--stop-at", 20], ["--resume"]):  # cut off before there are codes, and gone on with
        python("train_tokenizer.py", "--data", pictures, "--out", t / "vq", *vq, *losses, *quick, *part)
    tokens, ents = t / "tokens.npz", t / "entropies.npy"
    python("encode.py", "tokens", "--data", pictures, "--tokenizer", t / "vq", "--out", tokens, "--augmentations", 2)
    small = ["--tokens", tokens, "--dim", 64, "--heads", 4, "--codes", 64, "--steps", 100, "--batch", 8, "--lr", "3e-3", *quick]
    python("train_ar.py", "entropy", "--out", t / "entropy", "--layers", 1, *small)
    python("encode.py", "entropies", "--tokens", tokens, "--entropy", t / "entropy", "--out", ents)
    python("encode.py", "threshold", "--tokens", tokens, "--entropies", ents, "--length", "1.5", "--out", t / "threshold")
    threshold = float((t / "threshold").read_text())
    python("train_ar.py", "baseline", "--out", t / "baseline", "--layers", 3, *small)
    python("train_ar.py", "dpar", "--out", t / "dpar", "--layers", 1, 1, 1, "--entropies", ents, "--threshold", threshold, *small)
    runs = [a for n in ("vq", "entropy", "dpar", "baseline") for a in (f"--{n}", t / n)]
    check = ["--expected", t / "model/expected.safetensors", "--count", 2]
    names = np.load(tokens)["names"]
    best = ["--featured", *names[[-1, -3]], "--unclear", names[-2]]
    python("export.py", *runs, "--tokens", tokens, "--out", t / "model", *check, *best)
    if os.environ.get("DPAR_SMOKE_OUT"):
        shutil.copytree(t / "model", os.environ["DPAR_SMOKE_OUT"], dirs_exist_ok=True)
    return t, pictures


def test_exported(chain):
    folder = chain[0] / "model"
    config = json.loads((folder / "config.json").read_text())
    shipped = json.loads((data.HERE.parent / "assets/model/config.json").read_text())
    more = {"parents", "emoji", "keywords", "featured", "unclear"}
    assert set(config) - {"aliases"} == (set(shipped) | more) - {"aliases"}  # aliases: of real drawings only
    assert {len(config[k]) for k in ("classes", "parents", "emoji", "keywords")} == {config["dpar"]["num_classes"]}
    assert config["featured"] == [config["classes"][-1], config["classes"][-3]]
    assert config["unclear"] == [config["classes"][-2]]
    assert all(set(config[k]) == set(shipped[k]) for k in ("vq", "dpar", "entropy", "patching"))
    assert all(v.dtype == torch.float16 for n in ("vq", "dpar") for v in load_file(folder / f"{n}.safetensors").values())
    e = load_file(folder / "expected.safetensors")
    assert e["mix_dpar_logits"].shape == e["mix_baseline_logits"].shape == (1, 64, 64) and e["mix_weights"].sum() == 1
    runs = json.loads((folder / "runs.json").read_text())
    assert [("terms" in r, r.get("baseline", False)) for r in runs] == [(False, False)] * 6 + [(True, False)] * 2 + [
        (False, True),
        (True, True),
    ]
    assert e["dpar_logits"].shape == (2, 64, 64) and e["dpar_logits"].abs().max() > 0.1 and e["decoded"].shape == (2, 3, 32, 32)
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert done.returncode == 0


def test_unknown_names_are_not_featured(chain, tmp_path):
    t = chain[0]
    runs = [a for n in ("vq", "entropy", "dpar") for a in (f"--{n}", t / n)]
    cmd = [sys.executable, "export.py", *runs, "--tokens", t / "tokens.npz", "--out", tmp_path / "m", "--featured", "red unicorn"]
    r = subprocess.run([str(a) for a in cmd], cwd=TRAINING, capture_output=True, text=True, env=ENV)
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and "'red unicorn'" in r.stderr and "no such name" in r.stderr
    assert not (tmp_path / "m").exists()


def test_rust_engine(chain):
    """Where a built `dpar` is named (DPAR_BIN), it loads the folder and draws what PyTorch draws."""
    if not os.environ.get("DPAR_BIN"):
        pytest.skip("set DPAR_BIN to a built dpar")
    from models import PatchRule
    from models.generate import generate_dpar
    from weights import load_exported

    folder = chain[0] / "model"
    cmd = [os.environ["DPAR_BIN"], "generate", "--model", folder, "--device", "cpu", "--class", "0", "--seed", "3"]
    trace = chain[0] / "trace.json"
    cmd += ["--trace", trace, "--out", chain[0] / "out.png", "--cfg", "2", "--temperature", "1", "--top-p", "0.9"]
    r = subprocess.run([str(a) for a in cmd], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    p = json.loads((folder / "config.json").read_text())["patching"]
    rule = PatchRule(p["mode"], p["threshold"], p["max_patch_length"])
    m = {n: load_exported(folder, n) for n in ("entropy", "dpar")}
    x, _, _ = generate_dpar(m["entropy"], m["dpar"], torch.tensor([0]), torch.tensor([3]), rule, 2.0, top_p=0.9)
    assert json.loads(trace.read_text())["runs"][0]["tokens"] == x[0].tolist()


def test_rust_evaluation(chain):
    """`dpar eval` measures what evaluate.py measures, and draws what evaluate.py scores."""
    if not os.environ.get("DPAR_BIN"):
        pytest.skip("set DPAR_BIN to a built dpar")
    t, pictures = chain
    held, model = t / "validation.safetensors", t / "model"
    python("encode.py", "validation", "--tokens", t / "tokens.npz", "--out", held)
    python("evaluate.py", "nll", "--tokens", t / "tokens.npz", "--model", model, "--out", t / "nll.json")
    mine = json.loads((t / "nll.json").read_text())

    def dpar(*args):
        cmd = [os.environ["DPAR_BIN"], "eval", held, "--model", model, "--device", "cpu", *args]
        r = subprocess.run([str(a) for a in cmd], capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        return r.stdout

    rows = {r["model"]: r for r in json.loads(dpar("--json"))["rows"]}
    for name in ("entropy", "baseline", "dpar"):
        key = next(k for k in mine if k.startswith(name))
        assert abs(rows[name]["nats"] - mine[key]["nats"]) < 1e-3
        assert abs(rows[name]["patch_length"] - mine[key].get("patch_length", 1)) < 0.02  # an entropy may tie with the threshold
    dpar("--sample", 30, "--out", t / "drawn.safetensors")
    how = ["--samples", t / "drawn.safetensors", "--model", model, "--data", pictures]
    python("evaluate.py", "score", *how, "--classifier", t / "classifier/classifier.safetensors", "--out", t / "score-rust")
    assert json.loads((t / "score-rust/score.json").read_text())["samples"] == 30


def test_shards_merge_and_scores(chain):
    t, pictures = chain
    for kind in ("dpar", "baseline"):
        out, how = t / kind / "samples", ["--model", t / "model", "--kind", kind, "--tokens", t / "tokens.npz", "--count", 24]
        for shard in ("0/2", "1/2"):
            python("evaluate.py", "sample", *how, "--batch", 7, "--shard", shard, "--out", out)
        python("evaluate.py", "merge", "--out", out)
        python("evaluate.py", "sample", *how, "--batch", 24, "--out", t / kind / "whole")
        python("evaluate.py", "merge", "--out", t / kind / "whole")
        a, b = np.load(out / "samples.npz"), np.load(t / kind / "whole/samples.npz")
        assert (a["seeds"] == np.arange(24)).all() and (a["classes"] == b["classes"]).all()
        assert (a["tokens"] == b["tokens"]).mean() > 0.98  # other batches round otherwise, a tie may fall the other way
    score = ["--samples", t / "dpar/samples/samples.npz", "--model", t / "model", "--data", pictures]
    python("evaluate.py", "score", *score, "--classifier", t / "classifier/classifier.safetensors", "--out", t / "score")
    s = json.loads((t / "score/score.json").read_text())
    assert s["frechet"] > 0 and s["frechet_real"] >= 0 and 1 <= s["patch_length"] <= 4
    python("evaluate.py", "nll", "--tokens", t / "tokens.npz", "--model", t / "model", "--out", t / "nll.json")
    assert 0 < json.loads((t / "nll.json").read_text())["baseline"]["nats"] < 6
    python("evaluate.py", "flops", "--model", t / "model", "--out", t / "flops.json")
    lines = python("speed.py", t / "model", "--pictures", 1, 3, "--threads", 1, "--rounds", 1).splitlines()
    lines = [json.loads(line) for line in lines]
    assert [(line["generator"], line["pictures"]) for line in lines] == [(g, n) for n in (1, 3) for g in ("dpar", "baseline")]
    assert all(line["ms_per_token"] > 0 and line["patch_length"] >= 1 for line in lines)
    python("contact_sheets.py", "data", "--data", pictures, "--out", t / "sheet.png", "--columns", 4)
