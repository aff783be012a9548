"""Small classifier of the groups: its features are what evaluate.py measures distances in, and what the tokenizer's
perceptual loss compares. Trained on the training split only, no downloaded weights.

    python classifier.py --data DIR --out RUN --steps 3000 --resume      # -> RUN/classifier.pt, RUN/accuracy.json
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.vq import Res
from pictures import Pictures
from trainer import Optimizers, World, autocast, common_arguments, save_atomic, seed_step, train

INPUT = 64  # pixels a side; larger pictures are averaged down


class Classifier(nn.Module):
    """(B,3,H,W) in [-1,1] -> logits (B,C). Four resolutions (64, 32, 16, 8), one residual block each."""

    def __init__(self, classes, widths=(24, 48, 96, 192)):
        super().__init__()
        self.widths = widths
        self.stem = nn.Conv2d(3, widths[0], 3, 1, 1)
        pairs = list(zip((widths[0], *widths[:-1]), widths))
        self.stages = nn.ModuleList(Res(i, o, 8) for i, o in pairs)
        self.norm = nn.GroupNorm(8, widths[-1])
        self.head = nn.Linear(widths[-1], classes)

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
        return self.head(F.dropout(self.features(x), 0.2, self.training))


def load_classifier(path, device="cpu"):
    state = torch.load(path, map_location=device, weights_only=False)
    model = Classifier(len(state["ema"]["head.bias"]))
    model.load_state_dict(state["ema"])
    return model.to(device).eval()


@torch.no_grad()
def accuracy(model, x, y):
    top = torch.cat([model(part).topk(min(5, model.head.out_features), -1).indices for part in x.split(64)])
    hit = top == y[:, None]
    return float(hit[:, 0].float().mean()), float(hit.any(1).float().mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common_arguments(parser, steps=3000, batch=32, lr=1e-3)
    parser.add_argument("--data", required=True)
    args = parser.parse_args()
    args.size = INPUT
    world = World(args.threads)
    seed_step(args.seed, 0)
    pictures = Pictures(args)
    model = Classifier(len(pictures.groups)).to(world.device, memory_format=torch.channels_last).train()
    adam = torch.optim.AdamW(model.parameters(), args.lr, betas=(0.9, 0.99), weight_decay=args.weight_decay, fused=True)
    cls = torch.from_numpy(pictures.cls)
    val_i = pictures.val
    val = pictures.validation(len(val_i)).to(world.device), cls[val_i].to(world.device)
    seen_i = np.random.default_rng(5).choice(pictures.train, min(500, len(pictures.train)), replace=False)
    seen = pictures.pictures(seen_i, 77).to(world.device), cls[seen_i].to(world.device)
    net = world.wrap(model)

    def step_fn(step, bf16):
        x, i = pictures.batch(step, args.batch, world.rank, world.size, with_index=True)
        with autocast(world.device, bf16):
            logits = net(x.to(world.device, memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), cls[i].to(world.device), label_smoothing=0.05)
        return loss, dict(loss=loss)

    def validate_fn(_bf16):
        model.eval()
        top1, top5 = accuracy(model, *val)
        model.train()
        return dict(top1=top1, top5=top5)

    fields, opt = "step images seconds loss top1 top5 images_per_s".split(), Optimizers((adam, args.lr))
    step, ema, clock = train(args, world, model, opt, step_fn, validate_fn, fields, facts={}, clip=0)
    if world.main and step == args.steps:
        with ema.applied(model.eval()):
            (v1, v5), (s1, s5) = accuracy(model, *val), accuracy(model, *seen)
        figures = dict(held_out_top1=v1, held_out_top5=v5, training_pictures_top1=s1, training_pictures_top5=s5)
        (args.out / "accuracy.json").write_text(json.dumps(figures, indent=1) + "\n")
        save_atomic(dict(ema=ema.shadow, accuracy=figures), args.out / "classifier.pt")
        print(figures)
    world.close()
    clock.leave()


if __name__ == "__main__":
    main()
