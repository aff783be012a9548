"""Tokens and entropies of the augmented data set, once and offline (Algorithm 1 of the paper).

    python encode.py tokens    --data DIR --tokenizer RUN --out tokens.npz --augmentations 8
    python encode.py entropies --tokens tokens.npz --entropy RUN --out entropies.npy
    python encode.py threshold --tokens tokens.npz --entropies entropies.npy --length 1.97 --out threshold
    python encode.py validation --tokens tokens.npz --out validation.safetensors   # the held-out pictures, for `dpar eval`

tokens.npz: `tokens` int16 (A,N,T), A augmentations of N pictures; the labels (`label` of labels.py); `style` int8 (N,);
`size`, `seed`. entropies.npy: f32 (A,N,T), nats. `load` reads both.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

import data
import labels
import weights
from augment import compose
from models import PatchRule, entropies, patch_starts
from trainer import World, autocast, save_atomic


def save_npz(path, **arrays):
    part = Path(path).with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(path)


def tokenizer(path, device):
    """The tokenizer of a run or of a model folder, and pixels a side of its pictures."""
    config = Path(path) / "config.json"
    if not config.exists():
        model, state = weights.load_run(path, device)
        return model, state["size"]
    found = json.loads(config.read_text())
    grid = (found.get("entropy") or found["baseline"])["grid_size"]
    return weights.load(path, "vq", device), grid << (len(found["vq"]["ch_mult"]) - 1)


@torch.no_grad()
def encode_tokens(args):
    world = World(args.threads)
    pictures = data.load(args.data)
    marks = labels.label(pictures.rows, pictures.groups)  # before the long part: a bad list is said at once
    images = pictures.images
    model, size = tokenizer(args.tokenizer, world.device)
    model, n = model.to(memory_format=torch.channels_last), len(images)
    tokens, t0 = None, time.time()
    for a in range(args.augmentations):
        g = torch.Generator().manual_seed(args.seed * 1000 + a)
        for i in range(0, n, args.batch):
            part = slice(i, i + args.batch)
            x = compose(np.array(images[part]), g, size, pictures.fill[part])
            with autocast(world.device, args.bf16):
                index = model.encode(x.to(world.device, memory_format=torch.channels_last))[2].flatten(1)
            if tokens is None:
                tokens = np.zeros((args.augmentations, n, index.shape[1]), np.int16)
            tokens[a, i : i + args.batch] = index.cpu().numpy()
        print(f"augmentation {a + 1} of {args.augmentations}, {(a + 1) * n / (time.time() - t0):.1f} img/s", flush=True)
    styles = list(dict.fromkeys(r["style"] for r in pictures.rows))
    style = np.array([styles.index(r["style"]) for r in pictures.rows], np.int8)
    save_npz(args.out, tokens=tokens, **marks, style=style, size=size, seed=args.seed)


@torch.no_grad()
def encode_entropies(args):
    """Resumable: goes on from OUT.part.pt."""
    world = World(args.threads)
    z = np.load(args.tokens)
    tokens = z["tokens"].reshape(-1, z["tokens"].shape[-1])
    model = weights.load(args.entropy, "entropy", world.device)
    part = Path(args.out).with_suffix(".part.pt")
    out, done = np.zeros(tokens.shape, np.float32), 0
    if part.exists():
        s = torch.load(part, weights_only=False)
        out, done = s["out"], s["done"]
    t0, saved = time.time(), time.time()
    start = done
    while done < len(tokens):
        x = torch.from_numpy(tokens[done : done + args.batch].astype(np.int64)).to(world.device)
        null = torch.full((len(x),), model.c.num_classes, device=world.device)
        with autocast(world.device, args.bf16):
            logits = model(x, null)
        out[done : done + len(x)] = entropies(logits).cpu().numpy()
        done += len(x)
        if time.time() - saved > 120:
            save_atomic(dict(out=out, done=done), part)
            saved = time.time()
            print(f"{done} of {len(tokens)}, {(done - start) / (time.time() - t0):.1f} img/s", flush=True)
    np.save(args.out, out.reshape(z["tokens"].shape))
    part.unlink(missing_ok=True)
    print(f"{(done - start) / (time.time() - t0):.1f} img/s")
    q = np.linspace(0, 1, 11)
    print("entropy deciles, nats:", " ".join(f"{v:.2f}" for v in np.quantile(out, q)))
    grid = int(out.shape[1] ** 0.5)
    some = torch.from_numpy(out[:: max(1, len(out) // 2000)])
    for th in np.quantile(out, [0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7]):
        starts = patch_starts(some, PatchRule(threshold=float(th)), grid)
        print(f"threshold {th:.2f} nats: average patch length {starts.numel() / int(starts.sum()):.2f}")


def write_validation(args):
    """`tokens` (N,T) int64, `classes` (N,) int64 (names) of the validation split, first augmentation."""
    z = np.load(args.tokens)
    val = z["is_val"]
    out = dict(tokens=z["tokens"][0, val].astype(np.int64), classes=z["ideas"][val].astype(np.int64))
    save_file(out, args.out)
    Path(args.out).chmod(0o644)
    print(f"{args.out}: {len(out['classes'])} pictures")


def find_threshold(args):
    """The lowest threshold, in tenths of a nat, at which the training split's patches are `--length` tokens long on average."""
    z = load(args.tokens, args.entropies)
    train = np.flatnonzero(~z["is_val"])
    few = torch.from_numpy(np.asarray(z["entropies"][0, train[:: max(1, len(train) // 2000)]], np.float32))
    grid = int(few.shape[1] ** 0.5)
    for th in np.arange(0, 10.01, 0.1):
        starts = patch_starts(few, PatchRule(threshold=round(float(th), 1)), grid)
        length = starts.numel() / int(starts.sum())
        if length >= args.length:
            Path(args.out).write_text(f"{th:.1f}\n")
            return print(f"threshold {th:.1f} nats: average patch length {length:.3f}")
    raise SystemExit(f"no threshold up to 10 nats makes patches of {args.length} tokens (P_max 4, row reset)")


def load(tokens, ent=None):
    """-> dict of the arrays of tokens.npz, and `entropies` (A,N,T) where a file is given."""
    z = dict(np.load(tokens))
    if ent:
        z["entropies"] = np.load(ent, mmap_mode="r")
        if z["entropies"].shape != z["tokens"].shape:
            raise SystemExit(f"{ent} is not of {tokens}: {z['entropies'].shape} against {z['tokens'].shape}")
    return z


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tokens", "entropies", "threshold", "validation"])
    parser.add_argument("--data")
    parser.add_argument("--tokenizer", help="run of train_tokenizer.py, or a model folder")
    parser.add_argument("--tokens")
    parser.add_argument("--entropy", help="run of train_ar.py entropy, or a model folder")
    parser.add_argument("--entropies", help="entropies.npy, for threshold")
    parser.add_argument("--length", type=float, default=1.97, help="average patch length, for threshold")
    parser.add_argument("--out", required=True)
    parser.add_argument("--augmentations", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--bf16", action="store_true", help="faster; a few codes and entropies then differ from what the app computes"
    )
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    what = {"tokens": encode_tokens, "entropies": encode_entropies, "threshold": find_threshold, "validation": write_validation}
    what[args.what](args)


if __name__ == "__main__":
    main()
