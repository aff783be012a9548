"""Trains the VQ tokenizer.

    python train_tokenizer.py --data DIR --out RUN --size 64  --ch 24 --ch-mult 1 2 4   --z 48 --steps 6000 --resume    # f=4
    python train_tokenizer.py --data DIR --out RUN --size 128 --ch 24 --ch-mult 1 2 2 4 --z 48 --steps 6000 --resume    # f=8
    torchrun --nproc-per-node N train_tokenizer.py ...

Loss: L1 + gradient L1 + codebook (+ --chroma; + --perceptual: L1 in the features of evaluate.py's classifier, which is trained on
this data; + --adversarial from --adversarial-from on, hinge, adaptive weight). RUN/last.pt holds the weights, their mean (EMA) and
the optimisers; RUN/log.csv the figures; RUN/reconstructions.png validation pictures above their reconstructions.
"""

import argparse
import sys

import torch
import torch.nn.functional as F

from classifier import load_classifier
from flops import vq_flops
from models import VQModel
from models.adversary import PatchDiscriminator, adaptive_weight, discriminator_loss
from pictures import Pictures
from sheets import sheet
from tokenizer_metrics import psnr, ssim, usage
from trainer import Optimizers, World, autocast, common_arguments, seed_step, train

FIELDS = (
    "step images seconds lr l1 gradient codebook perceptual adversarial val_psnr val_ssim usage perplexity images_per_s".split()
)


def gradient_loss(a, b):
    """Mean absolute difference of neighbouring-pixel differences, both directions: keeps edges sharp."""
    across = ((a[..., 1:] - a[..., :-1]) - (b[..., 1:] - b[..., :-1])).abs().mean()
    down = ((a[..., 1:, :] - a[..., :-1, :]) - (b[..., 1:, :] - b[..., :-1, :])).abs().mean()
    return across + down


def chroma_loss(a, b):
    """Mean absolute difference of the colours without their brightness, averaged over 4 x 4 pixels."""
    d = a - b
    return F.avg_pool2d(d - d.mean(1, keepdim=True), 4).abs().mean()


@torch.no_grad()
def validate(model, x, path=None):
    """Whole validation figures in f32 -> dict; writes a sheet where a path is given."""
    model.eval()
    ys, index = [], []
    for part in x.split(32):
        y, _, i = model(part)
        ys.append(y.float().clamp(-1, 1))
        index.append(i)
    model.train()
    y, share_perp = torch.cat(ys), usage(torch.cat(index).cpu(), model.cfg["codebook_size"])
    if path:
        n = min(12, len(x))
        whole = range(0, min(48, len(x)) - n + 1, n)
        sheet(torch.cat([t for i in whole for t in (x[i : i + n], y[i : i + n])]), n, path)
    q = dict(val_psnr=float(psnr(x, y).mean()), val_ssim=float(ssim(x, y).mean()))
    return q | dict(usage=share_perp[0], perplexity=share_perp[1])


@torch.no_grad()
def fit_codes(model, pictures, args, ema, bf16, count=640):
    """Codes on the vectors of `count` training pictures (the same on every rank)."""
    device, found = next(model.parameters()).device, []
    for k in range(0, count, 16):
        x = pictures.batch(args.steps + k, 16, 0, 1).to(device, memory_format=torch.channels_last)
        with autocast(device, bf16):
            z = model.quant_conv(model.encoder(x))
        found.append(F.normalize(z.float(), dim=1).permute(0, 2, 3, 1).reshape(-1, z.shape[1]))
    model.quantize.fit(torch.cat(found))
    for name in ("quantize.embedding.weight", "quantize.usage"):
        ema.shadow[name].copy_(model.state_dict()[name])


def perceptual_net(path, device):
    net = load_classifier(path, device)
    for p in net.parameters():
        p.requires_grad_(False)
    return net


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common_arguments(parser, steps=6000, batch=24, lr=1e-3)
    add = parser.add_argument
    add("--data", required=True, help="folder of data.py")
    add("--size", type=int, default=64, help="pixels a side")
    add("--ch", type=int, default=24)
    add("--ch-mult", type=int, nargs="+", default=[1, 2, 4])
    add("--res-blocks", type=int, default=1)
    add("--z", type=int, default=48)
    add("--codes", type=int, default=1024)
    add("--width", type=int, default=8, help="of a code vector")
    add("--groups", type=int, default=8)
    add("--perceptual", type=float, default=0, help="weight; needs --classifier")
    add("--classifier", help="classifier.safetensors of classifier.py")
    add("--chroma", type=float, default=0, help="weight of the colours without their brightness")
    add("--free", type=int, default=0, help="steps before there are codes; then k-means puts them where the vectors are")
    add("--adversarial", type=float, default=0, help="weight, on top of the adaptive one")
    add("--adversarial-from", type=int, default=3000, help="step")
    return parser.parse_args()


