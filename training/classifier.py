"""Small classifier of the groups and of the ideas: its features are what evaluate.py measures distances in, and what the
tokenizer's perceptual loss compares; its answers say whether samples show what was asked for. Trained on the training split only,
no downloaded weights. Held-out pictures are of ideas that training saw in other styles.

    python classifier.py --data DIR --out RUN --steps 8000 --resume      # -> RUN/classifier.safetensors, RUN/accuracy.json
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import data
from labels import label
from models.vq import Res
from pictures import Pictures
from trainer import Optimizers, World, autocast, common_arguments, seed_step, train

INPUT = 64  # pixels a side; larger pictures are averaged down


class Classifier(nn.Module):
    """(B,3,H,W) in [-1,1] -> logits of the groups (B,C). Four resolutions (64, 32, 16, 8), one residual block each."""

    def __init__(self, classes, ideas=0, widths=(24, 48, 96, 192)):
        super().__init__()
        self.widths = widths
        self.stem = nn.Conv2d(3, widths[0], 3, 1, 1)
        pairs = list(zip((widths[0], *widths[:-1]), widths))
        self.stages = nn.ModuleList(Res(i, o, 8) for i, o in pairs)
        self.norm = nn.GroupNorm(8, widths[-1])
        self.head = nn.Linear(widths[-1], classes)
        self.idea_head = nn.Linear(widths[-1], ideas) if ideas else None

    def maps(self, x):
        """Features of the first three stages, each scaled to unit length over channels (as LPIPS does)."""
        out, h = [], self.stem(self.fit(x))
        for stage in self.stages[:3]:
            h = stage(h)
            out.append(F.normalize(h.float(), dim=1))
            h = F.avg_pool2d(h, 2)
        return out

    @staticmethod
    def fit(x):
        return F.avg_pool2d(x, x.shape[-1] // INPUT) if x.shape[-1] > INPUT else x

    def features(self, x):
        """(B,192)."""
        h = self.stem(self.fit(x))
        for k, stage in enumerate(self.stages):
            h = stage(h if k == 0 else F.avg_pool2d(h, 2))
        return F.silu(self.norm(h)).mean((2, 3))

    def forward(self, x):
        return self.both(x)[0]

    def both(self, x):
        """Logits of the groups (B,C) and of the ideas (B,I), or None where it knows none."""
        f = F.dropout(self.features(x), 0.2, self.training)
        return self.head(f), None if self.idea_head is None else self.idea_head(f)


class Both(nn.Module):
    """The classifier, called for both its answers."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.both(x)


def save_classifier(path, state, names, figures):
    """f16 weights; what it tells apart and how well stand in the file's metadata. Another's file runs no code of theirs."""
    plain = {k: v.detach().cpu().half().contiguous() for k, v in state.items()}
    part = path.with_suffix(".part")  # the old file or the new one, never half of one
    save_file(plain, part, metadata=dict(names=json.dumps(names), accuracy=json.dumps(figures)))
    part.chmod(0o644)
    part.replace(path)


def load_classifier(path, device="cpu"):
    with safe_open(path, "pt") as f:
        names = json.loads((f.metadata() or {}).get("names", "[]"))
        state = {k: f.get_tensor(k).float() for k in f.keys()}
    model = Classifier(len(state["head.bias"]), len(state.get("idea_head.bias", ())))
    model.load_state_dict(state)
    model.names = names  # of the groups, then of the ideas
    return model.to(device).eval()


@torch.no_grad()
def hits(model, x, groups, ideas):
    """Whether the right group (B,), the right idea (B,), and the right idea among five (B,) was answered; ideas below 0, and those
    of a classifier that knows none, count as missed."""
    right = []
    for part, g, i in zip(x.split(64), groups.split(64), ideas.split(64)):
        of_groups, of_ideas = model.both(part)
        five = torch.zeros(len(part), 1) if of_ideas is None else of_ideas.topk(min(5, of_ideas.shape[1]), -1).indices == i[:, None]
        right.append(torch.stack([of_groups.argmax(-1) == g, five[:, 0] > 0, five.any(1)]))
    return torch.cat(right, 1)


