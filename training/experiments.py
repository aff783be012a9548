"""The paper's tables on this data: CSV and plots, and a page of them.

    python experiments.py a b s --work WORK --dpar ../target/release/dpar --out ../docs/results    # the shipped model, drawn
    python experiments.py c d e --work WORK --dpar .. --out ..                             # small models, trained here first
    python experiments.py report --out ../docs/results                                     # -> ../docs/results.md

(a) DPAR against the fixed-length baseline   (b) thresholds and P_max, moved while drawing
(c) static / entropy / + P_max / + row reset
(d) the row-reset model of (c), trained at one threshold, drawn at +0.1 .. +0.5 nats, beside its static model
(e) dynamic RoPE against plain 2D   (s) guidance, temperature, top-p

WORK is recipe.sh's folder (data, tokens, entropies, validation). Each row is drawn by the engine (`dpar eval --sample`: the same
classes and seeds in every row), scored by evaluate.py and measured on the validation drawings by `dpar eval`. What is done stays
done: run it again after an interruption and it goes on. --dry prints the rows.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from evaluate import file_hash
from flops import summary
from results_page import TITLES, report

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "assets/model"
MANY, SOME = 5000, 1000  # samples of a row
ROW_RESET = "entropy_row_boundary"

# What every small model is trained with: 1/3/1 x 128, and a step sees what it sees in every other.
SMALL = dict(steps=4000, batch=16, dim=128, heads=2, lr=6e-3, muon_lr=1e-2, weight_decay=0.1, noise=0.05, warmup=100, log_every=200)
LAYERS = (1, 3, 1)


@dataclass(frozen=True)
class Small:
    """A small DPAR model, trained here at one threshold."""

    mode: str = ROW_RESET
    threshold: float = 3.3
    p_max: int = 4
    rope: str = "dynamic"

    @property
    def name(self):
        th = f"-{self.threshold:g}" if self.mode.startswith("entropy") else ""
        return f"{self.mode}{th}-p{self.p_max}" + ("" if self.rope == "dynamic" else f"-{self.rope}")


@dataclass(frozen=True)
class Row:
    """A row of a table: a model (None: the shipped one), what is said to `dpar eval` beyond its defaults, how many samples."""

    label: str
    small: Small | None = None
    baseline: bool = False
    flags: dict = field(default_factory=dict)
    samples: int = SOME

    @property
    def name(self):
        said = "".join(f"-{k}{v:g}" if isinstance(v, float | int) else f"-{v}" for k, v in self.flags.items())
        who = self.small.name if self.small else "shipped-baseline" if self.baseline else "shipped"
        return f"{who}{said}-{self.samples}"


def rows(table):
    """The rows of a table."""
    if table == "a":
        return [Row("baseline", baseline=True, samples=MANY), Row("DPAR", samples=MANY)]
    if table == "b":
        found = [Row(f"threshold {t:g}", flags={"threshold": t}) for t in (1.3, 2.3, 2.8, 3.3, 3.8, 4.8, 5.3, 6.3)]
        found.insert(5, Row("threshold 4.3, P_max 4: as shipped"))
        return found + [Row(f"P_max {p or 'unlimited'}", flags={"p-max": p}) for p in (1, 2, 3, 6, 8, 0)]
    if table == "c":
        steps = [Small("static", p_max=2), Small("entropy", p_max=0), Small("entropy"), Small()]
        return [Row(name, small) for name, small in zip(("static 2", "entropy", "+ P_max 4", "+ row reset"), steps)]
    if table == "d":
        moved = [round(0.1 * k, 1) for k in range(6)]
        found = [
            Row(f"+{m:g} nats", Small(), flags={"threshold": round(3.3 + m, 1)}, samples=MANY if m in (0, 0.3) else SOME)
            for m in moved
        ]
        return found + [Row(f"static 2, drawn at {p}", Small("static", p_max=2), flags={"p-max": p}) for p in (2, 3, 4)]
    if table == "e":
        return [Row("dynamic RoPE", Small()), Row("plain 2D RoPE", Small(rope="plain"))]
    # One at a time, from guidance 2, temperature 0.8 and top-p 0.85.
    moved = [("cfg", (1.0, 1.5, 2.5, 3.0, 4.0)), ("temperature", (0.7, 0.9, 1.0)), ("top-p", (0.75, 0.8, 0.9, 0.95, 1.0))]
    found = []
    for who, baseline in (("DPAR", False), ("baseline", True)):
        found.append(Row(f"{who}, as shipped", baseline=baseline))
        found += [Row(f"{who}, {flag} {v:g}", baseline=baseline, flags={flag: v}) for flag, values in moved for v in values]
    return found


COLUMNS = (
    "row model samples threshold p_max mode cfg temperature top_p val_nats frechet kernel kernel_error precision recall "
    "right_group right_group_error right_idea right_idea_error right_idea_of_five patch_length patch_steps "
    "inference_gflop train_gflop ms_a_picture as_near_as_copies_samples as_near_as_copies_training_pictures "
    "frechet_reconstructions frechet_real kernel_reconstructions kernel_real "
    "right_group_reconstructions right_idea_reconstructions right_idea_of_five_reconstructions"
).split()


class Bench:
    """Draws and measures."""

    def __init__(self, args):
        self.args, self.out = args, args.out
        self.runs = args.work / "experiments"
        self.tokens, self.entropies = args.work / "tokens/tokens.npz", args.work / "entropies/entropies.npy"
        self.classifier, self.data = args.classifier, args.work / "data"
        self.judge = file_hash(args.classifier)
        self.validation = args.work / "validation/validation.safetensors"

    def python(self, script, *args):
        threads = ["--threads", self.args.threads] if self.args.threads else []
        subprocess.run([sys.executable, *map(str, (HERE / script, *args, *threads))], check=True)

    def dpar(self, *args):
        """What `dpar eval` prints as JSON."""
        command = [self.args.dpar, "eval", *args, "--device", self.args.device, "--quiet", "--json"]
        return json.loads(subprocess.run([str(a) for a in command], check=True, stdout=subprocess.PIPE, text=True).stdout)

    def classes(self, count):
        path = self.runs / f"classes-{count}.safetensors"
        if not path.exists():
            self.python("evaluate.py", "classes", "--tokens", self.tokens, "--count", count, "--out", path)
        return path

    def folder(self, small):
        """The model folder of a row; a small model is trained first."""
        if small is None:
            return self.args.model
        run, folder = self.runs / "runs" / small.name, self.runs / "models" / small.name
        if not (run / "done").exists():
            flags = [f for k, v in SMALL.items() for f in (f"--{k.replace('_', '-')}", v)]
            flags += ["--layers", *LAYERS, "--mode", small.mode, "--threshold", small.threshold, "--p-max", small.p_max]
            where = ["--tokens", self.tokens, "--entropies", self.entropies, "--out", run, "--resume"]
            self.python("train_ar.py", "dpar", *where, *flags, "--patch-rope", small.rope)
            (run / "done").touch()
        if not (folder / "config.json").exists():
            write_folder(run, small, self.args.model, folder)
        return folder

    def figures(self, row):
        """All that is known of a row. What was drawn and measured stays; scores are made anew where the judge is another."""
        at, folder = self.runs / "rows" / row.name, self.folder(row.small)
        at.mkdir(parents=True, exist_ok=True)
        flags = [f for k, v in row.flags.items() for f in (f"--{k}", v)]
        samples = at / "samples.safetensors"

        def draw():
            who = ["--baseline"] if row.baseline else []
            begun = time.time()
            found = self.dpar(self.classes(MANY), "--model", folder, *who, *flags, "--sample", row.samples, "--out", samples)
            return found | dict(ms_as_drawn=1000 * (time.time() - begun) / row.samples)

        def measure():
            patching = [f for k, v in row.flags.items() if k in ("threshold", "p-max", "mode") for f in (f"--{k}", v)]
            measured = self.dpar(self.validation, "--model", folder, *patching)["rows"]
            return dict(val_nats=next(r["nats"] for r in measured if r["model"] == ("baseline" if row.baseline else "dpar")))

        def score():
            seen = ["--model", folder, "--data", self.data, "--classifier", self.classifier, "--samples", samples]
            seen += ["--kept", self.runs / "kept"]
            self.python("evaluate.py", "score", *seen, "--out", at, "--per-class", at / "classes.csv")
            return json.loads((at / "score.json").read_text())

        found = kept(at / "drawn.json", draw) | kept(at / "measured.json", measure)
        if self.args.unscored:
            return found
        found |= kept(at / f"score-{self.judge}.json", score)
        found |= cost(folder, row.baseline, found["patch_length"])
        return dict(row=row.label, model=row.small.name if row.small else "shipped") | found

    def pace(self):
        """Milliseconds a picture, 16 at once, of DPAR and of the baseline in turn: medians of three rounds of 64."""

        def measure():
            found = {"DPAR": [], "baseline": []}
            for who in [*found] * 3:
                flags, begun = ["--baseline"] if who == "baseline" else [], time.time()
                self.dpar(
                    self.classes(MANY), "--model", self.args.model, *flags, "--sample", 64, "--out", self.runs / "pace.safetensors"
                )
                found[who].append(1000 * (time.time() - begun) / 64)
            return {who: sorted(ms)[1] for who, ms in found.items()}

        return kept(self.runs / "pace.json", measure)


def kept(path, make):
    """What is in a file, made first where that is not there."""
    if not path.exists():
        text = json.dumps(make(), indent=1)
        path.with_suffix(".part").write_text(text + "\n")
        path.with_suffix(".part").replace(path)
    return json.loads(path.read_text())


def write_folder(run, small, shipped, folder):
    """A model folder of a small model, with the shipped tokenizer and entropy model."""
    from safetensors.torch import save_file

    from export import half
    from weights import load_run

    model, state = load_run(run)
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*shipped.glob("vq*.safetensors"), shipped / "entropy.safetensors"]:
        shutil.copy(path, folder)
    save_file(half(model), folder / "dpar.safetensors")
    config = json.loads((shipped / "config.json").read_text())
    config = {k: v for k, v in config.items() if k != "baseline"} | {"dpar": {k: state["cfg"][k] for k in config["dpar"]}}
    config["patching"] |= dict(mode=small.mode, threshold=small.threshold, max_patch_length=small.p_max)
    (folder / "config.json").write_text(json.dumps(config) + "\n")


def cost(folder, baseline, length):
    """GFLOP a picture: training (three forwards, the entropies once) and drawing with guidance; the entropy model is in both."""
    config = json.loads((folder / "config.json").read_text())
    patches = config["dpar"]["grid_size"] ** 2 / length
    found = summary(config, patches)
    names = ("baseline_inference", "baseline_train") if baseline else ("dpar_inference_with_entropy", "dpar_train_with_entropy")
    return dict(patch_steps=patches) | {k: found[n] / 1e9 for k, n in zip(("inference_gflop", "train_gflop"), names)}


def write(table, found, out):
    """The CSV of a table, with the rows that there are."""
    with open(out / f"table-{table}.csv", "w", newline="") as f:
        w = csv.DictWriter(f, COLUMNS)
        w.writeheader()
        w.writerows({k: f"{r[k]:.5g}" if isinstance(r.get(k), float) else r.get(k, "") for k in COLUMNS} for r in found)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("tables", nargs="+", choices=[*TITLES, "report"])
    add("--out", type=Path, required=True, help="where the CSVs and plots are kept")
    add("--work", type=Path, help="recipe.sh's folder")
    add("--model", type=Path, default=SHIPPED, help="the shipped model's folder")
    add("--classifier", type=Path, default=HERE / "classifier.safetensors", help="the judge (default: the one beside this file)")
    add("--dpar", help="the program")
    add("--device", default="cpu")
    add("--threads", type=int, default=0)
    add("--unscored", action="store_true", help="draw and measure only: tables are written when it is called again without this")
    add("--dry", action="store_true", help="print the rows")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    tables = [t for t in args.tables if t != "report"]
    if args.dry:
        return [print(t, row.name, row.label) for t in tables for row in rows(t)]
    if tables and not (args.work and args.dpar):
        parser.error("drawing needs --work and --dpar")
    for table in tables:
        bench, found = Bench(args), []
        bench.runs.mkdir(parents=True, exist_ok=True)
        for row in rows(table):
            found.append(bench.figures(row))
            if table == "a":
                found[-1]["ms_a_picture"] = bench.pace()[row.label]
            if not args.unscored:
                write(table, found, args.out)
            print(f"table {table}: {len(found)} of {len(rows(table))} rows", flush=True)
        if table == "a" and not args.unscored:
            shutil.copy(bench.runs / "rows" / rows("a")[-1].name / "nearest.png", args.out)
    if "report" in args.tables:
        report(args.out, args.classifier)


if __name__ == "__main__":
    main()
