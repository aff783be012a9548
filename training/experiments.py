"""The paper's tables on this data: trains what a table needs, samples, scores, writes CSV and plots. Everything that is done stays
done: run it again after an interruption and it goes on.

    python experiments.py a b c d e --data DIR --tokens tokens.npz --entropies entropies.npy --vq RUN --entropy RUN \\
        --classifier classifier.pt --out OUT --steps 4000 --samples 2000 --threshold 3.3

(a) DPAR against the fixed-length baseline   (b) threshold and P_max sweeps   (c) static / entropy / + P_max / + row reset
(d) trained at one threshold, sampled at +0.1 .. +0.5 nats, beside a static model   (e) dynamic RoPE against plain 2D
Every training has the same steps, batch, schedule, data order and total number of layers. --dry prints the list and its cost.
"""

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from flops import dpar_flops, token_model_flops
from models import ModelConfig

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Run:
    """One training."""

    kind: str = "dpar"
    mode: str = "entropy_row_boundary"
    threshold: float = 3.3
    p_max: int = 4
    rope: str = "dynamic"

    @property
    def name(self):
        if self.kind == "baseline":
            return "baseline"
        rope = "" if self.rope == "dynamic" else f"-{self.rope}"
        th = f"-{self.threshold:g}" if self.mode.startswith("entropy") else ""
        return f"{self.mode}{th}-p{self.p_max}{rope}"


def settings(table, th):
    """-> (label, training, sampling rule as (mode, threshold, p_max)) of a table's rows."""
    main, base = Run(threshold=th), Run("baseline")
    same = lambda r: (r.mode, r.threshold, r.p_max)  # noqa: E731
    rows = []
    if table == "a":
        rows = [("baseline", base, same(base)), ("DPAR", main, same(main))]
    if table == "b":
        for t in (-0.8, -0.4, 0.0, 0.4, 0.8):
            r = Run(threshold=round(th + t, 3))
            rows.append((f"threshold {r.threshold:g}", r, same(r)))
        for p in (1, 2, 4, 6, 8, 16):
            r = Run(threshold=th, p_max=p)
            rows.append((f"P_max {p}", r, same(r)))
    if table == "c":
        steps = [("static 2", Run(mode="static", p_max=2)), ("entropy", Run(mode="entropy", threshold=th, p_max=0))]
        steps += [("+ P_max 4", Run(mode="entropy", threshold=th)), ("+ row reset", main)]
        rows = [(label, r, same(r)) for label, r in steps]
    if table == "d":
        for d in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
            rows.append((f"DPAR +{d:g} nats", main, (main.mode, round(th + d, 3), main.p_max)))
        static = Run(mode="static", p_max=2)
        rows += [(f"static 2, sampled at {p}", static, ("static", 0.0, p)) for p in (2, 3, 4)]
    if table == "e":
        plain = Run(threshold=th, rope="plain")
        rows = [("dynamic RoPE", main, same(main)), ("plain 2D RoPE", plain, same(plain))]
    return rows


