"""Which number format a trainer computes in: bf16 autocast where the machine computes in bf16, f32 elsewhere.

On a CPU without AMX or AVX512-BF16, bf16 is emulated and trains at a twentieth of f32's speed (DPAR on two cores: 2.4 pictures a
second against 53); with AVX512-BF16 it is 1.4 to 2 times as fast as f32, by machine.
"""

import time
from pathlib import Path

import torch

NATIVE_CPU = ("amx_bf16", "avx512_bf16")


def cpu_flags(path="/proc/cpuinfo"):
    """Instruction sets of the first core; None where the system does not say (not Linux, not x86)."""
    path = Path(path)
    lines = path.read_text().splitlines() if path.exists() else []
    return next((set(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), None)


def native(device, flags=None, capability=None):
    """-> (does this machine compute in bf16? None: not known; what says so)."""
    if device.type == "cuda":
        yes = torch.cuda.is_bf16_supported(including_emulation=False)
        return yes, f"{torch.cuda.get_device_name(device)} has {'' if yes else 'no '}bf16"
    flags = cpu_flags() if flags is None else flags
    capability = capability or torch.backends.cpu.get_cpu_capability()
    if not flags:
        return None, "this system does not say what its CPU can do"
    has = [f for f in NATIVE_CPU if f in flags]
    if not has:
        return False, "this CPU has neither AMX nor AVX512-BF16"
    if not capability.startswith("AVX512"):  # an older build, or ATEN_CPU_CAPABILITY holds it back
        return None, f"this CPU has {', '.join(has)}, PyTorch uses {capability}"
    return True, f"this CPU has {', '.join(has)}"


def choose(device, forced, trial, steps=3):
    """-> (bf16?, why). forced: True, False or None; trial(bf16) does a training step that changes nothing, timed only where it
    is not known what is faster."""
    if forced is not None:
        return forced, "as asked"
    yes, why = native(device)
    if yes is not None:
        return yes, why
    seconds = []
    for bf16 in (False, True):
        trial(bf16)  # the first one allocates, and compiles where asked to
        start = time.perf_counter()
        for _ in range(steps):
            trial(bf16)
        seconds.append((time.perf_counter() - start) / steps)
    return seconds[1] < seconds[0], f"{why}; a step takes {seconds[0]:.2f} s in f32, {seconds[1]:.2f} s in bf16"


def machine(device):
    """What decides how numbers round, in words: kept in checkpoints, so that a run resumed elsewhere says so."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    has = [f for f in NATIVE_CPU if f in (cpu_flags() or ())]
    return " ".join(["CPU", torch.backends.cpu.get_cpu_capability(), *has])
