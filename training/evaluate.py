"""How good the models are.

    python evaluate.py nll    --tokens tokens.npz --model DIR [--thresholds 2.3 3.3 4.3]                        # nats/token
    python evaluate.py sample --model DIR --kind dpar --count 5000 --cfg 2 --shard 0/4 --out RUN/samples        # a part
    python evaluate.py merge  --out RUN/samples                                                                # -> samples.npz
    python evaluate.py classes --tokens tokens.npz --count 5000 --out classes.safetensors   # for `dpar eval FILE --sample 5000`
    python evaluate.py score  --samples RUN/samples/samples.npz --model DIR --data DIR --classifier PT --out RUN/score
    python evaluate.py flops  --model DIR --patch-length 1.9

DIR is an exported model folder; instead of it --vq/--entropy/--dpar/--baseline name runs of the trainers. Sample k has seed k and
a name drawn with the training split's frequencies (the same for every model); parts can be made anywhere and merged. The engine
draws the same classes many times as fast: `classes` writes them down, `dpar eval classes.safetensors --sample N --out FILE`
draws, `score` reads FILE.
"""

import argparse
import csv
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import data
import encode
from augment import compose
from classifier import hits, idea_numbers, load_classifier, share
from flops import summary
from metrics import canonical, frechet, kernel_distance, nearest, precision_recall
from models import PatchRule
from models.generate import generate_dpar, generate_tokens
from sheets import sheet, to_uint8
from train_ar import Batches, validate
from trainer import World
from weights import load


def model_of(args, name, device):
    path = getattr(args, name) or args.model
    if not path:
        raise SystemExit(f"which {name}? Give --model or --{name}")
    return load(path, name, device)


def rule_of(args):
    if args.model and args.threshold is None:
        p = json.loads((Path(args.model) / "config.json").read_text())["patching"]
        return PatchRule(p["mode"], p["threshold"], p["max_patch_length"])
    return PatchRule(args.mode, 3.3 if args.threshold is None else args.threshold, args.p_max)


def write(path, figures):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


