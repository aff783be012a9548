"""What PyTorch computes from an exported model folder, for the Rust tests to compare with.

    python fixtures.py --model DIR --tokens tokens.npz --out tests/fixtures/v1/expected.safetensors

From the exported weights, widened to f32. expected.safetensors, for `--count` pictures (the last one under the null class):
    tokens, classes, entropies, starts, dpar_logits, baseline_logits, decoded; image, image_codes (one picture)
    mix_weights f32 (1,3), mix_classes i64 (1,3), mix_dpar_logits, mix_baseline_logits f32 (1,T,V): picture 0's tokens and starts
    under the weighted mean of three class rows
runs.json beside it: whole runs under the folder's settings, each `seed threshold cfg temperature top_k top_p tokens entropies
starts` and `cls`, or `terms` [[weight, class], ..] for a mix; `baseline: true`: drawn by it, no entropies.

Rounding decides nothing in them: pictures and seeds are passed over until every entropy is NEAR_ENTROPY away from the threshold
and no draw would fall otherwise if any logit moved by NEAR_LOGIT. Draws are looked at again without caches, so these tokens are
those of the parallel pass, too.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from models import PatchRule, entropies, patch_starts
from models.generate import generate_dpar, generate_tokens, gumbel
from prompt import resolve
from weights import NAMES, load_exported

NEAR_ENTROPY = 5e-4  # nats; the engine is allowed 1e-3 of the largest, and measured some 1e-5
NEAR_LOGIT = 3e-4
SHOWN = ("red apple", "sailboat", "owl")
MIXED = ("red heart + cat face", "0.7 owl + 0.3 panda")


def decided(logits, tokens, seed, temperature, top_k, top_p):
    """logits (T,V) under guidance -> would `tokens` (T,) be drawn even if every logit moved by NEAR_LOGIT, either way?"""
    if top_k:
        raise SystemExit("recorded runs take top-p, not top-k")
    x, slack = logits.double() / temperature, NEAR_LOGIT / temperature
    p = x.softmax(-1)
    for i in range(len(x)):
        order = x[i].argsort(descending=True)
        v, sums = x[i, order], F.pad(p[i, order].cumsum(0), (1, 0))
        # Probability before a token, at least and at most: of those that are larger however the logits move, or may be.
        low = sums[torch.searchsorted(-v, -(v + 2 * slack))]
        high = sums[torch.searchsorted(-v, -(v - 2 * slack), right=True)] - p[i, order]
        maybe, surely = low - top_p <= 2 * slack, high - top_p < -2 * slack
        surely[0] |= bool(v[0] - v[1] > 2 * slack)
        score = v + gumbel(torch.tensor([seed]), i, x.shape[1])[0, order].double()
        place = int((order == tokens[i]).nonzero())
        others = maybe.clone()
        others[place] = False
        if not surely[place] or (others.any() and score[place] - score[others].max() < 2 * slack):
            return False
    return True


class Oracle:
    """The models of a folder, f32, and its settings."""

    def __init__(self, folder):
        self.config = json.loads((Path(folder) / "config.json").read_text())
        self.m = {n: load_exported(folder, n) for n in NAMES if n in self.config}
        p, s = self.config["patching"], self.config["sampling"]
        self.rule = PatchRule(p["mode"], p["threshold"], p["max_patch_length"])
        self.how = dict(cfg=s["cfg_scale"], temperature=s["temperature"], top_k=s["top_k"], top_p=s["top_p"])

    def clear(self, e):
        """Entropies (T,): none near the threshold?"""
        return bool(((e - self.rule.threshold).abs() > NEAR_ENTROPY).all())

    def row(self, name, terms):
        """[(weight, class), ..] -> class row (1,1,D) of a model."""
        weights, classes = zip(*terms)
        return self.m[name].cls_embedding.mix(torch.tensor([weights], dtype=torch.float32), torch.tensor([classes]))

    def entropies(self, x):
        judge = self.m["entropy"]
        return entropies(judge(x, torch.full((len(x),), judge.c.num_classes)))

    def run(self, name, terms, seed):
        """-> a whole run as runs.json has it, or None where rounding would decide anything in it."""
        model, y, seeds = self.m[name], self.row(name, terms), torch.tensor([seed])
        if name == "dpar":
            x, e, starts = generate_dpar(self.m["entropy"], model, y, seeds, self.rule, **self.how)
            if not self.clear(e[0]):
                return None
        else:
            x = generate_tokens(model, y, seeds, **self.how)
            e, starts = torch.zeros(1, 0), torch.ones_like(x, dtype=torch.bool)
        more = (starts.expand(2, -1),) if name == "dpar" else ()
        both = torch.cat([y, model.cls_embedding(torch.tensor([model.c.num_classes]))])
        asked, null = model(x.expand(2, -1), both, *more)
        draw = {k: v for k, v in self.how.items() if k != "cfg"}
        if not decided(null + self.how["cfg"] * (asked - null), x[0], seed, **draw):
            return None
        given = dict(cls=terms[0][1]) if len(terms) == 1 else dict(terms=terms)
        given |= dict(baseline=True) if name == "baseline" else {}
        drawn = dict(tokens=x[0].tolist(), entropies=e[0].tolist(), starts=starts[0].tolist())
        return dict(**given, seed=seed, threshold=self.rule.threshold, **self.how, **drawn)

    def record(self, name, prompt, count):
        """`count` runs of a prompt, by the first seeds from 1 on whose runs are clear."""
        runs, seed, terms = [], 0, resolve(prompt, self.config)
        while len(runs) < count:
            seed += 1
            run = self.run(name, terms, seed)
            runs += [run] if run else []
            if seed > 40 * count:
                raise SystemExit(f"{name}, {prompt!r}: rounding decides something in every run")
        print(f"{name}, {prompt}: seeds {', '.join(str(r['seed']) for r in runs)}", flush=True)
        return runs

    def prompts(self):
        """-> three names, two mixes: SHOWN and MIXED where the model knows them."""
        names = self.config["classes"]
        held = set(" + ".join((*SHOWN, *MIXED)).replace("0.7 ", "").replace("0.3 ", "").split(" + "))
        if held <= set(names):
            return SHOWN, MIXED
        some = [names[i] for i in np.linspace(0, len(names) - 1, 3).astype(int)]
        return some, (f"{some[0]} + {some[1]}", f"0.7 {some[2]} + 0.3 {some[0]}")


@torch.no_grad()
def write(folder, tokens, path, count=4):
    o, z = Oracle(folder), np.load(tokens)
    c, grid = o.config["dpar"], o.config["dpar"]["grid_size"]
    named, picked, passed = np.flatnonzero(z["ideas"] >= 0), [], 0
    for at in np.linspace(0, len(named) - 1, count).astype(int):
        for i in [*named[at:], *named[:at]]:
            if o.clear(o.entropies(torch.from_numpy(z["tokens"][0, [i]].astype(np.int64)))[0]):
                picked.append(i)
                break
            passed += 1
    x = torch.from_numpy(z["tokens"][0, picked].astype(np.int64))
    y = torch.from_numpy(z["ideas"][picked].astype(np.int64))
    y[-1] = c["num_classes"]  # the null class too
    e = o.entropies(x)
    starts = patch_starts(e, o.rule, grid)
    out = dict(tokens=x, classes=y, entropies=e, starts=starts, dpar_logits=o.m["dpar"](x, y, starts))
    third = np.linspace(0, len(o.config["classes"]) - 1, 3).astype(int).tolist()
    terms = list(zip((0.5, 0.3, 0.2), third[::-1]))
    out |= dict(mix_weights=torch.tensor([[w for w, _ in terms]]), mix_classes=torch.tensor([[k for _, k in terms]]))
    out["mix_dpar_logits"] = o.m["dpar"](x[:1], o.row("dpar", terms), starts[:1])
    if "baseline" in o.m:
        out["baseline_logits"] = o.m["baseline"](x, y)
        out["mix_baseline_logits"] = o.m["baseline"](x[:1], o.row("baseline", terms))
    out["decoded"] = o.m["vq"].decode_code(x.view(-1, grid, grid))
    image = out["decoded"][:1].clamp(-1, 1)
    f = o.m["vq"].quant_conv(o.m["vq"].encoder(image)).permute(0, 2, 3, 1)
    best = (F.normalize(f, dim=-1) @ F.normalize(o.m["vq"].quantize.embedding.weight, dim=-1).t()).topk(2, -1).values
    if (best[..., 0] - best[..., 1]).min() > 1e-4:  # else rounding decides a code, and an exact comparison says nothing
        out |= dict(image=image, image_codes=o.m["vq"].encode(image)[2])
    save_file({k: v.contiguous() for k, v in out.items()}, path)
    Path(path).chmod(0o644)
    print(f"{path}: pictures {', '.join(map(str, picked))} ({passed} passed over)", flush=True)
    names, mixes = o.prompts()
    runs = [r for p in names for r in o.record("dpar", p, 2)] + [r for p in mixes for r in o.record("dpar", p, 1)]
    if "baseline" in o.m:
        runs += [*o.record("baseline", names[0], 1), *o.record("baseline", mixes[0], 1)]
    Path(path).with_name("runs.json").write_text(json.dumps(runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="exported folder")
    parser.add_argument("--tokens", required=True, help="tokens.npz")
    parser.add_argument("--out", required=True, help="expected.safetensors; runs.json goes beside it")
    parser.add_argument("--count", type=int, default=4, help="pictures")
    args = parser.parse_args()
    write(args.model, args.tokens, args.out, args.count)


if __name__ == "__main__":
    main()
