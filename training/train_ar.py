"""Trains the entropy model, the fixed-length baseline or DPAR on the tokens of encode.py (dpar.md section 8).

    python train_ar.py entropy  --tokens tokens.npz --out RUN --dim 192 --heads 3 --layers 2 --steps 2500 --resume
    python train_ar.py dpar     --tokens tokens.npz --entropies entropies.npy --out RUN --layers 1 8 3 --threshold 3.3 --resume
    python train_ar.py baseline --tokens tokens.npz --out RUN --layers 12 --resume
    torchrun --nproc-per-node N train_ar.py ...

Step s of every model with the same --seed and --batch sees the same pictures, augmentations and labels, under the same optimisers
and schedule. RUN/last.pt: weights, their mean (EMA), optimisers; RUN/log.csv: train and validation nats per token (train: with
noise, dropped labels, moved thresholds; validation: mean weights, every validation picture once, its own name).
"""

import argparse
import sys

import numpy as np
import torch
import torch.nn.functional as F

import encode
from models import MODES, ModelConfig, PatchRule, build, patch_starts
from trainer import Optimizers, World, autocast, common_arguments, seed_step, train
from weights import load

FIELDS = "step images seconds lr train_nats val_nats patch_length images_per_s".split()


class Batches:
    """Step -> (tokens (b,T), labels (b,), starts (b,T) or None) of this rank, on its device."""

    GROUP, WORDS = 0.1, 0.15  # shares of the labels that are the group alone, the words alone

    def __init__(self, z, kind, num_classes, rule, seed, device, dropout=0.1, jitter=0.0):
        self.tokens, self.groups, self.ideas, self.words = z["tokens"], z["groups"], z["ideas"], z["words"]
        self.kind, self.null, self.rule, self.seed, self.device, self.dropout = kind, num_classes, rule, seed, device, dropout
        self.jitter = jitter
        self.train, self.val = np.flatnonzero(~z["is_val"]), np.flatnonzero(z["is_val"])
        self.weight = z["weight"][self.train] / z["weight"][self.train].sum()
        self.grid = int(self.tokens.shape[-1] ** 0.5)
        self.entropies = z.get("entropies")
        if kind == "dpar" and self.rule.needs_entropy and self.entropies is None:
            sys.exit("DPAR with entropy patches needs --entropies (encode.py entropies)")

    def label(self, i, u):
        """Labels of pictures i (b,) by u (b,) in [0,1): below --class-dropout the null class, then GROUP the group, WORDS the words
        of the name without its own row; the others the name itself, or its words where the idea is not asked for by name."""
        cut = self.dropout
        y = np.where(self.ideas[i] < 0, self.words[i], self.ideas[i])
        y = np.where(u < cut + self.GROUP + self.WORDS, self.words[i], y)
        y = np.where(u < cut + self.GROUP, self.groups[i], y)
        return np.where(u < cut, self.null, y)

    def take(self, a, i, u=None, shift=0.0):
        """Augmentations a of pictures i; shift (b,) is added to their entropies (their threshold is that much lower)."""
        x = torch.from_numpy(self.tokens[a, i].astype(np.int64))
        y = torch.from_numpy(self.label(i, np.ones(len(i)) if u is None else u).astype(np.int64))
        if self.kind == "entropy":
            y = torch.full_like(y, self.null)
        starts = None
        if self.kind == "dpar":
            e = torch.zeros(x.shape)
            if self.entropies is not None:
                e = torch.from_numpy(self.entropies[a, i].astype(np.float32) + np.float32(shift))
            starts = patch_starts(e, self.rule, self.grid).to(self.device)
        return x.to(self.device), y.to(self.device), starts

    def batch(self, step, n, rank, ranks):
        rng = np.random.default_rng([self.seed, step])
        i = rng.choice(self.train, n, p=self.weight)
        a, u = rng.integers(0, len(self.tokens), n), rng.random(n)
        shift = rng.uniform(-self.jitter, self.jitter, (n, 1))
        mine = slice(rank, None, ranks)
        return self.take(a[mine], i[mine], u[mine], shift[mine])

    def validation(self, n=64, limit=0):
        """Batches of the validation pictures, each once, its first augmentation."""
        val = self.val if not limit else self.val[np.linspace(0, len(self.val) - 1, min(limit, len(self.val))).astype(int)]
        for k in range(0, len(val), n):
            yield self.take(np.zeros(len(val[k : k + n]), np.int64), val[k : k + n])


def noisy(x, share, codes):
    """Tokens x with `share` of them replaced by random codes: what a sampler's mistakes look like to the next token."""
    if not share:
        return x
    return torch.where(torch.rand(x.shape, device=x.device) < share, torch.randint_like(x, codes), x)


def forward(model, x, y, starts, judge=None):
    """`judge`: an entropy model whose hidden states DPAR is given."""
    if starts is None:
        return model(x, y)
    if judge is None:
        return model(x, y, starts)
    with torch.no_grad():
        states = judge.hidden(x, torch.full_like(y, judge.c.num_classes))
    return model(x, y, starts, states)


def nats(logits, x):
    """Mean cross-entropy over all tokens."""
    return F.cross_entropy(logits.float().flatten(0, 1), x.flatten())


