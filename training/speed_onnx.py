"""How fast onnxruntime draws with the baseline on the CPU, one position a call with keys and values of those before as inputs (as
exported decoders have them): another peer of `dpar bench --device cpu`, in turn with PyTorch eager (speed.py). One line of JSON
a measurement; milliseconds a token of one picture. Needs the packages of `pip install -e ".[peers]"`.

    python speed_onnx.py ../assets/model --pictures 1 16 --threads 2 --rounds 3
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import onnxruntime
import torch
from torch import nn

from models.generate import draw, generate_tokens, guided, lanes_of
from weights import load_exported


class Step(nn.Module):
    """A token model at one position: rows x (R,1,D), rope (1,1,d/2,2), past (layer, k|v, R, H, n, d) -> logits (R,V), past with
    n + 1."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, rope, past):
        kept = []
        for n, layer in enumerate(self.model.layers):
            q, k, v = layer.attention.qkv(layer.attention_norm(x), rope)
            k, v = torch.cat([past[n, 0], k], 2), torch.cat([past[n, 1], v], 2)
            kept.append(torch.stack([k, v]))
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
            x = x + layer.attention.wo(mixed.transpose(1, 2).flatten(2))
            x = x + layer.feed_forward(layer.ffn_norm(x))
        return self.model.output(self.model.norm(x))[:, 0], torch.stack(kept)


def export(model, path):
    """Writes the step as an ONNX graph of any number of rows and positions."""
    c = model.c
    x, rope = torch.zeros(3, 1, c.dim), torch.zeros(1, 1, c.dim // c.n_head // 2, 2)
    past = torch.zeros(c.n_layer, 2, 3, c.n_head, 5, c.dim // c.n_head)
    rows, seen = torch.export.Dim("rows"), torch.export.Dim("seen")
    shapes = ({0: rows}, None, {2: rows, 4: seen})
    names = {"input_names": ["x", "rope", "past"], "output_names": ["logits", "kept"]}
    torch.onnx.export(Step(model).eval(), (x, rope, past), path, dynamo=True, dynamic_shapes=shapes, verbose=False, **names)


@torch.no_grad()
def generate(session, model, classes, seeds, cfg, temperature, top_k, top_p):
    """As models.generate.generate_tokens, with the graph. -> tokens (B,T)."""
    c, tokens = model.c, model.c.grid_size**2
    lanes, x = lanes_of(model, classes, cfg)
    past = torch.zeros(c.n_layer, 2, len(x), c.n_head, 0, c.dim // c.n_head).numpy()
    drawn = torch.zeros(len(classes), tokens, dtype=torch.long)
    for i in range(tokens):
        if i > 0:
            x = model.tok_embeddings(drawn[:, i - 1].repeat(lanes))[:, None]
        logits, past = session.run(None, {"x": x.numpy(), "rope": model.rope[:, i : i + 1].numpy(), "past": past})
        drawn[:, i] = draw(guided(torch.from_numpy(logits), lanes, cfg), seeds, i, temperature, top_k, top_p)
    return drawn


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="a model folder")
    p.add_argument("--pictures", type=int, nargs="+", default=[1, 16], help="drawn at once")
    p.add_argument("--threads", type=int, default=torch.get_num_threads())
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--class", dest="label", type=int, default=0)
    args = p.parse_args()
    sampling = json.loads((args.model / "config.json").read_text())["sampling"]
    how = [sampling[key] for key in ("cfg_scale", "temperature", "top_k", "top_p")]
    model = load_exported(args.model, "baseline")
    torch.set_num_threads(args.threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.onnx"
        export(model, path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    runs = {
        "onnxruntime": lambda classes, seeds: generate(session, model, classes, seeds, *how),
        "pytorch": lambda classes, seeds: generate_tokens(model, classes, seeds, *how),
    }
    for round in range(args.rounds):
        for pictures in args.pictures:
            classes, seeds = torch.full((pictures,), args.label), torch.arange(pictures) + 100 * round + 1
            drawn = {}
            for name, run in runs.items():
                begun = time.perf_counter()
                drawn[name] = run(classes, seeds)
                ms = 1000 * (time.perf_counter() - begun) / drawn[name].numel()
                found = {"peer": name, "pictures": pictures, "threads": args.threads, "ms_per_token": float(f"{ms:.4g}")}
                same = float((drawn[name] == drawn["onnxruntime"]).float().mean())
                print(json.dumps({**found, "same_tokens": round_to(same)}), flush=True)


def round_to(value):
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main()
