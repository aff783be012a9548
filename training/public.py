"""Random weights in the layouts and sizes of LlamaGen's public checkpoints, and what PyTorch makes of them.

    python public.py checkpoints --size B --pixels 256 --factor 16 --out DIR     # DIR/c2i_B_256.pt, DIR/vq_ds16_c2i.pt
    python public.py expected --model FOLDER                                     # FOLDER/expected.safetensors

FOLDER is what `dpar convert DIR/c2i_B_256.pt DIR/vq_ds16_c2i.pt --out FOLDER` writes. `expected`, for the Rust test
`public_on_flex`: tokens, classes (of them the null class), entropies, starts, baseline_logits, decoded, image, image_codes.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from models import ModelConfig, PatchRule, Transformer, VQModel, entropies, patch_starts
from weights import load_exported

# Width, heads, layers (LlamaGen's autoregressive/models/gpt.py); tests/test_public.py draws with tiny.
SIZES = dict(tiny=(64, 4, 2), B=(768, 12, 12), L=(1024, 16, 24), XL=(1280, 20, 36))
FACTORS = {16: (1, 1, 2, 2, 4), 8: (1, 2, 2, 4)}  # LlamaGen's tokenizer/tokenizer_image/vq_model.py
CODES, CLASSES = 16384, 1000


@torch.no_grad()
def token_model(size, grid, codes=CODES, classes=CLASSES):
    """A token model whose entropies lie on both sides of the paper's threshold."""
    dim, heads, layers = SIZES[size]
    model = Transformer(
        ModelConfig(dim=dim, n_head=heads, n_layer=layers, vocab_size=codes, num_classes=classes, grid_size=grid, multiple_of=256)
    )
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            nn.init.normal_(weight, std=1.95 / dim**0.5 if name == "output.weight" else 0.02)
    return model.eval()


@torch.no_grad()
def tokenizer(factor, codes=CODES, ch=128):
    return VQModel(
        ch=ch, ch_mult=FACTORS[factor], num_res_blocks=2, z_channels=2 * ch, codebook_size=codes, codebook_embed_dim=8
    ).eval()


def checkpoints(args):
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    gpt, vq = args.out / f"c2i_{args.size}_{args.pixels}.pt", args.out / f"vq_ds{args.factor}_c2i.pt"
    model = token_model(args.size, args.pixels // args.factor)
    # As LlamaGen's training writes them.
    torch.save(dict(model=model.state_dict(), optimizer={}, steps=1, args=argparse.Namespace(gpt_model=f"GPT-{args.size}")), gpt)
    torch.save(dict(model=tokenizer(args.factor).state_dict()), vq)
    print(f"{gpt} {gpt.stat().st_size} bytes, {vq} {vq.stat().st_size} bytes")


@torch.no_grad()
def expected(folder, count=2, seed=1):
    config = json.loads((folder / "config.json").read_text())
    name = "baseline" if "baseline" in config else "entropy"
    model, vq, p = load_exported(folder, name), load_exported(folder, "vq"), config["patching"]
    torch.manual_seed(seed)
    grid, null = model.c.grid_size, model.c.num_classes
    x = torch.randint(model.c.vocab_size, (count, grid * grid))
    y = torch.tensor([null // 2, *[null] * (count - 1)])
    e = entropies(model(x, torch.full((count,), null)))
    out = dict(tokens=x, classes=y, entropies=e, baseline_logits=model(x, y))
    out["starts"] = patch_starts(e, PatchRule(p["mode"], p["threshold"], p["max_patch_length"]), grid)
    out["decoded"] = vq.decode_code(x[:1].view(-1, grid, grid))
    # A picture that is nothing like noise, so that codes are not a matter of rounding.
    side = grid * vq.downsampling
    at = torch.linspace(-1, 1, side)
    image = torch.stack([at.expand(side, -1), at[:, None].expand(-1, side), (8 * at).sin() * (5 * at)[:, None].cos()])[None]
    out |= dict(image=image, image_codes=vq.encode(image)[2])
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "expected.safetensors")
    (folder / "expected.safetensors").chmod(0o644)
    return out


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["checkpoints", "expected"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--size", choices=SIZES, default="B")
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--factor", type=int, choices=FACTORS, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.what == "checkpoints":
        checkpoints(args)
    else:
        expected(args.model)
        print(args.model / "expected.safetensors")


if __name__ == "__main__":
    main()
