"""Writes a model folder as the app ships it.

    python export.py --vq RUN --entropy RUN --dpar RUN [--baseline RUN] --out DIR --tokens tokens.npz
        --threshold 4.3 --cfg 2 --temperature 0.8 --top-p 0.85 [--featured "red apple" owl ..] [--card card.json]
        [--expected TESTS/expected.safetensors]

DIR gets config.json, {vq,entropy,dpar,baseline}.safetensors (f16, mean weights), MODEL_CARD.md and SHA256SUMS. --expected writes
what the Rust tests compare with (fixtures.py).
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file

import encode
import fixtures
from labels import described
from models import MODES
from weights import NAMES, load_run

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


def compact(config):
    """JSON, one field a line, short lists on one line."""
    text = json.dumps(config, indent=1, ensure_ascii=False)
    return re.sub(r"\[\n\s+([^\[\]{}]{0,400}?)\n\s+\]", lambda m: "[" + re.sub(r",\n\s+", ", ", m[1]) + "]", text) + "\n"


def data_lines(z):
    """What the pictures were, for the model card; z: tokens.npz."""
    val = int(z["is_val"].sum())
    if not z["parts"].shape[1]:
        return [f"{len(z['is_val']) - val:,} pictures of a folder of one's own, {val} more held out for validation."]
    lines = ["Pictures rendered from these emoji sets (npm packages @iconify-json/*), see training/data.py:", ""]
    lines += [f"- {k}: {v}" for k, v in LICENCES.items()]
    named, ideas = int((z["ideas"] >= 0).sum()), int((z["parents"] >= 0).sum())
    text = f"""
{ideas} ideas are learnt by name, from {named:,} drawings, {val} of them held out for validation; {len(z["ideas"]) - named:,} other
drawings by their group and the words of their names. Skin-tone variants, symbols and flags were left out. `emoji`,
`aliases` and `keywords` of config.json come from emojibase-data 17.0.0 (MIT, Miles Johnson): GitHub's shortcodes, and English
tags that follow Unicode's CLDR annotations."""
    return [*lines, *text.split("\n")]


def card(config, states, args, sizes, z):
    """MODEL_CARD.md: what was trained how; --card adds measured figures."""
    begun = {str(state["args"]["init"]) for _, state in states.values() if state["args"].get("init")}
    begun = f"begun with the weights of {', '.join(sorted(begun))}" if begun else "trained from nothing"
    lines = ["# Model card", "", f"Class-conditional pictures by DPAR (arXiv 2512.21867), {begun}.", ""]
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
    lines += ["", "## Data", "", *data_lines(z), "", "## Figures", ""]
    lines += [
        "Validation pictures are of names that training saw in other pictures: nats and PSNR measure drawing, not imagination.",
        "Nats are measured after true tokens and say little of what a model makes of its own: compare pictures, too.",
    ]
    if args.card:
        lines += [""]
        figures = json.loads(Path(args.card).read_text())
        lines += [f"- {k}: {v}" for k, v in figures.items()]
    lines += [
        "",
        "## Limits",
        "",
        "It draws small pictures like those it was trained on and nothing else; details and lettering are often wrong.",
    ]
    lines += ["Pictures may resemble what it was trained on (nearest training drawings: training/evaluate.py)."]
    return "\n".join(lines) + "\n"


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
    add("--temperature", type=float, default=0.8)
    add("--top-k", type=int, default=0)
    add("--top-p", type=float, default=0.85)
    add("--card", help="JSON object of measured figures for the model card")
    add("--expected", help="where to write what PyTorch computes")
    add("--tokens", required=True, help="tokens.npz: the names of the classes, and what --expected computes on")
    add("--count", type=int, default=4, help="pictures in --expected")
    add("--featured", nargs="+", default=[], metavar="NAME", help="names that come out best, the best first: offered first")
    add("--unclear", nargs="+", default=[], metavar="NAME", help="names that hardly come out (ideas.py): listed last")
    args = parser.parse_args(argv)
    config, states, sizes, tokens = {}, {}, {}, encode.load(args.tokens)
    unknown = [n for n in args.featured + args.unclear if n not in tokens["names"]]
    if unknown:
        raise SystemExit(f"--featured or --unclear {', '.join(map(repr, unknown))}: {args.tokens} has no such name")
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("entropy", "dpar", "vq", "baseline"):
        if not getattr(args, name):
            continue
        model, state = load_run(getattr(args, name))
        if name != "vq" and model.c.patch_rope != "dynamic":
            raise SystemExit("a model with plain patch RoPE is for the ablation only: the Rust engine has none")
        if name != "vq" and model.c.entropy_dim:
            raise SystemExit("a model that reads the entropy model's states is a pilot: the Rust engine has none")
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
            jitter = state["args"].get("jitter") or 0.0
            trained = [round(p["threshold"] + by, 4) for by in (-jitter, jitter)]
            patching = dict(mode=args.mode or p["mode"], threshold=threshold, max_patch_length=p_max, trained=trained)
    sampling = dict(cfg_scale=args.cfg, temperature=args.temperature, top_k=args.top_k, top_p=args.top_p)
    config |= dict(patching=patching, sampling=sampling, **described(tokens))
    config |= {k: v for k, v in dict(featured=args.featured, unclear=args.unclear).items() if v}
    (out / "config.json").write_text(compact(config))
    (out / "MODEL_CARD.md").write_text(card(config, states, args, sizes, tokens))
    files = ["config.json", *(f"{n}.safetensors" for n in NAMES if n in config)]
    sums = [f"{hashlib.sha256((out / f).read_bytes()).hexdigest()}  {f}" for f in files]
    (out / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    shipped = sum(v for k, v in sizes.items() if k != "baseline") / 1e6
    print(f"{out}: tokenizer + entropy model + DPAR {shipped:.1f} MB" + (" - MORE THAN 30 MB" if shipped > 30 else ""))
    if args.expected:
        fixtures.write(out, args.tokens, args.expected, args.count)


if __name__ == "__main__":
    main()