def share(hit):
    """-> share of what is true, its standard error."""
    p, n = float(hit.float().mean()), max(len(hit), 1)
    return p, (p * (1 - p) / n) ** 0.5


def accuracy(model, x, groups, ideas):
    """-> share of right groups; of right ideas and of those among five, of the pictures that have one (0 where none has)."""
    group, one, five = hits(model, x, groups, ideas)
    known = ideas >= 0
    return [share(group)[0], *(share(h[known])[0] if known.any() else 0.0 for h in (one, five))]


def idea_numbers(found):
    """Of a data set: the names of the ideas (groups aside), and of each picture its idea (N,), -1 where it has no name."""
    known = label(found.rows, found.groups)
    names = known["names"][len(found.groups) :].tolist()
    return names, torch.from_numpy(np.where(known["ideas"] >= len(found.groups), known["ideas"] - len(found.groups), -1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common_arguments(parser, steps=8000, batch=32, lr=1e-3)
    parser.add_argument("--data", required=True)
    args = parser.parse_args()
    args.size = INPUT
    world = World(args.threads)
    seed_step(args.seed, 0)
    pictures = Pictures(args)
    names, idea = idea_numbers(data.load(args.data))
    model = Classifier(len(pictures.groups), len(names)).to(world.device, memory_format=torch.channels_last).train()
    adam = torch.optim.AdamW(model.parameters(), args.lr, betas=(0.9, 0.99), weight_decay=args.weight_decay, fused=True)
    cls = torch.from_numpy(pictures.cls)
    val_i = pictures.val
    val = pictures.validation(len(val_i)).to(world.device), cls[val_i].to(world.device), idea[val_i].to(world.device)
    seen_i = np.random.default_rng(5).choice(pictures.train, min(500, len(pictures.train)), replace=False)
    seen = pictures.pictures(seen_i, 77).to(world.device), cls[seen_i].to(world.device), idea[seen_i].to(world.device)
    net = world.wrap(Both(model))

    def step_fn(step, bf16):
        x, i = pictures.batch(step, args.batch, world.rank, world.size, with_index=True)
        with autocast(world.device, bf16):
            of_groups, of_ideas = net(x.to(world.device, memory_format=torch.channels_last))
        loss = F.cross_entropy(of_groups.float(), cls[i].to(world.device), label_smoothing=0.05)
        if of_ideas is not None:
            y = idea[i].to(world.device)
            known = F.cross_entropy(of_ideas.float(), y, label_smoothing=0.05, ignore_index=-1, reduction="sum")
            loss = loss + known / (y >= 0).sum().clamp(min=1)
        return loss, dict(loss=loss)

    def validate_fn(_bf16):
        model.eval()
        group, one, five = accuracy(model, *val)
        model.train()
        return dict(group=group, idea=one, idea_of_five=five)

    fields, opt = "step images seconds loss group idea idea_of_five images_per_s".split(), Optimizers((adam, args.lr))
    step, ema, clock = train(args, world, model, opt, step_fn, validate_fn, fields, facts={}, clip=0)
    if world.main and step == args.steps:
        with ema.applied(model.eval()):
            figures = {}
            for name, some in (("held_out", val), ("training_pictures", seen)):
                figures |= {f"{name}_{k}": v for k, v in zip(("group", "idea", "idea_of_five"), accuracy(model, *some))}
                figures |= {f"{name}_count": len(some[0]), f"{name}_with_an_idea": int((some[2] >= 0).sum())}
        (args.out / "accuracy.json").write_text(json.dumps(figures, indent=1) + "\n")
        save_classifier(args.out / "classifier.safetensors", ema.shadow, [*pictures.groups, *names], figures)
        print(figures)
    world.close()
    clock.leave()


if __name__ == "__main__":
    main()