class Bench:
    def __init__(self, args):
        self.args, self.out = args, args.out
        total = sum(args.layers)
        self.layers = {"baseline": [total], "dpar": args.layers}

    def call(self, script, *args):
        cmd = [sys.executable, str(HERE / script), *map(str, args)]
        if self.args.dry:
            return print(" ".join(cmd[1:]))
        if self.args.threads:
            cmd += ["--threads", str(self.args.threads)]
        subprocess.run(cmd, check=True)

    def train(self, run):
        a, folder = self.args, self.out / "runs" / run.name
        if (folder / "done").exists():
            return folder
        cmd = [run.kind, "--tokens", a.tokens, "--out", folder, "--steps", a.steps, "--batch", a.batch, "--dim", a.dim]
        cmd += ["--heads", a.heads, "--codes", a.codes, "--lr", a.lr, "--muon-lr", a.muon_lr, "--weight-decay", a.weight_decay]
        cmd += ["--noise", a.noise, "--seed", a.seed, "--resume", "--layers", *self.layers[run.kind]]
        cmd += ["--warmup", min(a.warmup, a.steps // 10 + 1), "--log-every", a.log_every, "--dropout", a.dropout]
        if run.kind == "dpar":
            cmd += ["--entropies", a.entropies, "--mode", run.mode, "--threshold", run.threshold, "--p-max", run.p_max]
            cmd += ["--patch-rope", run.rope]
        self.call("train_ar.py", *cmd)
        if not a.dry:
            (folder / "done").touch()
        return folder

    def score(self, run, rule):
        """-> figures of a training sampled under a rule."""
        a, folder = self.args, self.train(run)
        mode, th, p = rule
        out = folder / f"samples-{mode}-{th:g}-p{p}-cfg{a.cfg:g}"
        if not (out / "score.json").exists():
            models = ["--vq", a.vq, "--entropy", a.entropy, f"--{run.kind}", folder]
            rules = ["--mode", mode, "--threshold", th, "--p-max", p]
            how = ["--cfg", a.cfg, "--temperature", a.temperature, "--top-p", a.top_p, "--tokens", a.tokens]
            draw = ["--kind", run.kind, "--count", a.samples, "--batch", a.sample_batch, "--out", out]
            self.call("evaluate.py", "sample", *models, *rules, *how, *draw)
            self.call("evaluate.py", "merge", "--out", out)
            seen = ["--data", a.data, "--classifier", a.classifier, "--tokens", a.tokens]
            seen += ["--samples", out / "samples.npz", "--out", out]
            self.call("evaluate.py", "score", *models, *seen)
            val = ["--entropy", a.entropy, f"--{run.kind}", folder, *rules, "--tokens", a.tokens, "--out", out / "nll.json"]
            self.call("evaluate.py", "nll", *val)
        if a.dry:
            return {}
        s, nll = json.loads((out / "score.json").read_text()), json.loads((out / "nll.json").read_text())
        key = next(k for k in nll if k.startswith(run.kind))
        return s | {"val_nats": nll[key]["nats"]} | self.cost(run, s["patch_length"])

    def cost(self, run, length):
        """GFLOP an image: training (3 forwards, the entropies once) and inference with two lanes, entropy model included."""
        import torch

        state = torch.load(self.out / "runs" / run.name / "last.pt", map_location="cpu", weights_only=False)
        c = ModelConfig.of(state["cfg"])
        tokens = c.grid_size**2
        if run.kind == "baseline":
            f = token_model_flops(c)
            return dict(patch_steps=tokens, train_gflop=3 * f / 1e9, inference_gflop=2 * f / 1e9)
        ent = torch.load(Path(self.args.entropy) / "last.pt", map_location="cpu", weights_only=False)["cfg"]
        e = token_model_flops(ModelConfig.of(ent)) if run.mode.startswith("entropy") else 0
        parts = dpar_flops(c, tokens / length)
        main, shared = sum(parts.values()), parts["encoder"]
        train, infer = 3 * main + e, shared + 2 * (main - shared) + e
        return dict(patch_steps=tokens / length, train_gflop=train / 1e9, inference_gflop=infer / 1e9)

    def curve(self, run):
        with open(self.out / "runs" / run.name / "log.csv", newline="") as f:
            return [(int(r["images"]), float(r["val_nats"])) for r in csv.DictReader(f)]


COLUMNS = (
    "row training steps images val_nats frechet precision recall class_agreement patch_length patch_steps train_gflop "
    "inference_gflop samples frechet_reconstructions frechet_real"
).split()


def plot(table, rows, bench, todo):
    """PNG beside the CSV: Frechet distance of each row and, for (a), the convergence curves."""
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    axes[0].barh([r["row"] for r in rows], [r["frechet"] for r in rows], color="#4477aa")
    axes[0].invert_yaxis()
    axes[0].set_xlabel("Fréchet distance (classifier features), lower is better")
    if table in "ae":
        for label, run, _ in todo:
            axes[1].plot(*zip(*bench.curve(run)), label=label)
        axes[1].set(xlabel="training images", ylabel="validation nats per token")
        axes[1].legend()
    else:
        axes[1].scatter([r["patch_length"] for r in rows], [r["val_nats"] for r in rows], color="#cc6677")
        for r in rows:
            axes[1].annotate(r["row"], (r["patch_length"], r["val_nats"]), fontsize=7)
        axes[1].set(xlabel="average patch length when sampling", ylabel="validation nats per token")
    fig.savefig(bench.out / f"table-{table}.png", dpi=110)
    plt.close(fig)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("tables", nargs="+", choices=list("abcde"))
    for name in ("data", "tokens", "entropies", "vq", "entropy", "classifier"):
        add(f"--{name}", required=True)
    add("--out", type=Path, required=True)
    add("--steps", type=int, default=4000)
    add("--batch", type=int, default=32)
    add("--lr", type=float, default=6e-3)
    add("--muon-lr", type=float, default=1e-2)
    add("--weight-decay", type=float, default=0.1)
    add("--noise", type=float, default=0.05)
    add("--warmup", type=int, default=100)
    add("--log-every", type=int, default=200)
    add("--dropout", type=float, default=0.0)
    add("--seed", type=int, default=0)
    add("--dim", type=int, default=192)
    add("--heads", type=int, default=3)
    add("--codes", type=int, default=1024)
    add("--layers", type=int, nargs=3, default=[1, 8, 3], help="of DPAR; the baseline has their sum")
    add("--threshold", type=float, default=3.3, help="the main model's, nats")
    add("--samples", type=int, default=2000)
    add("--sample-batch", type=int, default=64)
    add("--cfg", type=float, default=2.0)
    add("--temperature", type=float, default=1.0)
    add("--top-p", type=float, default=1.0)
    add("--threads", type=int, default=0)
    add("--dry", action="store_true")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(args)
    for table in args.tables:
        todo, rows = settings(table, args.threshold), []
        for label, run, rule in todo:
            figures = bench.score(run, rule)
            if not args.dry:
                own = dict(row=label, training=run.name, steps=args.steps, images=args.steps * args.batch)
                rows.append({k: (own | figures)[k] for k in COLUMNS})
        if args.dry:
            continue
        with open(args.out / f"table-{table}.csv", "w", newline="") as f:
            w = csv.DictWriter(f, COLUMNS)
            w.writeheader()
            w.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in r.items()} for r in rows)
        plot(table, rows, bench, todo)
        print(f"{args.out}/table-{table}.csv: {len(rows)} rows", flush=True)


if __name__ == "__main__":
    main()
