"""Trains the entropy model, the fixed-length baseline or DPAR on the tokens of encode.py (dpar.md section 8).

    python train_ar.py entropy  --tokens tokens.npz --out RUN --dim 192 --heads 6 --layers 4 --steps 4000 --resume
    python train_ar.py dpar     --tokens tokens.npz --entropies entropies.npy --out RUN --layers 1 5 2 --threshold 5.2 --resume
    python train_ar.py baseline --tokens tokens.npz --out RUN --layers 8 --resume
    torchrun --nproc-per-node N train_ar.py ...

Step s of every model with the same --seed and --batch sees the same pictures, augmentations and dropped classes, under the same
optimiser and schedule. RUN/last.pt: weights, their mean (EMA), optimiser; RUN/log.csv: train and validation nats per token
(validation: mean weights, every validation picture once, its own class).
"""

import argparse
import sys

import numpy as np
import torch
import torch.nn.functional as F

import data
import encode
from models import MODES, ModelConfig, PatchRule, build, patch_starts
from trainer import Clock, Ema, Log, World, autocast, common_arguments, learning_rate, open_run, plain, save_atomic, seed_step

FIELDS = "step images seconds lr train_nats val_nats patch_length images_per_s".split()


class Batches:
    """Step -> (tokens (b,T), classes (b,), starts (b,T) or None) of this rank, on its device."""

    def __init__(self, z, kind, num_classes, rule, seed, device, dropout=0.1):
        self.tokens, self.classes = z["tokens"], z["classes"]
        self.kind, self.null, self.rule, self.seed, self.device, self.dropout = kind, num_classes, rule, seed, device, dropout
        self.train, self.val = np.flatnonzero(~z["is_val"]), np.flatnonzero(z["is_val"])
        self.weight = data.class_weights(self.classes[self.train])
        self.grid = int(self.tokens.shape[-1] ** 0.5)
        self.entropies = z.get("entropies")
        if kind == "dpar" and self.rule.needs_entropy and self.entropies is None:
            sys.exit("DPAR with entropy patches needs --entropies (encode.py entropies)")

    def take(self, a, i, dropped=None):
        x = torch.from_numpy(self.tokens[a, i].astype(np.int64))
        y = torch.from_numpy(self.classes[i].astype(np.int64))
        if dropped is not None:
            y = torch.where(torch.from_numpy(dropped), self.null, y)
        if self.kind == "entropy":
            y = torch.full_like(y, self.null)
        starts = None
        if self.kind == "dpar":
            e = torch.zeros(x.shape) if self.entropies is None else torch.from_numpy(np.asarray(self.entropies[a, i], np.float32))
            starts = patch_starts(e, self.rule, self.grid).to(self.device)
        return x.to(self.device), y.to(self.device), starts

    def batch(self, step, n, rank, ranks):
        rng = np.random.default_rng([self.seed, step])
        i = rng.choice(self.train, n, p=self.weight)
        a, dropped = rng.integers(0, len(self.tokens), n), rng.random(n) < self.dropout
        mine = slice(rank, None, ranks)
        return self.take(a[mine], i[mine], dropped[mine])

    def validation(self, n=64, limit=0):
        """Batches of the validation pictures, each once, its first augmentation."""
        val = self.val if not limit else self.val[np.linspace(0, len(self.val) - 1, min(limit, len(self.val))).astype(int)]
        for k in range(0, len(val), n):
            yield self.take(np.zeros(len(val[k : k + n]), np.int64), val[k : k + n])


def forward(model, x, y, starts):
    return model(x, y) if starts is None else model(x, y, starts)


def nats(logits, x):
    """Mean cross-entropy over all tokens."""
    return F.cross_entropy(logits.float().flatten(0, 1), x.flatten())


