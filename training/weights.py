"""Models from a training run (last.pt: mean weights) or from an exported folder (safetensors)."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from models import VQModel, build

NAMES = ("vq", "entropy", "dpar", "baseline")


def from_config(name, config):
    return VQModel(**config) if name == "vq" else build(config)


def load_run(path, device="cpu", raw=False):
    """RUN/last.pt -> (model in eval mode with its mean weights, the checkpoint). raw: the weights themselves."""
    path = Path(path)
    state = torch.load(path / "last.pt" if path.is_dir() else path, map_location=device, weights_only=False)
    name = "vq" if "ch_mult" in state["cfg"] else "transformer"
    model, shares = from_config(name, state["cfg"]), state.get("shares")
    if shares is not None:
        model.cls_embedding.share(shares)
    model.load_state_dict(state["model" if raw else "ema"])
    if shares is not None:
        model.cls_embedding.fold()
    return model.to(device).eval(), state


def load_exported(folder, name, device="cpu"):
    """A model of a folder as the app ships it, f16 weights widened to f32."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    model = from_config(name, config[name])
    tensors = {k: v.float() for k, v in load_file(folder / f"{name}.safetensors").items()}
    missing, extra = model.load_state_dict(tensors, strict=False)
    if extra or set(missing) - {"quantize.usage"}:
        raise SystemExit(f"{folder}/{name}.safetensors does not fit its config: missing {missing}, unknown {extra}")
    return model.to(device).eval()


def load(path, name, device="cpu"):
    """`name` of an exported folder, or the one model of a run's folder."""
    path = Path(path)
    if (path / "config.json").exists():
        return load_exported(path, name, device)
    return load_run(path, device)[0]
