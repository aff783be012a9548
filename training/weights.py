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


def read_tensors(path):
    """The tensors of a model folder's file in f32; int8 matrices times the scales of their rows (NAME.scale). vq.safetensors may
    have its encoder beside it, in vq_encoder.safetensors, which a page fetches later."""
    path = Path(path)
    encoder = path.with_name(f"{path.stem}_encoder.safetensors")
    stored = load_file(path) | (load_file(encoder) if encoder.exists() else {})
    scales = {k: stored.pop(f"{k}.scale") for k, v in list(stored.items()) if v.dtype == torch.int8}
    return {k: v.float() * scales[k][:, None] if k in scales else v.float() for k, v in stored.items()}


def load_exported(folder, name, device="cpu"):
    """A model of a folder as the app ships it, in f32."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    model = from_config(name, config[name])
    file = "baseline" if name == "entropy" and config.get("entropy_is_baseline") else name
    tensors = read_tensors(folder / f"{file}.safetensors")
    missing, extra = model.load_state_dict(tensors, strict=False)
    if extra or set(missing) - {"quantize.usage"}:
        raise SystemExit(f"{folder}/{file}.safetensors does not fit its config: missing {missing}, unknown {extra}")
    return model.to(device).eval()


def load(path, name, device="cpu"):
    """`name` of an exported folder, or the one model of a run's folder."""
    path = Path(path)
    if (path / "config.json").exists():
        return load_exported(path, name, device)
    return load_run(path, device)[0]