@torch.no_grad()
def validate(model, batches, device, bf16=True, limit=0):
    """-> validation nats per token, average patch length (1 without patches)."""
    training = model.training
    model.eval()
    total, count, patches = 0.0, 0, 0
    for x, y, starts in batches.validation(limit=limit):
        with autocast(device, bf16):
            logits = forward(model, x, y, starts)
        total += float(nats(logits, x)) * x.numel()
        count += x.numel()
        patches += x.numel() if starts is None else int(starts.sum())
    model.train(training)
    return total / count, count / patches


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common_arguments(parser, steps=10_000, batch=16, lr=8e-4)
    add = parser.add_argument
    add("kind", choices=["entropy", "baseline", "dpar"])
    add("--tokens", required=True)
    add("--entropies")
    add("--layers", type=int, nargs="+", help="one number (token model), or three: patch encoder, transformer, decoder")
    add("--dim", type=int, default=256)
    add("--heads", type=int, default=8)
    add("--codes", type=int, default=1024)
    add("--dropout", type=float, default=0.0, help="in attention and feed-forward outputs of the (patch) transformer")
    add("--token-dropout", type=float, default=0.0, help="on the transformer's inputs")
    add("--class-dropout", type=float, default=0.1)
    add("--mode", choices=MODES, default="entropy_row_boundary")
    add("--threshold", type=float, default=5.2, help="nats")
    add("--p-max", type=int, default=4, help="0: unlimited")
    add("--patch-rope", choices=["dynamic", "plain"], default="dynamic")
    add("--val-limit", type=int, default=0, help="validation pictures a log row; 0 is all")
    args = parser.parse_args(argv)
    want = 3 if args.kind == "dpar" else 1
    args.layers = args.layers or {"entropy": [4], "baseline": [8], "dpar": [1, 5, 2]}[args.kind]
    if len(args.layers) != want:
        parser.error(f"--layers takes {want} number{'s' * (want > 1)} for {args.kind}")
    return args


def model_config(args, z):
    e, g, d = args.layers if args.kind == "dpar" else (0, args.layers[0], 0)
    return ModelConfig(
        dim=args.dim,
        n_head=args.heads,
        n_layer=g,
        n_local_encoder_layers=e,
        n_local_decoder_layers=d,
        vocab_size=args.codes,
        num_classes=1 if args.kind == "entropy" else len(data.CLASSES),
        grid_size=int(z["tokens"].shape[-1] ** 0.5),
        token_dropout_p=args.token_dropout,
        dropout_p=args.dropout,
        class_dropout_prob=args.class_dropout,
        patch_rope=args.patch_rope,
    )


def optimizer(model, lr, weight_decay):
    """AdamW; norms are not decayed."""
    p = list(model.parameters())
    groups = [dict(params=[q for q in p if q.dim() > 1], weight_decay=weight_decay)]
    groups.append(dict(params=[q for q in p if q.dim() < 2], weight_decay=0.0))
    return torch.optim.AdamW(groups, lr, betas=(0.9, 0.95), fused=True)


def main(argv=None):
    args = parse(argv)
    world = World(args.threads)
    z = encode.load(args.tokens, args.entropies)
    c = model_config(args, z)
    rule = PatchRule(args.mode, args.threshold, args.p_max)
    seed_step(args.seed, 0)
    model = build(c).to(world.device).train()
    batches = Batches(z, args.kind, c.num_classes, rule, args.seed, world.device, args.class_dropout)
    opt = optimizer(model, args.lr, args.weight_decay)
    ema, step, seconds = Ema(model, args.ema), 0, 0.0
    state = open_run(args, world)
    if state:
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["optimizer"])
        ema.shadow, step, seconds = state["ema"], state["step"], state["seconds"]
    if world.main:
        print(f"{args.kind}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, from step {step}", flush=True)
    net = world.wrap(model)
    run = torch.compile(net) if args.compile else net
    log = Log(args.out / "log.csv", FIELDS, step, world.main)
    clock = Clock(args.minutes, seconds)
    end = min(args.steps, args.stop_at or args.steps)
    total, counted, t_row = 0.0, 0, clock.here
    while step < end:
        for group in opt.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr, args.warmup)
        x, y, starts = batches.batch(step, args.batch, world.rank, world.size)
        seed_step(args.seed, step, world.rank)
        with autocast(world.device, not args.f32):
            logits = forward(run, x, y, starts)
        loss = nats(logits, x)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        step += 1
        ema.update(model, step)
        total, counted = total + float(loss.detach()), counted + 1
        stop = world.any(clock.over())
        if step % args.log_every == 0 or step == end or stop:
            speed, train = counted * args.batch / (clock.here - t_row), world.mean(total / counted)
            if world.main:
                with ema.applied(model):
                    val, length = validate(model, batches, world.device, not args.f32, args.val_limit)
                at = dict(step=step, images=step * args.batch, seconds=clock.total, lr=opt.param_groups[0]["lr"])
                log.row(**at, train_nats=train, val_nats=val, patch_length=length, images_per_s=speed)
            total, counted, t_row = 0.0, 0, clock.here
        if (step % args.save_every == 0 or step == end or stop) and world.main:
            s = dict(model=model.state_dict(), ema=ema.shadow, optimizer=opt.state_dict(), cfg=vars(c), kind=args.kind)
            s |= dict(patching=vars(rule), step=step, seconds=clock.total, args=plain(args))
            save_atomic(s, args.out / "last.pt")
        if stop:
            break
    world.close()
    clock.leave()


if __name__ == "__main__":
    main()
