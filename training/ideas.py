"""What comes out when each thing is asked for: a table of all ideas, and contact sheets of DPAR beside the baseline.

    python ideas.py --work WORK --dpar ../target/release/dpar --out ../docs/results      # -> ideas.csv, sheets-*.png

The engine draws every name 16 times with DPAR and 4 times with the baseline, with the same seeds; the classifier says for each idea
which share it puts into the right group, takes for the right idea, and has among its five likeliest. WORK is recipe.sh's folder.
What is drawn stays drawn: run it again after an interruption, or with another classifier.
"""

import argparse
import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

import evaluate
from classifier import hits, load_classifier
from experiments import HERE, SHIPPED, kept
from sheets import sheet, to_uint8
from weights import load

ROUNDS = dict(dpar=16, baseline=4)  # pictures of a name
SHOWN, SIDE = 4, 64  # of each on a sheet, pixels
LISTED = 240  # ideas on sheets
COLUMNS = "idea group samples right_group right_idea right_idea_of_five".split()


def asked(names, rounds):
    """(rounds * C,) classes: every name once, then again; so that fewer rounds are the first ones of more."""
    return np.tile(np.arange(names), rounds)


def draw(args, who, names, tokens):
    """Samples of each name by the engine: tokens (rounds * C, T)."""
    at = args.work / "experiments/ideas"
    at.mkdir(parents=True, exist_ok=True)
    wanted, found = at / f"{who}-classes.safetensors", at / f"{who}.safetensors"
    count = ROUNDS[who] * names
    if not wanted.exists():
        save_file(dict(classes=asked(names, ROUNDS[who]), tokens=np.zeros((count, tokens), np.uint8)), wanted)

    def drawn():
        flags = ["--baseline"] if who == "baseline" else []
        # What an interruption has left is gone on with.
        flags += ["--resume"] if found.exists() else []
        command = [args.dpar, "eval", wanted, "--model", args.model, *flags, "--sample", count, "--out", found, "--device", "cpu"]
        subprocess.run([*map(str, command), "--quiet"], check=True)
        return dict(count=count)

    kept(at / f"{who}.json", drawn)
    return load_file(found)["tokens"]


def judged(net, pictures, classes, parents):
    """-> a row of each idea: shares (3,), by class."""
    groups = len(net.head.bias)
    y = torch.from_numpy(classes)
    of_group = torch.from_numpy(np.where(parents < 0, np.arange(len(parents)), parents)[classes])
    right = hits(net, pictures, of_group, torch.where(y >= groups, y - groups, -1))
    return {int(c): [float(hit[y == c].float().mean()) for hit in right] for c in np.unique(classes)}


def sheets(pictures, order, names, out, file, columns):
    """One PNG: a row holds `columns` names, each with SHOWN pictures by DPAR, then as many by the baseline."""
    tiles, labels = [], []
    blank = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
    for k in range(0, len(order), columns):
        line = list(order[k : k + columns])
        labels.append(" | ".join(names[c] for c in line))
        for c in line:
            tiles += [*pictures["dpar"][c], *pictures["baseline"][c], *blank]
        tiles += [blank[0]] * (2 * SHOWN + 1) * (columns - len(line))
    path = out / file
    sheet(np.stack(tiles), columns * (2 * SHOWN + 1), path, labels)
    Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--work", type=Path, required=True, help="recipe.sh's folder")
    add("--out", type=Path, required=True, help="where the table and sheets are kept")
    add("--dpar", required=True, help="the program")
    add("--model", type=Path, default=SHIPPED, help="the model's folder")
    add("--classifier", type=Path, default=HERE / "classifier.safetensors", help="the judge")
    add("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    config = json.loads((args.model / "config.json").read_text())
    names, parents = config["classes"], np.array([-1 if p is None else p for p in config["parents"]])
    tokens = config["dpar"]["grid_size"] ** 2
    vq, net = load(args.model, "vq", "cpu"), load_classifier(args.classifier)
    if net.names != names:
        parser.error(f"{args.classifier} knows other names than {args.model}")
    pictures, found = {}, {}
    for who, rounds in ROUNDS.items():
        classes = asked(len(names), rounds)
        drawn = evaluate.decode(vq, draw(args, who, len(names), tokens), "cpu")
        found[who] = judged(net, drawn, classes, parents)
        small = to_uint8(torch.nn.functional.interpolate(drawn[: SHOWN * len(names)], SIDE, mode="area"))
        pictures[who] = small.reshape(SHOWN, len(names), SIDE, SIDE, 3).swapaxes(0, 1)  # (C, SHOWN, ..)
    ideas = np.flatnonzero(parents >= 0)
    ideas = ideas[np.argsort([-sum(found["dpar"][c]) for c in ideas], kind="stable")]
    with open(args.out / "ideas.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow([*COLUMNS, *(f"baseline_{c}" for c in COLUMNS[2:])])
        for c in ideas:
            figures = [(ROUNDS[who], *(f"{v:.4g}" for v in found[who][int(c)])) for who in ROUNDS]
            w.writerow([names[c], names[parents[c]], *figures[0], *figures[1]])
    sheets(pictures, np.flatnonzero(parents < 0), names, args.out, "sheet-groups.png", 2)
    even = ideas[np.linspace(0, len(ideas) - 1, LISTED).astype(int)]
    for k in range(4):
        part = even[k * LISTED // 4 : (k + 1) * LISTED // 4]
        sheets(pictures, part, names, args.out, f"sheet-ideas-{k + 1}.png", 2)
    print(args.out / "ideas.csv")


if __name__ == "__main__":
    main()
