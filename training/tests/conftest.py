import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

TRAINING = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TRAINING))
FIXTURES = TRAINING.parent / "tests" / "fixtures"  # written by the PyTorch reference; the Rust tests read the same files
torch.set_num_threads(1)  # two threads spin on each other as soon as anything else runs


class Fixture:
    """A model folder with what the reference computed for it."""

    def __init__(self, name):
        from models import VQModel, build

        path = FIXTURES / name
        self.config = json.loads((path / "config.json").read_text())
        self.expected = load_file(path / "expected.safetensors")
        self.runs = json.loads((path / "runs.json").read_text())
        for n in ("entropy", "dpar", "baseline", "vq"):
            m = VQModel(**self.config["vq"]) if n == "vq" else build(self.config[n])
            missing, extra = m.load_state_dict(load_file(path / f"{n}.safetensors"), strict=False)
            assert not extra and set(missing) <= {"quantize.usage"}
            setattr(self, n, m.eval())


@pytest.fixture(scope="session", params=["tiny", "odd"])
def fixture(request):
    return Fixture(request.param)


@pytest.fixture(scope="session")
def tiny():
    return Fixture("tiny")