@torch.no_grad()
def validate(model, batches, device, bf16=True, limit=0, judge=None):
    """-> validation nats per token, average patch length (1 without patches)."""
    training = model.training
    model.eval()
    total, count, patches = 0.0, 0, 0
    for x, y, starts in batches.validation(limit=limit):
        with autocast(device, bf16):
            logits = forward(model, x, y, starts, judge)
        total += float(nats(logits, x)) * x.numel()
        count += x.numel()
        patches += x.numel() if starts is None else int(starts.sum())
    model.train(training)
    return total / count, count / patches


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common_arguments(parser, steps=4_000, batch=32, lr=5e-3)
    add = parser.add_argument
    add("kind", choices=["entropy", "baseline", "dpar"])
    add("--tokens", required=True)
    add("--muon-lr", type=float, default=8e-3, help="of the matrices; --lr is that of embeddings, output and norms")
    add("--entropies")
    add("--layers", type=int, nargs="+", help="one number (token model), or three: patch encoder, transformer, decoder")
    add("--dim", type=int, default=192)
    add("--heads", type=int, default=3)
    add("--codes", type=int, default=1024)
    add("--dropout", type=float, default=0.0, help="in attention and feed-forward outputs of the (patch) transformer")
    add("--token-dropout", type=float, default=0.0, help="on the transformer's inputs")
    add("--class-dropout", type=float, default=0.1)
    add("--noise", type=float, default=0.0, help="share of input tokens replaced by random ones")
    add("--jitter", type=float, default=0.0, help="nats either way by which each picture's threshold differs (DPAR)")
    add("--mode", choices=MODES, default="entropy_row_boundary")
    add("--threshold", type=float, default=3.3, help="nats")
    add("--p-max", type=int, default=4, help="0: unlimited")
    add("--patch-rope", choices=["dynamic", "plain"], default="dynamic")
    add("--entropy-states", help="entropy model (a run or a model folder) whose last hidden states DPAR reads, too: a pilot")
    add("--val-limit", type=int, default=0, help="validation pictures a log row; 0 is all")
    args = parser.parse_args(argv)
    want = 3 if args.kind == "dpar" else 1
    args.layers = args.layers or {"entropy": [2], "baseline": [12], "dpar": [1, 8, 3]}[args.kind]
    if args.entropy_states and args.kind != "dpar":
        parser.error("--entropy-states is for dpar")
    if len(args.layers) != want:
        parser.error(f"--layers takes {want} number{'s' * (want > 1)} for {args.kind}")
    return args


def model_config(args, z, judge=None):
    e, g, d = args.layers if args.kind == "dpar" else (0, args.layers[0], 0)
    return ModelConfig(
        dim=args.dim,
        n_head=args.heads,
        n_layer=g,
        n_local_encoder_layers=e,
        n_local_decoder_layers=d,
        vocab_size=args.codes,
        num_classes=1 if args.kind == "entropy" else len(z["names"]),
        grid_size=int(z["tokens"].shape[-1] ** 0.5),
        token_dropout_p=args.token_dropout,
        dropout_p=args.dropout,
        class_dropout_prob=args.class_dropout,
        patch_rope=args.patch_rope,
        entropy_dim=judge.c.dim if judge else 0,
    )


def optimizers(model, muon_lr, lr, weight_decay):
    """Muon for the matrices between the embeddings and the output, AdamW for all else; embeddings and norms are not decayed."""
    named = dict(model.named_parameters())
    edge = lambda n: "embed" in n or n == "output.weight"  # noqa: E731
    inner = [p for n, p in named.items() if p.dim() == 2 and not edge(n)]
    kept = [p for n, p in named.items() if p.dim() < 2 or "embed" in n]
    groups = [dict(params=kept, weight_decay=0.0), dict(params=[named["output.weight"]], weight_decay=weight_decay)]
    muon = torch.optim.Muon(inner, muon_lr, weight_decay, adjust_lr_fn="match_rms_adamw")
    return Optimizers((muon, muon_lr), (torch.optim.AdamW(groups, lr, betas=(0.9, 0.99), fused=True), lr))


def main(argv=None):
    args = parse(argv)
    world = World(args.threads)
    z = encode.load(args.tokens, args.entropies)
    judge = load(args.entropy_states, "entropy", world.device) if args.entropy_states else None
    c = model_config(args, z, judge)
    rule = PatchRule(args.mode, args.threshold, args.p_max)
    seed_step(args.seed, 0)
    model = build(c).to(world.device).train()
    shares = None
    if args.kind != "entropy" and z["parts"].shape[1]:
        shares = torch.from_numpy(z["parts"]).to(world.device)
        model.cls_embedding.share(shares)
        model.to(world.device)
    batches = Batches(z, args.kind, c.num_classes, rule, args.seed, world.device, args.class_dropout, args.jitter)
    run = world.wrap(model)
    run = torch.compile(run) if args.compile else run

    def step_fn(step, bf16):
        x, y, starts = batches.batch(step, args.batch, world.rank, world.size)
        with autocast(world.device, bf16):
            logits = forward(run, noisy(x, args.noise, c.vocab_size), y, starts, judge)
        loss = nats(logits, x)
        return loss, dict(train_nats=loss)

    def validate_fn(bf16):
        val, length = validate(model, batches, world.device, bf16, args.val_limit, judge)
        return dict(val_nats=val, patch_length=length)

    facts = dict(cfg=vars(c), kind=args.kind, shares=shares, patching=vars(rule))
    opt = optimizers(model, args.muon_lr, args.lr, args.weight_decay)
    _, _, clock = train(args, world, model, opt, step_fn, validate_fn, FIELDS, facts=facts)
    world.close()
    clock.leave()


if __name__ == "__main__":
    main()
