"""recipe.sh's long presets, without running them: every command is one that its script takes, and cpu is how the shipped model was
made."""

import json
import os
import shlex
import subprocess

import pytest
from conftest import TRAINING

import train_ar
import train_tokenizer
from models import VQModel

SHIPPED = json.loads((TRAINING.parent / "assets/model/config.json").read_text())


def commands(preset, path):
    """The commands of a preset, by name of the step: `python` only writes them down."""
    stub = path / "bin/python"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$@" >> {path}/log\n[ "$2" != threshold ] || echo 3.3 > {path}/work/threshold\n')
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    subprocess.run(["./recipe.sh", path / "work", preset], cwd=TRAINING, env=env, check=True, capture_output=True)
    lines = [shlex.split(line) for line in (path / "log").read_text().splitlines()]
    return {line[1] if line[0] in ("train_ar.py", "encode.py") else line[0]: line[1:] for line in lines}


@pytest.mark.parametrize("preset", ["cpu", "gpu"])
def test_long_presets(preset, tmp_path, monkeypatch):
    found = commands(preset, tmp_path)
    assert list(found) == (
        "data.py classifier.py train_tokenizer.py tokens validation entropy entropies threshold dpar baseline export.py".split()
    )
    for kind in ("entropy", "dpar", "baseline"):
        args = train_ar.parse(found[kind])
        want = SHIPPED[kind]
        layers = [want["n_local_encoder_layers"], want["n_layer"], want["n_local_decoder_layers"]]
        assert args.layers == (layers if kind == "dpar" else [want["n_layer"]])
        assert (args.dim, args.heads, args.codes) == (want["dim"], want["n_head"], want["vocab_size"])
        how = dict(entropy=(2500, 5e-3, 8e-3, 0, 0)).get(kind, (4000, 6e-3, 1e-2, 0.05, 1))
        if preset == "cpu":
            assert (args.steps, args.lr, args.muon_lr, args.noise, args.jitter) == how and args.batch == 32
    monkeypatch.setattr("sys.argv", ["train_tokenizer.py", *found["train_tokenizer.py"]])
    v = train_tokenizer.parse()
    assert VQModel(v.ch, v.ch_mult, v.res_blocks, v.z, v.codes, v.width, v.groups).cfg == SHIPPED["vq"]
    assert v.size >> (len(v.ch_mult) - 1) == SHIPPED["dpar"]["grid_size"]
    drawn = dict(zip(found["export.py"][::2], found["export.py"][1::2]))
    sampling = SHIPPED["sampling"]
    assert float(drawn["--threshold"]) == SHIPPED["patching"]["threshold"]
    assert [float(drawn[f"--{k}"]) for k in ("cfg", "temperature", "top-p")] == [
        sampling[k] for k in ("cfg_scale", "temperature", "top_p")
    ]