@torch.no_grad()
def nll(args, world):
    """Validation nats per token of the models there are; entropies from the entropy model itself, in f32."""
    from models import entropies

    z, out = encode.load(args.tokens), {}
    want = [n for n in ("entropy", "baseline", "dpar") if getattr(args, n) or args.model]
    rule = rule_of(args)
    models = {n: model_of(args, n, world.device) for n in want}
    val = np.flatnonzero(z["is_val"])
    if "dpar" in models and rule.needs_entropy:
        e = np.zeros(z["tokens"].shape, np.float32)
        for part in np.array_split(val, max(1, len(val) // 64)):
            x = torch.from_numpy(z["tokens"][0, part].astype(np.int64)).to(world.device)
            null = torch.full((len(part),), models["entropy"].c.num_classes, device=world.device)
            e[0, part] = entropies(models["entropy"](x, null)).cpu().numpy()
        z["entropies"] = e
    for n, m in models.items():
        if n == "dpar":
            thresholds = args.thresholds or [rule.threshold]
            for th in thresholds:
                r = PatchRule(rule.mode, th, rule.max_patch_length)
                v, length = validate(m, Batches(z, n, m.c.num_classes, r, 0, world.device), world.device, bf16=False)
                out[f"dpar@{th:g}"] = dict(nats=v, patch_length=length, patches=m.c.grid_size**2 / length)
        else:
            v, _ = validate(m, Batches(z, n, m.c.num_classes, rule, 0, world.device), world.device, bf16=False)
            out[n] = dict(nats=v)
    write(Path(args.out or "nll.json"), out)


def sample_classes(args, count):
    """(count,) int64: class of sample k, a name with the training split's frequency or, with --even, each name in turn."""
    if not args.tokens:
        raise SystemExit("sample needs --tokens: what has a name, and how often")
    z = np.load(args.tokens)
    train = ~z["is_val"] & (z["ideas"] >= 0)
    if args.even:
        known = np.unique(z["ideas"][train])
        return known[np.arange(count) % len(known)]
    p = np.bincount(z["ideas"][train], weights=z["weight"][train])  # as in training
    return np.random.default_rng(1234).choice(len(p), count, p=p / p.sum())


def classes(args, _world):
    """The class of each sample, as `dpar eval --sample` takes them; tokens are there for its format's sake."""
    y = sample_classes(args, args.count)
    tokens = np.load(args.tokens)["tokens"].shape[-1]
    save_file(dict(classes=y.astype(np.int64), tokens=np.zeros((len(y), tokens), np.uint8)), args.out)
    Path(args.out).chmod(0o644)
    print(f"{args.out}: {len(y)} classes, {len(np.unique(y))} different ones")


def groups_of(args):
    """(C,) group of each class, itself for a group: what the classifier tells apart. From --model's config, else from --tokens."""
    if args.model:
        config = json.loads((Path(args.model) / "config.json").read_text())
        parents = [-1 if p is None else p for p in config.get("parents", [None] * len(config["classes"]))]
    elif args.tokens:
        parents = np.load(args.tokens)["parents"].tolist()
    else:
        raise SystemExit("score needs --model or --tokens: the groups of the classes")
    return np.array([k if p < 0 else p for k, p in enumerate(parents)])


def sample(args, world):
    """Draws the samples of one shard, batch by batch; goes on from the batches already written."""
    i, n = map(int, args.shard.split("/"))
    classes = sample_classes(args, args.count)
    mine = np.arange(args.count)[i::n]
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    main = model_of(args, args.kind, world.device)
    rule = rule_of(args)
    judge = model_of(args, "entropy", world.device) if args.kind == "dpar" and rule.needs_entropy else None
    how = dict(cfg=args.cfg, temperature=args.temperature, top_k=args.top_k, top_p=args.top_p)
    (folder / "how.json").write_text(json.dumps(dict(kind=args.kind, rule=vars(rule), count=args.count, **how)) + "\n")
    for k in range(0, len(mine), args.batch):
        part, path = mine[k : k + args.batch], folder / f"part-{i}-of-{n}-{k:06d}.npz"
        if path.exists():
            continue
        y, seeds = (torch.from_numpy(v).to(world.device) for v in (classes[part], part.astype(np.int64)))
        t0 = time.time()
        if args.kind == "dpar":
            x, _, starts = generate_dpar(judge, main, y, seeds, rule, **how)
            patches = starts.sum(1).cpu().numpy()
        else:
            x = generate_tokens(main, y, seeds, **how)
            patches = np.full(len(part), x.shape[1])
        encode.save_npz(path, tokens=x.cpu().numpy().astype(np.int16), classes=classes[part], seeds=part, patches=patches)
        print(f"{k + len(part)} of {len(mine)}, {len(part) / (time.time() - t0):.2f} img/s", flush=True)


def merge(args, _world):
    """Parts -> samples.npz in the order of the seeds; complains about a shard that is missing."""
    folder = Path(args.out)
    how = json.loads((folder / "how.json").read_text())
    parts = [dict(np.load(p)) for p in sorted(folder.glob("part-*.npz"))]
    z = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    seeds, index = np.unique(z["seeds"], return_index=True)
    if len(seeds) != how["count"]:
        raise SystemExit(f"{folder} has {len(seeds)} of {how['count']} samples: a shard is missing")
    encode.save_npz(folder / "samples.npz", **{k: v[index] for k, v in z.items()})
    print(f"{folder}/samples.npz: {len(seeds)} samples, average patch length {z['tokens'].shape[1] / z['patches'].mean():.3f}")


@torch.no_grad()
def decode(vq, tokens, device, batch=32):
    """(N,T) -> pictures (N,3,H,W) on the CPU, in [-1,1]."""
    g = int(tokens.shape[1] ** 0.5)
    x = torch.from_numpy(tokens.astype(np.int64)).view(-1, g, g)
    return torch.cat([vq.decode_code(p.to(device)).float().clamp(-1, 1).cpu() for p in x.split(batch)])


def file_hash(path):
    """The first 12 digits of a file's SHA-256."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


@torch.no_grad()
def features(net, x, device):
    return torch.cat([net.features(p.to(device)).float().cpu() for p in x.split(64)])


def drawings(found, which, size, seed=None):
    """Drawings (N,3,size,size) in [-1,1]: as they are, or augmented by a seed."""
    g, parts = torch.Generator().manual_seed(seed or 0), np.array_split(which, max(1, len(which) // 64))
    return torch.cat([compose(np.asarray(found.images[p]), g, size, found.fill[p], augment=seed is not None) for p in parts])


@torch.no_grad()
def beside(args, world, net, vq, found, count, size):
    """What samples are scored against, `count` pictures of `size` pixels: features (count,192) of real ones, of others, and of the
    others' reconstructions; what the judge says of these (3,count: right group, right idea, right among five; -1 where they have
    no name); and for what is learnt by heart, a bank of all training drawings as `canonical` makes them, and how far copies and
    held-out drawings are from it. Kept in --kept, as it is the same for all samples."""
    path = args.kept and Path(args.kept) / f"beside-{file_hash(args.classifier)}-{count}-{size}.safetensors"
    if path and path.exists():
        return {k: torch.from_numpy(v) for k, v in load_file(path).items()}
    train, val = np.flatnonzero(~found.is_val), np.flatnonzero(found.is_val)
    rng, w = np.random.default_rng(11), data.picture_weights([found.rows[i] for i in train])
    one, other = (rng.choice(train, count, p=w) for _ in range(2))
    a, b = drawings(found, one, size, 1), drawings(found, other, size, 2)
    rebuild = lambda x: torch.cat([vq(p.to(world.device))[0].float().clamp(-1, 1).cpu() for p in x.split(32)])  # noqa: E731
    rebuilt = rebuild(b)
    names = ("real", "more_real", "reconstructions")
    known = {k: features(net, x, world.device) for k, x in zip(names, (a, b, rebuilt))}
    idea = idea_numbers(found)[1][other]
    said = torch.stack(list(hits(net, rebuilt.to(world.device), torch.from_numpy(found.cls[other]), idea))).float()
    said[1:, idea < 0] = -1
    known |= dict(said_of_reconstructions=said, bank=canonical(drawings(found, train, size)))
    known["copies_apart"], _ = nearest(canonical(rebuilt[: args.memory]), known["bank"])
    known["held_out_apart"], _ = nearest(canonical(rebuild(drawings(found, val, size, seed=3))), known["bank"])
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.numpy() for k, v in known.items()}, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    return known


@torch.no_grad()
def score(args, world):
    """Frechet distance, precision and recall, class agreement, memorisation; two floors to read them by."""
    z = load_file(args.samples) if str(args.samples).endswith(".safetensors") else np.load(args.samples)  # `dpar eval --sample`
    found = data.load(args.data)
    net, vq = load_classifier(args.classifier, world.device), model_of(args, "vq", world.device)
    if args.model and net.idea_head is not None:
        asked_for = json.loads((Path(args.model) / "config.json").read_text())["classes"]
        if asked_for != net.names:
            raise SystemExit(f"{args.classifier} knows other names than {args.model}: train it on the pictures of that model")
    fake = decode(vq, z["tokens"], world.device)
    known = beside(args, world, net, vq, found, len(fake), fake.shape[-1])
    fa, ff = known["real"], features(net, fake, world.device)
    out = dict(samples=len(fake), frechet=frechet(fa, ff))
    out |= dict(frechet_reconstructions=frechet(fa, known["reconstructions"]), frechet_real=frechet(fa, known["more_real"]))
    for name, f in (("", ff), ("_reconstructions", known["reconstructions"]), ("_real", known["more_real"])):
        out[f"kernel{name}"], out[f"kernel{name}_error"] = kernel_distance(fa, f)
    precision, recall = precision_recall(fa, ff)
    out |= dict(precision=precision, recall=recall)
    # What was asked for, and what the classifier takes it for.
    y, groups = np.asarray(z["classes"], np.int64), len(net.head.bias)
    asked = torch.from_numpy(groups_of(args)[y]), torch.from_numpy(np.where(y >= groups, y - groups, -1))
    right = hits(net.cpu(), fake, *asked)
    named = torch.from_numpy(y >= groups) & (net.idea_head is not None)
    for name, hit in zip(("group", "idea", "idea_of_five"), right):
        hit = hit if name == "group" else hit[named]
        out[f"right_{name}"], out[f"right_{name}_error"] = share(hit) if len(hit) else (0.0, 0.0)
    for name, hit in zip(("group", "idea", "idea_of_five"), known["said_of_reconstructions"]):
        out[f"right_{name}_reconstructions"] = float(hit[hit >= 0].mean()) if (hit >= 0).any() else 0.0
    if args.per_class:
        by_class(Path(args.per_class), y, right)
    out["patch_length"] = float(z["tokens"].shape[1] / z["patches"].mean())

    # Memorisation: distance to the nearest training drawing, beside pictures known to be copies or not.
    few = slice(0, args.memory)
    d_fake, index = nearest(canonical(fake[few]), known["bank"])
    d_copy, d_val = known["copies_apart"], known["held_out_apart"]
    limit = d_copy.quantile(0.95)
    for name, d in (("samples", d_fake), ("training_pictures", d_copy), ("validation_pictures", d_val)):
        out[f"nearest_{name}"] = [round(float(d.quantile(q)), 4) for q in (0.05, 0.5, 0.95)]
        out[f"as_near_as_copies_{name}"] = float((d <= limit).float().mean())
    order = d_fake.argsort()
    show = torch.cat([order[:: max(1, len(order) // 24)][:24]])
    train = np.flatnonzero(~found.is_val)
    plain = [drawings(found, train[index[show[k : k + 12]].numpy()], fake.shape[-1]) for k in range(0, len(show), 12)]
    rows = [t for k, p in zip(range(0, len(show), 12), plain) for t in (fake[few][show[k : k + 12]], p)]
    Path(args.out).mkdir(parents=True, exist_ok=True)
    sheet(np.concatenate([to_uint8(r) for r in rows]), 12, Path(args.out) / "nearest.png")
    write(Path(args.out) / "score.json", out)


def by_class(path, y, found):
    """CSV of each class: samples, share put into the right group, share taken for the right idea, for one of the five likeliest."""
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow("class samples right_group right_idea right_idea_of_five".split())
        for c in np.unique(y):
            mine = torch.from_numpy(y == c)
            w.writerow([c, int(mine.sum()), *(f"{float(hit[mine].float().mean()):.4g}" for hit in found)])


def flops(args, _world):
    config = json.loads((Path(args.model) / "config.json").read_text())
    tokens = config["entropy"]["grid_size"] ** 2
    write(args.out or "flops.json", {k: v / 1e9 for k, v in summary(config, tokens / args.patch_length).items()})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("what", choices=["nll", "sample", "merge", "classes", "score", "flops"])
    for name in ("model", "vq", "entropy", "dpar", "baseline", "tokens", "data", "samples", "classifier", "out"):
        add(f"--{name}")
    add("--kind", choices=["dpar", "baseline"], default="dpar")
    add("--count", type=int, default=5000)
    add("--batch", type=int, default=64)
    add("--shard", default="0/1", help="i/n: samples i, i+n, ..")
    add("--even", action="store_true", help="every class equally often")
    add("--mode", default="entropy_row_boundary")
    add("--threshold", type=float, help="nats (default: the model folder's)")
    add("--thresholds", type=float, nargs="+")
    add("--p-max", type=int, default=4)
    add("--cfg", type=float, default=2.0)
    add("--temperature", type=float, default=1.0)
    add("--top-k", type=int, default=0)
    add("--top-p", type=float, default=1.0)
    add("--patch-length", type=float, default=1.81)
    add("--per-class", help="CSV of each class's shares, for score")
    add("--kept", help="folder where score keeps what is the same for all samples")
    add("--memory", type=int, default=1000, help="samples whose nearest training drawing is looked for")
    add("--threads", type=int, default=0)
    args = parser.parse_args(argv)
    world = World(args.threads)
    {"nll": nll, "sample": sample, "merge": merge, "classes": classes, "score": score, "flops": flops}[args.what](args, world)


if __name__ == "__main__":
    main()
