"""What the models cost, counted by hand from their sizes: 2 FLOPs a multiply-add of every matrix, convolution and attention
product; norms, activations, softmax, sampling and embeddings are left out.

    python flops.py --model DIR        # a model folder: tokenizer, entropy model, DPAR and baseline, an image
"""

import argparse
import json
from pathlib import Path

from models.gpt import ModelConfig, ffn_dim


def conv(i, o, k, pixels):
    return 2 * i * o * k * k * pixels


def res(i, o, px):
    return conv(i, o, 3, px) + conv(o, o, 3, px) + (conv(i, o, 1, px) if i != o else 0)


def attn(c, px):
    return 4 * conv(c, c, 1, px) + 2 * 2 * px * px * c


def vq_flops(cfg, size):
    """-> (encoder, decoder) FLOPs of one picture `size` pixels a side."""
    ch, mult, n, z, d = (cfg[k] for k in ("ch", "ch_mult", "num_res_blocks", "z_channels", "codebook_embed_dim"))
    low = (size >> (len(mult) - 1)) ** 2
    top = ch * mult[-1]
    mid = 2 * res(top, top, low) + attn(top, low)
    enc, c, px = conv(3, ch, 3, size**2), ch, size**2
    for i, m in enumerate(mult):
        last = i == len(mult) - 1
        for _ in range(n):
            enc += res(c, ch * m, px) + (attn(ch * m, px) if last else 0)
            c = ch * m
        if not last:
            px //= 4
            enc += conv(c, c, 3, px)
    enc += mid + conv(c, z, 3, px) + conv(z, d, 1, px) + 2 * low * cfg["codebook_size"] * d
    dec, c = conv(d, z, 1, low) + conv(z, top, 3, low) + mid, top
    for i in reversed(range(len(mult))):
        for _ in range(n + 1):
            dec += res(c, ch * mult[i], px) + (attn(ch * mult[i], px) if i == len(mult) - 1 else 0)
            c = ch * mult[i]
        if i:
            px *= 4
            dec += conv(c, c, 3, px)
    return enc, dec + conv(c, 3, 3, px)


def block(c, n, causal_pairs=None):
    """One transformer block over n positions; attention scores and values over n(n+1)/2 pairs."""
    pairs = n * (n + 1) / 2 if causal_pairs is None else causal_pairs
    return 2 * n * (4 * c.dim**2 + 3 * c.dim * ffn_dim(c)) + 2 * 2 * pairs * c.dim


def head(c, n):
    return 2 * n * c.dim * c.vocab_size


def token_model_flops(c, n=None):
    """A whole image, n tokens (forward pass; with a cache generation costs the same)."""
    n = n or c.grid_size**2
    return c.n_layer * block(c, n) + head(c, n)


def dpar_flops(c, patches, n=None):
    """-> dict of FLOPs of a whole image with `patches` patches, by part (forward pass, without the entropy model)."""
    n = n or c.grid_size**2
    cross = 2 * c.dim**2 * (2 * patches + 2 * n) + 2 * 2 * n * c.dim
    return {
        "encoder": c.n_local_encoder_layers * (block(c, n) + cross),
        "patch_transformer": c.n_layer * block(c, patches),
        "decoder": c.n_local_decoder_layers * (block(c, n) + 2 * patches * c.dim**2),
        "head": head(c, n),
    }


def summary(config, patches, lanes=2):
    """FLOPs an image from a model folder's config: training (forward + backward = 3 forwards; entropies are computed once,
    offline: one forward) and inference (guidance runs `lanes` lanes; DPAR's encoder is shared by them)."""
    out = {}
    if config.get("baseline"):
        f = token_model_flops(ModelConfig.of(config["baseline"]))
        out |= {"baseline_train": 3 * f, "baseline_inference": lanes * f}
    if config.get("dpar"):
        p = dpar_flops(ModelConfig.of(config["dpar"]), patches)
        e = token_model_flops(ModelConfig.of(config["entropy"]))
        main = sum(p.values())
        out |= {"entropy": e, "dpar_train": 3 * main, "dpar_train_with_entropy": 3 * main + e}
        out["dpar_inference"] = p["encoder"] + lanes * (main - p["encoder"])
        out["dpar_inference_with_entropy"] = out["dpar_inference"] + e
    if config.get("vq"):
        size = config["entropy" if config.get("entropy") else "baseline"]["grid_size"] << (len(config["vq"]["ch_mult"]) - 1)
        out["vq_encoder"], out["vq_decoder"] = vq_flops(config["vq"], size)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--average-patch-length", type=float, default=1.81)
    args = parser.parse_args()
    config = json.loads((args.model / "config.json").read_text())
    tokens = config["dpar"]["grid_size"] ** 2
    for k, v in summary(config, tokens / args.average_patch_length).items():
        print(f"{k:32s} {v / 1e9:8.3f} GFLOP")


if __name__ == "__main__":
    main()
