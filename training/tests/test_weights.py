"""Exported folders are read as they are stored."""

import torch
from safetensors.torch import save_file

from weights import read_tensors


def test_int8_is_multiplied_by_the_scales_of_its_rows(tmp_path):
    q = torch.tensor([[127, -3], [0, 64]], dtype=torch.int8)
    save_file({"w": q, "w.scale": torch.tensor([0.5, 2.0]), "norm": torch.ones(2).half()}, tmp_path / "dpar.safetensors")
    read = read_tensors(tmp_path / "dpar.safetensors")
    assert set(read) == {"w", "norm"}
    assert read["w"].tolist() == [[63.5, -1.5], [0.0, 128.0]]
    assert read["norm"].dtype == torch.float32


def test_the_encoder_is_read_from_the_file_beside(tmp_path):
    save_file({"decoder.w": torch.ones(1)}, tmp_path / "vq.safetensors")
    save_file({"encoder.w": torch.zeros(1)}, tmp_path / "vq_encoder.safetensors")
    assert set(read_tensors(tmp_path / "vq.safetensors")) == {"decoder.w", "encoder.w"}