def main():
    args = parse()
    world = World(args.threads)
    seed_step(args.seed, 0)
    model = VQModel(args.ch, args.ch_mult, args.res_blocks, args.z, args.codes, args.width, args.groups)
    model = model.to(world.device, memory_format=torch.channels_last)
    enc, dec = (f / 1e9 for f in vq_flops(model.cfg, args.size))
    if world.main:
        print(f"tokenizer f={model.downsampling}: encoder {enc:.2f}, decoder {dec:.2f} GFLOP a picture")
    if dec > 6:
        sys.exit(f"the decoder costs {dec:.2f} GFLOP a picture; it runs in a browser and must stay below 6")
    adam = torch.optim.AdamW(model.parameters(), args.lr, betas=(0.9, 0.95), weight_decay=args.weight_decay, fused=True)
    opt, critic, critic_opt, parts = Optimizers((adam, args.lr)), None, None, {}
    if args.adversarial:
        critic = PatchDiscriminator().to(world.device, memory_format=torch.channels_last)
        critic_opt = torch.optim.AdamW(critic.parameters(), args.lr / 2, betas=(0.5, 0.9), fused=True)
        parts = dict(critic=critic, critic_optimizer=critic_opt)
    judge = perceptual_net(args.classifier, world.device) if args.perceptual else None
    pictures = Pictures(args)
    val = pictures.validation(256).to(world.device)
    net, critic_net = world.wrap(model), world.wrap(critic) if critic else None
    forward = torch.compile(net) if args.compile else net
    seen = {}  # pictures and reconstructions of the step, for the critic

    def begin_fn(step, bf16, ema):
        model.quantize.free = step < args.free
        if args.free and step == args.free:
            fit_codes(model, pictures, args, ema, bf16)

    def step_fn(step, bf16):
        x = pictures.batch(step, args.batch, world.rank, world.size).to(world.device, memory_format=torch.channels_last)
        with autocast(world.device, bf16):
            y, codebook, _ = forward(x)
        y = y.float()
        l1, grad = (y - x).abs().mean(), gradient_loss(y, x)
        feature = fool = x.new_zeros(())
        if judge:
            with autocast(world.device, bf16):
                feature = sum(F.l1_loss(a.float(), b.float()) for a, b in zip(judge.maps(y), judge.maps(x)))
        loss = l1 + grad + args.perceptual * feature
        if args.chroma:
            loss = loss + args.chroma * chroma_loss(y, x)
        if critic and step >= args.adversarial_from:
            critic.requires_grad_(False)
            fool = -critic(y).mean()
            weight = adaptive_weight(loss, fool, model.decoder.conv_out.weight) if fool.requires_grad else 1.0
            loss = loss + args.adversarial * weight * fool
            seen.update(x=x, y=y.detach())
        return loss + codebook, dict(l1=l1, gradient=grad, codebook=codebook, perceptual=feature, adversarial=fool)

    def after_fn(step, ema):
        if critic and step > args.adversarial_from:
            critic.requires_grad_(True)
            critic_opt.zero_grad(set_to_none=True)
            discriminator_loss(critic_net(seen["x"]), critic_net(seen["y"])).backward()
            critic_opt.step()
        codes = model.quantize.embedding.weight.detach()
        if step <= args.free:
            ema.shadow["quantize.embedding.weight"].copy_(codes)
        new = model.quantize.revived  # a mean of a code's old and new place would be neither
        ema.shadow["quantize.embedding.weight"][new] = codes[new]

    def validate_fn(_bf16):
        return validate(model, val, args.out / "reconstructions.png")

    how = dict(facts=dict(cfg=model.cfg, size=args.size), parts=parts, begin_fn=begin_fn, after_fn=after_fn)
    _, _, clock = train(args, world, model, opt, step_fn, validate_fn, FIELDS, **how)
    world.close()
    clock.leave()


if __name__ == "__main__":
    main()
