"""How fast PyTorch draws (eager, with caches, f32 on the CPU): the peer of `dpar bench --device cpu`. One line of JSON
a measurement, DPAR and baseline in turn; milliseconds a token of one picture.

    python speed.py ../assets/model --pictures 1 16 --threads 1 2 --rounds 3
"""

import argparse
import json
import time
from pathlib import Path

import torch

from models.generate import PatchRule, generate_dpar, generate_tokens
from weights import load_exported


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="a model folder")
    p.add_argument("--pictures", type=int, nargs="+", default=[1, 16], help="drawn at once")
    p.add_argument("--threads", type=int, nargs="+", default=[torch.get_num_threads()])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--class", dest="label", type=int, default=0)
    args = p.parse_args()
    config = json.loads((args.model / "config.json").read_text())
    patching, sampling = config["patching"], config["sampling"]
    rule = PatchRule(patching["mode"], patching["threshold"], patching["max_patch_length"])
    how = [sampling[key] for key in ("cfg_scale", "temperature", "top_k", "top_p")]
    entropy, dpar, baseline = (load_exported(args.model, name) for name in ("entropy", "dpar", "baseline"))
    tokens = dpar.c.grid_size**2

    def draw(generator, pictures, seed):
        """-> patches of all pictures."""
        classes, seeds = torch.full((pictures,), args.label), torch.arange(pictures) + seed
        if generator == "baseline":
            generate_tokens(baseline, classes, seeds, *how)
            return pictures * tokens
        return int(generate_dpar(entropy, dpar, classes, seeds, rule, *how)[2].sum())

    for generator in ("dpar", "baseline"):
        draw(generator, 1, 0)  # the first one takes longer
    for round in range(args.rounds):
        for threads in args.threads:
            torch.set_num_threads(threads)
            for pictures in args.pictures:
                for generator in ("dpar", "baseline"):
                    begun = time.perf_counter()
                    patches = draw(generator, pictures, 100 * round + 1)
                    ms = 1000 * (time.perf_counter() - begun) / (pictures * tokens)
                    found = {"generator": generator, "pictures": pictures, "threads": threads, "ms_per_token": round_to(ms)}
                    print(json.dumps({**found, "patch_length": round_to(pictures * tokens / patches)}), flush=True)


def round_to(value):
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main()
