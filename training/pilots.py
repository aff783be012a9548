"""Small trainings that ask what the next model should be: each differs from the first in one thing.

    python pilots.py NAME .. --work WORK --out ../docs/results/pilots      # `all`, or `--list`
    python pilots.py report --out ../docs/results/pilots                   # -> pilots.csv, pilots.png, beside the curves

WORK is recipe.sh's folder (tokens, entropies). All are 1/3/1 x 128 (a baseline: 5 x 128), 4,000 steps of 16 pictures, the same for
every one; OUT/NAME.csv is a run's curve. A training that was cut off goes on when it is asked for again; what is done stays done.
"""

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from experiments import LAYERS, SHIPPED, SMALL

HERE = Path(__file__).resolve().parent

# Name -> what it is (dpar, or baseline), what is asked, what is said to train_ar.py beyond or instead of SMALL's.
PILOTS = {
    "dpar": ("dpar", "the one that others are compared with", {}),
    "seed": ("dpar", "another seed: how much is chance", dict(seed=1)),
    "baseline": ("baseline", "the fixed-length baseline of as many layers", dict(layers=[sum(LAYERS)])),
    "entropy-states": (
        "dpar",
        "the entropy model's last hidden state in the decoder's input, too",
        dict(entropy_states=SHIPPED),
    ),
    "decoder": ("dpar", "a second decoder layer for a transformer layer: 1/2/2", dict(layers=[1, 2, 2])),
    "noise": ("dpar", "10 % random input tokens", dict(noise=0.1)),
    "no-noise": ("dpar", "no random input tokens", dict(noise=0.0)),
    "dropout": ("dpar", "dropout 0.1 in the patch transformer", dict(dropout=0.1)),
    "decay": ("dpar", "weight decay 0.2", dict(weight_decay=0.2)),
    "jitter": ("dpar", "thresholds moved by up to one nat, as in the shipped model", dict(jitter=1.0)),
    "wide": ("dpar", "160 wide", dict(dim=160)),
    "multiply-adds": ("dpar", "as many multiply-adds in training as the baseline, entropies aside: 1/6/1", dict(layers=[1, 6, 1])),
    "short-mean": ("dpar", "mean weights over 200 steps instead of 1,000", dict(ema=0.995)),
}


def command(name, work, run, threads):
    """How train_ar.py is called for a pilot."""
    kind, _, changed = PILOTS[name]
    flags = SMALL | dict(layers=LAYERS) | changed
    where = ["--tokens", work / "tokens/tokens.npz", "--out", run, "--resume"]
    if kind == "dpar":
        where += ["--entropies", work / "entropies/entropies.npy", "--threshold", 3.3, "--p-max", 4]
    words = [w for k, v in flags.items() for w in (f"--{k.replace('_', '-')}", *(v if isinstance(v, list | tuple) else [v]))]
    return [sys.executable, HERE / "train_ar.py", kind, *where, *words, *(["--threads", threads] if threads else [])]


def curve(path):
    with open(path, newline="") as f:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]


COLUMNS = "pilot what steps val_nats best_val_nats train_nats patch_length minutes pictures_per_s".split()


def rows(out):
    """A row of each pilot that is done; speeds are those of a shared machine."""
    found = []
    for name, (_, what, _) in PILOTS.items():
        if (out / f"{name}.csv").exists():
            c = curve(out / f"{name}.csv")
            last, minutes = c[-1], c[-1]["seconds"] / 60
            found.append(
                dict(pilot=name, what=what, steps=int(last["step"]), val_nats=last["val_nats"], train_nats=last["train_nats"])
                | dict(best_val_nats=min(r["val_nats"] for r in c), patch_length=last["patch_length"])
                | dict(minutes=minutes, pictures_per_s=last["images"] / last["seconds"])
            )
    return found


def report(out):
    found = rows(out)
    with open(out / "pilots.csv", "w", newline="") as f:
        w = csv.DictWriter(f, COLUMNS)
        w.writeheader()
        w.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in r.items()} for r in found)
    fig, axes = plt.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    for row in found:
        c = [r for r in curve(out / f"{row['pilot']}.csv") if r["step"] >= 600]
        for axis, of in zip(axes, ("images", "seconds")):
            axis.plot([r[of] for r in c], [r["val_nats"] for r in c], label=row["pilot"], linewidth=1)
    axes[0].set(xlabel="pictures seen", ylabel="validation nats a token")
    axes[1].set(xlabel="seconds on a shared machine of two cores")
    axes[0].legend(fontsize=8)
    fig.savefig(out / "pilots.png", dpi=100)
    plt.close(fig)
    print(out / "pilots.csv")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("names", nargs="*", help="pilots, `all`, or `report`")
    add("--list", action="store_true", help="what there is")
    add("--work", type=Path, help="recipe.sh's folder")
    add("--out", type=Path, default=HERE.parent / "docs/results/pilots", help="where curves are kept")
    add("--threads", type=int, default=0)
    args = parser.parse_args(argv)
    if args.list:
        return [print(f"{name:15} {what}") for name, (_, what, _) in PILOTS.items()]
    names = list(PILOTS) if "all" in args.names else [n for n in args.names if n != "report"]
    unknown = [n for n in names if n not in PILOTS]
    if unknown or not args.names:
        parser.error(f"no pilot {', '.join(map(repr, unknown)) or 'named'}: --list says which there are")
    if names and not args.work:
        parser.error("training needs --work")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (args.out / f"{name}.csv").exists():
            run = args.work / "experiments/pilots" / name
            subprocess.run([str(a) for a in command(name, args.work, run, args.threads)], check=True)
            shutil.copy(run / "log.csv", args.out / f"{name}.csv")
    report(args.out)


if __name__ == "__main__":
    main()
