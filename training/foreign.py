"""Files as others write them, for the Rust tests of `dpar convert`: one small token model in three of PyTorch's layouts, and what
it draws here.

    python foreign.py --model ../tests/fixtures/tiny --out ../tests/fixtures/foreign
"""

import argparse
import io
import json
import zipfile
from pathlib import Path

import torch

from models.generate import generate_tokens
from weights import load

CFG, COUNT = 1.5, 3


def hostile(out):
    """Small files that would take much memory: entries that are packed, and a view of one number as a thousand million."""
    plain = io.BytesIO()
    torch.save({"tok_embeddings.weight": torch.zeros(1000, 1000)}, plain)
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(out / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_DEFLATED)
    torch.save({"tok_embeddings.weight": torch.zeros(1, 1).expand(1_000_000, 1000)}, out / "expanded.pt")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a model folder: its entropy model is what is written")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    model = load(args.model, "entropy", "cpu")
    weights = {k: v.half() for k, v in model.state_dict().items()}
    model.load_state_dict({k: v.float() for k, v in weights.items()})
    # A training's checkpoint, with a step's worth of optimiser.
    some = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = torch.optim.AdamW([some])
    some.sum().backward()
    optimizer.step()
    training = dict(model=weights, optimizer=optimizer.state_dict(), steps=1, args=argparse.Namespace(lr=1e-4, vq_model="VQ-16"))
    torch.save(training, args.out / "training.pt")
    wrapped = {f"module._orig_mod.{k}": v for k, v in weights.items()} | {"module.freqs_cis": torch.zeros(4, 2)}
    torch.save(wrapped, args.out / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(dict(state_dict={f"_orig_mod.module.{k}": v for k, v in weights.items()}), args.out / "wrapped.pth")
    hostile(args.out)
    seeds = torch.arange(COUNT)
    tokens = generate_tokens(model, torch.zeros(COUNT, dtype=torch.int64), seeds, cfg=CFG, temperature=1.0)
    found = dict(cfg=CFG, heads=model.c.n_head, grid=model.c.grid_size, tokens=tokens.tolist())
    (args.out / "expected.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
