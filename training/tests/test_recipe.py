"""recipe.sh's presets, without running them: every command is one that its script takes, and cpu is how the shipped model was
made."""

import argparse
import importlib
import json
import os
import shlex
import subprocess

import pytest
from conftest import TRAINING

from models import VQModel

SHIPPED = json.loads((TRAINING.parent / "assets/model/config.json").read_text())
EMOJI = "data.py classifier.py train_tokenizer.py tokens validation entropy entropies threshold dpar baseline export.py".split()


class Parsed(Exception):
    """What a script's main() would go on with."""


def commands(path, monkeypatch, *asked):
    """The commands of `recipe.sh WORK *asked`, {name of the step: its arguments as the script parses them}. `python` only writes
    them down."""
    stub = path / "bin/python"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$@" >> {path}/log\n[ "$2" != threshold ] || echo 3.3 > {path}/work/threshold\n')
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    subprocess.run(["./recipe.sh", path / "work", *asked], cwd=TRAINING, env=env, check=True, capture_output=True)
    parse_args, found = argparse.ArgumentParser.parse_args, {}

    def parsed(self, *args):
        raise Parsed(parse_args(self, *args))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    for script, *rest in map(shlex.split, (path / "log").read_text().splitlines()):
        monkeypatch.setattr("sys.argv", [script, *rest])
        with pytest.raises(Parsed) as of:
            importlib.import_module(script.removesuffix(".py")).main()
        found[rest[0] if script in ("train_ar.py", "encode.py") else script] = of.value.args[0]
    return found


@pytest.mark.parametrize("preset", ["cpu", "gpu"])
def test_long_presets(preset, tmp_path, monkeypatch):
    found = commands(tmp_path, monkeypatch, preset)
    assert list(found) == EMOJI and found["data.py"].command == "build" and found["tokens"].augmentations == 8
    for kind in ("entropy", "dpar", "baseline"):
        args, want = found[kind], SHIPPED[kind]
        layers = [want["n_local_encoder_layers"], want["n_layer"], want["n_local_decoder_layers"]]
        assert args.layers == (layers if kind == "dpar" else [want["n_layer"]])
        assert (args.dim, args.heads, args.codes) == (want["dim"], want["n_head"], want["vocab_size"])
        how = dict(entropy=(2500, 5e-3, 8e-3, 0.05, 0, 0)).get(kind, (4000, 6e-3, 1e-2, 0.1, 0.05, 1))
        if preset == "cpu":
            assert (args.steps, args.lr, args.muon_lr, args.weight_decay, args.noise, args.jitter) == how and args.batch == 32
    v = found["train_tokenizer.py"]
    assert VQModel(v.ch, v.ch_mult, v.res_blocks, v.z, v.codes, v.width, v.groups).cfg == SHIPPED["vq"]
    assert v.size >> (len(v.ch_mult) - 1) == SHIPPED["dpar"]["grid_size"]
    drawn, sampling = found["export.py"], SHIPPED["sampling"]
    assert drawn.threshold == SHIPPED["patching"]["threshold"]
    assert [drawn.cfg, drawn.temperature, drawn.top_p] == [sampling[k] for k in ("cfg_scale", "temperature", "top_p")]


@pytest.mark.parametrize("preset", ["quick", "cpu"])
def test_own_pictures(preset, tmp_path, monkeypatch):
    """The quick preset, and pictures of one's own under both: test_folder.py runs the same commands with fewer steps."""
    (tmp_path / "own").mkdir()
    found = commands(tmp_path, monkeypatch, preset, tmp_path / "own")
    assert list(found) == [step for step in EMOJI if preset == "cpu" or step != "classifier.py"]
    assert found["data.py"].pictures == tmp_path / "own" and found["tokens"].augmentations == 8


def test_quick(tmp_path, monkeypatch):
    found = commands(tmp_path, monkeypatch, "quick")
    assert list(found) == [step for step in EMOJI if step != "classifier.py"] and found["tokens"].augmentations == 1
    dpar, baseline, v = found["dpar"], found["baseline"], found["train_tokenizer.py"]
    assert sum(dpar.layers) == sum(baseline.layers) and dpar.dim == baseline.dim and dpar.steps == baseline.steps
    assert v.size >> (len(v.ch_mult) - 1) == 16 and found["export.py"].threshold == 3.3


def test_a_missing_compiler_is_said_at_once(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "env", "realpath", "dirname", "basename", "mkdir", "cat"):
        real = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (tools / tool).symlink_to(real)
    env = {**os.environ, "PATH": str(tools), "CXX": ""}
    r = subprocess.run(["./recipe.sh", tmp_path / "work", "cpu"], cwd=TRAINING, env=env, capture_output=True, text=True)
    assert r.returncode == 2 and "needs a C++ compiler" in r.stderr and r.stderr.count("\n") == 1
