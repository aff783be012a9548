"""What all trainings share: device and ranks, seeds, schedule, EMA, checkpoints that survive being cut off, CSV logs."""

import contextlib
import csv
import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist


class World:
    """This process among those of `torchrun` (alone without it)."""

    def __init__(self, threads=0):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        cuda = torch.cuda.is_available()
        local = int(os.environ.get("LOCAL_RANK", 0))
        self.device = torch.device(f"cuda:{local}" if cuda else "cpu")
        if threads:
            torch.set_num_threads(threads)
        if cuda:
            torch.cuda.set_device(self.device)
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        if self.size > 1:
            dist.init_process_group("nccl" if cuda else "gloo")

    @property
    def main(self):
        return self.rank == 0

    def wrap(self, model):
        return torch.nn.parallel.DistributedDataParallel(model) if self.size > 1 else model

    def mean(self, value):
        """Average of a number over the ranks."""
        if self.size == 1:
            return float(value)
        t = torch.tensor([float(value)], device=self.device)
        dist.all_reduce(t)
        return float(t) / self.size

    def any(self, flag):
        return self.mean(float(flag)) > 0

    def close(self):
        if self.size > 1:
            dist.destroy_process_group()


def autocast(device, enabled=True):
    """bf16 where it is wanted."""
    return torch.autocast(device.type, torch.bfloat16) if enabled else contextlib.nullcontext()


def seed_step(seed, step, rank=0):
    """Random numbers of a step depend on nothing before it: a resumed run draws what an uninterrupted one would."""
    torch.manual_seed(((seed * 1_000_003 + step) * 1_009 + rank) & 0x7FFF_FFFF_FFFF)


def learning_rate(step, steps, peak, warmup, floor=0.03):
    """Linear warm-up, then half a cosine down to floor * peak; by steps, not by time."""
    if step < warmup:
        return peak * (step + 1) / warmup
    x = min(1.0, (step - warmup) / max(1, steps - warmup))
    return peak * max(floor, 0.5 + 0.5 * math.cos(math.pi * x))


class Ema:
    """Running mean of the weights (f32); young means follow faster."""

    def __init__(self, model, decay):
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model, step):
        d = min(self.decay, (1 + step) / (10 + step))
        state = model.state_dict()
        floats = [k for k, v in state.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.shadow[k] for k in floats], [state[k].detach() for k in floats], 1 - d)
        for k in state.keys() - set(floats):
            self.shadow[k].copy_(state[k])

    @contextlib.contextmanager
    def applied(self, model):
        """The model with the mean weights, inside a `with`."""
        mine = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.shadow)
        try:
            yield model
        finally:
            model.load_state_dict(mine)


def save_atomic(obj, path):
    """torch.save that leaves the old file or the new one, never half of one."""
    path = Path(path)
    part = path.with_suffix(path.suffix + ".part")
    with open(part, "wb") as f:
        torch.save(obj, f)
        f.flush()
        os.fsync(f.fileno())
    os.replace(part, path)


class Log:
    """CSV that is continued on resume: rows after the resumed step are dropped first."""

    def __init__(self, path, fields, from_step, enabled=True):
        self.path, self.fields, self.enabled = Path(path), fields, enabled
        if not enabled:
            return
        kept = []
        if from_step and self.path.exists():
            with open(self.path, newline="") as f:
                kept = [r for r in csv.DictReader(f) if int(r["step"]) <= from_step]
        with open(self.path, "w", newline="") as f:
            w = csv.DictWriter(f, fields)
            w.writeheader()
            w.writerows(kept)

    def row(self, **values):
        if not self.enabled:
            return
        values = {k: (f"{v:.5g}" if isinstance(v, float) else v) for k, v in values.items()}
        with open(self.path, "a", newline="") as f:
            csv.DictWriter(f, self.fields).writerow(values)
        print("  ".join(f"{k} {v}" for k, v in values.items()), flush=True)


class Clock:
    """When to stop: by --minutes, or by SIGTERM/SIGINT (a checkpoint is written first). Seconds add up over resumes."""

    def __init__(self, minutes, before=0.0):
        self.start, self.before, self.limit, self.asked = time.time(), before, minutes * 60, False
        for s in (signal.SIGTERM, signal.SIGINT):
            signal.signal(s, self.ask)

    def ask(self, *_):
        self.asked = True

    @property
    def here(self):
        return time.time() - self.start

    @property
    def total(self):
        return self.before + self.here

    def leave(self):
        """At the end of a trainer: exit code 130 where a signal ended it, so that nobody takes it for finished."""
        if self.asked:
            sys.exit(130)

    def over(self):
        return self.asked or (self.limit > 0 and self.here > self.limit)


def common_arguments(parser, steps, batch, lr):
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of this run: last.pt, log.csv")
    add("--steps", type=int, default=steps, help="length of the schedule")
    add("--batch", type=int, default=batch, help="pictures a step, over all ranks")
    add("--lr", type=float, default=lr)
    add("--warmup", type=int, default=100, help="steps")
    add("--weight-decay", type=float, default=0.05)
    add("--ema", type=float, default=0.999, help="decay of the mean weights")
    add("--seed", type=int, default=0)
    add("--minutes", type=float, default=0, help="stop (resumably) after this many minutes; 0 is never")
    add("--stop-at", type=int, default=0, help="stop (resumably) at this step, the schedule unchanged")
    add("--save-every", type=int, default=200, help="steps")
    add("--log-every", type=int, default=100, help="steps; validation with each row")
    add("--resume", action="store_true", help="go on from OUT/last.pt where there is one")
    add("--f32", action="store_true", help="no bf16 autocast")
    add("--compile", action="store_true", help="torch.compile")
    add("--threads", type=int, default=0, help="CPU threads (0: PyTorch's choice)")


def open_run(args, world):
    """The run's folder -> the checkpoint to go on from, or None."""
    args.out.mkdir(parents=True, exist_ok=True)
    last = args.out / "last.pt"
    if last.exists() and args.resume:
        state = torch.load(last, map_location=world.device, weights_only=False)
        same = ("steps", "batch", "lr", "warmup", "seed")
        changed = [k for k in same if state["args"].get(k) != getattr(args, k)]
        if changed:
            sys.exit(f"{last} was made with other --{', --'.join(changed)}: give the same, or another --out")
        return state
    if last.exists():
        sys.exit(f"{last} is there: add --resume to go on, or give another --out")
    return None


def plain(args):
    """argparse values as something torch.save and JSON take."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
