"""Contact sheets to look at.

python contact_sheets.py data --data DIR --out PNG [--size 64]            # one row a class, augmented pictures of all styles
python contact_sheets.py samples --samples RUN/samples.npz --model DIR --out PNG   # one row a class, samples (evaluate.py)
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import data
from augment import compose
from sheets import sheet, to_uint8


def of_data(args):
    found = data.load(args.data)
    images, cls, groups = found.images, found.cls, found.groups
    rng, g = np.random.default_rng(args.seed), torch.Generator().manual_seed(args.seed)
    picks = [rng.choice(np.flatnonzero(cls == c), args.columns) for c in range(len(groups)) if (cls == c).any()]
    names = [groups[cls[p[0]]] for p in picks]
    index = np.concatenate(picks)
    x = compose(images[index], g, args.size, found.fill[index], augment=not args.plain)
    sheet(x, args.columns, args.out, names)


@torch.no_grad()
def of_samples(args):
    from weights import load

    z = np.load(args.samples)
    vq = load(args.model, "vq")
    grid = int(z["tokens"].shape[1] ** 0.5)
    classes = json.loads((Path(args.model) / "config.json").read_text())["classes"]
    picks = [np.flatnonzero(z["classes"] == c)[: args.columns] for c in range(len(classes))]
    picks = [p for p in picks if len(p) == args.columns]
    names = [classes[z["classes"][p[0]]] for p in picks]
    pages = []
    for p in picks:
        tokens = torch.from_numpy(z["tokens"][p].astype(np.int64)).view(-1, grid, grid)
        pages.append(to_uint8(vq.decode_code(tokens)))
    sheet(np.concatenate(pages), args.columns, args.out, names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["data", "samples"])
    parser.add_argument("--data", help="folder of data.py")
    parser.add_argument("--samples", help="samples.npz of evaluate.py sample")
    parser.add_argument("--model", help="exported model folder (its vq.safetensors draws the samples)")
    parser.add_argument("--out", required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="no augmentation")
    args = parser.parse_args()
    {"data": of_data, "samples": of_samples}[args.what](args)


if __name__ == "__main__":
    main()
