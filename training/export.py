"""Writes a model folder as the app ships it.

    python export.py --vq RUN --entropy RUN --dpar RUN [--baseline RUN] --out DIR --threshold 5.2 --cfg 2 --top-p 0.95
        [--card card.json] [--expected TESTS/expected.safetensors --tokens tokens.npz]

DIR gets config.json, {vq,entropy,dpar,baseline}.safetensors (f16, mean weights), MODEL_CARD.md and SHA256SUMS. --expected writes
inputs and what PyTorch computes from the *f16* weights in f32: tokens, classes, entropies, starts, dpar_logits, baseline_logits,
decoded (image, image_codes), and beside it runs.json, six whole runs: what tests/fixtures/* hold, so the same Rust tests read them
(after replacing assets/model write both into tests/fixtures/pilot).
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import data
from models import MODES, PatchRule, entropies, patch_starts
from models.generate import generate_dpar
from weights import NAMES, load_exported, load_run

LICENCES = {
    "Fluent Emoji 1.2.7 and Fluent Emoji Flat 1.2.6": "MIT, Microsoft Corporation",
    "Noto Emoji 1.2.9 and Noto Emoji v1 1.2.5": "Apache-2.0, Google LLC",
    "Twemoji 1.2.5": "CC-BY 4.0, Twitter, Inc. and other contributors",
}


def half(model):
    """State dict in f16, without what only training needs."""
    out = {}
    for k, v in model.state_dict().items():
        if k == "quantize.usage":
            continue
        h = v.detach().cpu().half().contiguous()
        if not torch.isfinite(h).all():
            raise SystemExit(f"{k} does not fit into f16")
        out[k] = h
    return out


def card(config, states, args, sizes):
    """MODEL_CARD.md: what was trained how; --card adds measured figures."""
    lines = ["# Model card", "", "Class-conditional pictures of emoji by DPAR (arXiv 2512.21867), trained from nothing.", ""]
    lines += ["| part | parameters | f16 | pictures seen | steps | hours |", "|---|---|---|---|---|---|"]
    for n, (params, state) in states.items():
        a, images = state["args"], state["step"] * state["args"]["batch"]
        row = [n, f"{params / 1e6:.2f} M", f"{sizes[n] / 1e6:.1f} MB", f"{images:,}", f"{state['step']:,} of {a['steps']:,}"]
        lines.append("| " + " | ".join([*row, f"{state['seconds'] / 3600:.2f}"]) + " |")
    side = config["dpar"]["grid_size"] << (len(config["vq"]["ch_mult"]) - 1)
    p, s = config["patching"], config["sampling"]
    lines += ["", f"Pictures of {side} x {side} pixels, {config['dpar']['grid_size']} x {config['dpar']['grid_size']} tokens."]
    lines += [
        f"Patch rule: {p['mode']}, threshold {p['threshold']} nats, P_max {p['max_patch_length']}. Sampling: {json.dumps(s)}."
    ]
    lines += [
        "",
        "## Data",
        "",
        "Pictures rendered from these emoji sets (npm packages @iconify-json/*), see training/data.py:",
        "",
    ]
    lines += [f"- {k}: {v}" for k, v in LICENCES.items()]
    lines += [
        "",
        "About 7 % of the concepts of every class were held out for validation; skin-tone variants, symbols and flags left out.",
    ]
    if args.card:
        lines += ["", "## Figures", ""]
        figures = json.loads(Path(args.card).read_text())
        lines += [f"- {k}: {v}" for k, v in figures.items()]
    lines += [
        "",
        "## Limits",
        "",
        "It draws emoji-like pictures of 58 classes and nothing else; details and lettering are often wrong.",
    ]
    lines += ["Pictures may resemble the artwork it was trained on (nearest training drawings: training/evaluate.py)."]
    return "\n".join(lines) + "\n"


@torch.no_grad()
def expected(folder, config, tokens, path, count):
    """What PyTorch computes from the exported folder for `count` pictures."""
    z = np.load(tokens)
    pick = np.linspace(0, len(z["classes"]) - 1, count).astype(int)
    x, y = torch.from_numpy(z["tokens"][0, pick].astype(np.int64)), torch.from_numpy(z["classes"][pick].astype(np.int64))
    y[-1] = config["dpar"]["num_classes"]  # the null class too
    p, grid = config["patching"], config["dpar"]["grid_size"]
    m = {n: load_exported(folder, n) for n in NAMES if n in config}
    e = entropies(m["entropy"](x, torch.full_like(y, m["entropy"].c.num_classes)))
    starts = patch_starts(e, PatchRule(p["mode"], p["threshold"], p["max_patch_length"]), grid)
    out = dict(tokens=x, classes=y, entropies=e, starts=starts, dpar_logits=m["dpar"](x, y, starts))
    if "baseline" in m:
        out["baseline_logits"] = m["baseline"](x, y)
    out["decoded"] = m["vq"].decode_code(x.view(-1, grid, grid))
    image = out["decoded"][:1].clamp(-1, 1)
    z = m["vq"].quant_conv(m["vq"].encoder(image)).permute(0, 2, 3, 1)
    best = (F.normalize(z, dim=-1) @ F.normalize(m["vq"].quantize.embedding.weight, dim=-1).t()).topk(2, -1).values
    if (best[..., 0] - best[..., 1]).min() > 1e-4:  # else rounding decides a code, and an exact comparison says nothing
        out |= dict(image=image, image_codes=m["vq"].encode(image)[2])
    save_file({k: v.contiguous() for k, v in out.items()}, path)
    Path(path).chmod(0o644)

    runs, s = [], config["sampling"]
    rule = PatchRule(p["mode"], p["threshold"], p["max_patch_length"])
    how = dict(cfg=s["cfg_scale"], temperature=s["temperature"], top_k=s["top_k"], top_p=s["top_p"])
    for cls in (8, 20, 41):
        for seed in (1, 2):
            x, e, starts = generate_dpar(m["entropy"], m["dpar"], torch.tensor([cls]), torch.tensor([seed]), rule, **how)
            drawn = dict(tokens=x[0].tolist(), entropies=e[0].tolist(), starts=starts[0].tolist())
            runs.append(dict(cls=cls, seed=seed, threshold=p["threshold"], **how, **drawn))
    Path(path).with_name("runs.json").write_text(json.dumps(runs))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    for name in ("vq", "entropy", "dpar", "out"):
        add(f"--{name}", required=True)
    add("--baseline")
    add("--mode", choices=MODES, help="default: what DPAR was trained with, as the next two")
    add("--threshold", type=float, help="nats")
    add("--p-max", type=int)
    add("--cfg", type=float, default=2.0)
    add("--temperature", type=float, default=1.0)
    add("--top-k", type=int, default=0)
    add("--top-p", type=float, default=0.95)
    add("--card", help="JSON object of measured figures for the model card")
    add("--expected", help="where to write what PyTorch computes")
    add("--tokens", help="tokens.npz, for --expected")
    add("--count", type=int, default=4, help="pictures in --expected")
    args = parser.parse_args(argv)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    config, states, sizes = {}, {}, {}
    for name in ("entropy", "dpar", "vq", "baseline"):
        if not getattr(args, name):
            continue
        model, state = load_run(getattr(args, name))
        if name != "vq" and model.c.patch_rope != "dynamic":
            raise SystemExit("a model with plain patch RoPE is for the ablation only: the Rust engine has none")
        config[name] = model.cfg if name == "vq" else model.c.exported()
        tensors = half(model)
        save_file(tensors, out / f"{name}.safetensors")
        (out / f"{name}.safetensors").chmod(0o644)
        states[name] = (sum(t.numel() for t in tensors.values()), state)
        sizes[name] = (out / f"{name}.safetensors").stat().st_size
        if name == "dpar":
            p = state["patching"]
            threshold = p["threshold"] if args.threshold is None else args.threshold
            p_max = p["max_patch_length"] if args.p_max is None else args.p_max
            patching = dict(mode=args.mode or p["mode"], threshold=threshold, max_patch_length=p_max)
    sampling = dict(cfg_scale=args.cfg, temperature=args.temperature, top_k=args.top_k, top_p=args.top_p)
    config |= dict(patching=patching, sampling=sampling, classes=data.CLASSES)
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (out / "MODEL_CARD.md").write_text(card(config, states, args, sizes))
    files = ["config.json", *(f"{n}.safetensors" for n in NAMES if n in config)]
    sums = [f"{hashlib.sha256((out / f).read_bytes()).hexdigest()}  {f}" for f in files]
    (out / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    shipped = sum(v for k, v in sizes.items() if k != "baseline") / 1e6
    print(f"{out}: tokenizer + entropy model + DPAR {shipped:.1f} MB" + (" - MORE THAN 30 MB" if shipped > 30 else ""))
    if args.expected:
        expected(out, config, args.tokens, args.expected, args.count)


if __name__ == "__main__":
    main()
