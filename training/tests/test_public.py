"""`dpar convert` of PyTorch's files in the layout and size of LlamaGen-B, and what the Rust engine makes of them (DPAR_BIN: a built
`dpar`; DPAR_PUBLIC_OUT: where the folder is left for the Rust parity test)."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import public
from models import entropies
from models.generate import generate_tokens
from sheets import to_uint8
from weights import load_exported

pytestmark = pytest.mark.skipif(not os.environ.get("DPAR_BIN"), reason="set DPAR_BIN to a built dpar")


MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def dpar(*args):
    r = subprocess.run([os.environ["DPAR_BIN"], *map(str, args)], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A converted folder of B's size."""
    at = tmp_path_factory.mktemp("public")
    out = Path(os.environ.get("DPAR_PUBLIC_OUT", at / "model"))
    public.main(["checkpoints", "--size", "B", "--out", str(at)])
    shutil.rmtree(out, ignore_errors=True)
    files = [at / "c2i_B_256.pt", at / "vq_ds16_c2i.pt"]
    begun = time.time()
    # A Python between: what is counted of a child begins with what its parent had.
    command = [sys.executable, "-c", MEASURED, os.environ["DPAR_BIN"], "convert", *files, "--out", out, "--quiet"]
    peak = 1024 * int(subprocess.run([str(a) for a in command], capture_output=True, text=True, check=True).stdout.split()[-1])
    size = sum(f.stat().st_size for f in files)
    print(f"{size / 1e6:.0f} MB converted in {time.time() - begun:.1f} s, {peak / 1e6:.0f} MB at most")
    # About a tensor (50 MB) above the program itself.
    assert peak < size / 4
    for f in files:
        f.unlink()
    public.expected(out)
    return out


def test_conversion_keeps_every_number_and_says_what_it_is(folder):
    config = json.loads((folder / "config.json").read_text())
    c = config["baseline"]
    assert (c["dim"], c["n_head"], c["n_layer"], c["vocab_size"], c["num_classes"]) == (768, 12, 12, 16384, 1000)
    assert config["entropy"] == c and config["entropy_is_baseline"] and config["classes"][207] == "golden retriever"
    assert config["vq"] == dict(
        ch=128, ch_mult=[1, 1, 2, 2, 4], num_res_blocks=2, z_channels=256, codebook_size=16384, codebook_embed_dim=8, norm_groups=32
    )
    assert config["patching"] == dict(mode="entropy_row_boundary", threshold=7.8, max_patch_length=4)
    torch.manual_seed(0)
    weights = public.token_model("B", 16).state_dict()
    read = load_exported(folder, "baseline").state_dict()
    assert weights.keys() == read.keys() and all(torch.equal(weights[k], read[k]) for k in weights)


def test_a_picture_is_drawn_token_for_token(folder, tmp_path):
    trace = tmp_path / "trace.json"
    how = ["--baseline", "--cfg", 1.5, "--temperature", 0, "--class", "golden retriever", "--device", "cpu"]
    dpar("generate", "--model", folder, *how, "--trace", trace, "--out", tmp_path / "a.png")
    model = load_exported(folder, "baseline")
    tokens = generate_tokens(model, torch.tensor([207]), torch.tensor([0]), cfg=1.5, temperature=0.0)
    assert json.loads(trace.read_text())["runs"][0]["tokens"] == tokens[0].tolist()


@torch.no_grad()
def test_a_photo_has_the_same_codes_and_entropies(folder, tmp_path):
    side = 256
    at = torch.linspace(-1, 1, side)
    image = torch.stack([at.expand(side, -1), -at[:, None].expand(-1, side), (9 * at).sin() * (4 * at)[:, None].sin()])[None]
    picture = tmp_path / "photo.png"
    Image.fromarray(to_uint8(image)[0]).save(picture)
    found = json.loads(dpar("analyze", picture, "--model", folder, "--device", "cpu", "--json"))
    x = torch.from_numpy(np.array(Image.open(picture))).permute(2, 0, 1)[None] / 127.5 - 1
    index = load_exported(folder, "vq").encode(x)[2].view(1, -1)
    assert found["tokens"] == index[0].tolist()
    e = entropies(load_exported(folder, "entropy")(index, torch.tensor([public.CLASSES])))[0]
    assert (torch.tensor(found["entropies"]) - e).abs().max() < 1e-3
    starts = torch.tensor(found["entropies"]) > 7.8
    assert 0.05 < starts.float().mean() < 0.95, "some tokens are predictable and some are not"
