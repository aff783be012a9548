"""What all trainings share: the loop (`train`), ranks, seeds, schedule, EMA, checkpoints that survive being cut off, logs."""

import contextlib
import copy
import csv
import math
import os
import signal
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist

import precision
from weights import load_run, read_tensors


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

    def row(self, progress, values):
        """Writes the fields it knows, prints them behind a note of progress."""
        values = {k: values[k] for k in self.fields if k in values}
        values = {k: (f"{v:.5g}" if isinstance(v, float) else v) for k, v in values.items()}
        with open(self.path, "a", newline="") as f:
            csv.DictWriter(f, self.fields).writerow(values)
        print(f"{progress}:  " + "  ".join(f"{k} {v}" for k, v in values.items()), flush=True)


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
    add("--init", type=Path, metavar="MODEL", help="weights to start from: a model folder's .safetensors, or a run")
    both = parser.add_mutually_exclusive_group()
    both.add_argument("--bf16", action="store_true", help="compute in bf16 (default: where the machine does)")
    both.add_argument("--f32", action="store_true", help="compute in f32 (default: where the machine has no bf16)")
    add("--compile", action="store_true", help="torch.compile")
    add("--threads", type=int, default=0, help="CPU threads (0: PyTorch's choice)")


def open_run(args, world):
    """The run's folder -> the checkpoint to go on from, or None."""
    args.out.mkdir(parents=True, exist_ok=True)
    last = args.out / "last.pt"
    if last.exists() and args.resume:
        state = torch.load(last, map_location=world.device, weights_only=False)
        same = "steps batch lr muon_lr warmup weight_decay ema seed noise jitter threshold p_max mode dropout".split()
        changed = [k.replace("_", "-") for k in same if k in state["args"] and state["args"][k] != getattr(args, k, None)]
        if changed:
            sys.exit(f"{last} was made with other --{', --'.join(changed)}: give the same, or another --out")
        return state
    if last.exists():
        sys.exit(f"{last} is there: add --resume to go on, or give another --out")
    return None


def initial(path):
    """Weights to start from -> state dict: a .safetensors file widened to f32, or the mean weights of a run."""
    path = Path(path)
    if path.suffix == ".safetensors" and path.exists():
        return read_tensors(path)
    if (path / "last.pt").exists():
        state = torch.load(path / "last.pt", map_location="cpu", weights_only=False)
        # Rows of the class table as they are exported, without the parts that this run's names share.
        return state["ema"] if state.get("shares") is None else load_run(path)[0].state_dict()
    sys.exit(f"--init {path}: neither a .safetensors file nor the folder of a run")


TABLE = "cls_embedding.embedding_table.weight"


def start_from(model, path):
    """Loads `initial(path)`. Another number of classes keeps the null class alone; any other shape is refused."""
    given, mine = initial(path), model.state_dict()
    if TABLE in given and TABLE in mine and given[TABLE].shape[0] != mine[TABLE].shape[0]:
        print(f"--init {path}: {len(given[TABLE]) - 1} classes, here {len(mine[TABLE]) - 1}: their rows start fresh", flush=True)
        given[TABLE] = torch.cat([mine[TABLE][:-1].cpu(), given[TABLE][-1:]])
    if "cls_embedding.parts.weight" in mine and "cls_embedding.parts.weight" not in given:
        given["cls_embedding.parts.weight"] = torch.zeros_like(mine["cls_embedding.parts.weight"])  # exported rows hold them
    wrong = [k for k, v in mine.items() if k != "quantize.usage" and (k not in given or given[k].shape != v.shape)]
    if wrong or given.keys() - mine.keys():
        sys.exit(f"--init {path} has other shapes than this model: {(wrong or sorted(given.keys() - mine.keys()))[0]}")
    model.load_state_dict(given, strict=False)


def plain(args):
    """argparse values as something torch.save and JSON take."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}


class Optimizers:
    """Several optimisers with a peak learning rate each, stepped as one."""

    def __init__(self, *pairs):
        self.all, self.peaks = [o for o, _ in pairs], [peak for _, peak in pairs]

    def step(self, share):
        """One step at `share` of the peak learning rates, then no gradients."""
        for optimizer, peak in zip(self.all, self.peaks):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
            optimizer.step()
        self.zero_grad()

    def zero_grad(self):
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self):
        return [o.state_dict() for o in self.all]

    def load_state_dict(self, states):
        for o, s in zip(self.all, states):
            o.load_state_dict(s)


def clock_time(seconds):
    """57 s, 12 min, 3.4 h."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def untouched(modules, trial):
    """trial(bf16), after which weights and buffers of the modules are what they were."""

    def run(bf16):
        kept = [copy.deepcopy(m.state_dict()) for m in modules]
        trial(bf16)
        for m, state in zip(modules, kept):
            m.load_state_dict(state)

    return run


def train(args, world, model, optimizers, step_fn, validate_fn, fields, facts, parts=None, begin_fn=None, after_fn=None, clip=1.0):
    """The loop of every trainer, from OUT/last.pt or the start to --steps, --stop-at, --minutes or a signal. -> (step, EMA, clock).

    step_fn(step, bf16) -> (loss, figures to be averaged in the log), begin_fn(step, bf16, ema) before it and after_fn(step, ema)
    with the new weights; step counts from 0 in the first two, from 1 in the last. validate_fn(bf16) -> figures, with the mean
    weights in place. facts: what the checkpoint says of the model beside its weights; parts: more to save and go on with, by name
    (a critic)."""
    parts, last = parts or {}, args.out / "last.pt"
    state, here = open_run(args, world), precision.machine(world.device)
    if state is None and args.init:
        start_from(model, args.init)
    ema, step, seconds = Ema(model, args.ema), 0, 0.0
    if state:
        model.load_state_dict(state["model"])
        optimizers.load_state_dict(state["optimizer"])
        for name, part in parts.items():
            part.load_state_dict(state[name])
        ema.shadow, step, seconds = {k: v.detach() for k, v in state["ema"].items()}, state["step"], state["seconds"]

    def trial(bf16):
        seed_step(args.seed, step, world.rank)
        step_fn(step, bf16)[0].backward()
        optimizers.zero_grad()

    modules = [model, *(p for p in parts.values() if isinstance(p, torch.nn.Module))]
    forced = True if args.bf16 else False if args.f32 else None
    bf16, why = precision.choose(world.device, forced, untouched(modules, trial))
    bf16 = world.mean(bf16) > 0.5  # one format for all ranks
    name = "bf16" if bf16 else "f32"
    if world.main:
        size = sum(p.numel() for p in model.parameters()) / 1e6
        print(f"{size:.2f} M parameters, in {name}: {why}; from step {step}", flush=True)
        before = state and (state.get("machine", here), state.get("format", name))
        if before and before != (here, name):
            print(f"begun on {' in '.join(before)}, goes on on {here} in {name}: numbers round otherwise from here on", flush=True)
    log, clock = Log(args.out / "log.csv", fields, step, world.main), Clock(args.minutes, seconds)
    end = min(args.steps, args.stop_at or args.steps)
    total, counted, t_row, times = Counter(), 0, clock.here, []
    while step < end:
        seed_step(args.seed, step, world.rank)
        if begin_fn:
            begin_fn(step, bf16, ema)
        loss, figures = step_fn(step, bf16)
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        share = learning_rate(step, args.steps, 1.0, args.warmup)
        optimizers.step(share)
        step += 1
        ema.update(model, step)
        if after_fn:
            after_fn(step, ema)
        total.update({k: float(v.detach()) for k, v in figures.items()})
        counted += 1
        if len(times) < 20:
            times.append(clock.here)
            if len(times) == 20 and world.main:
                pace = median(b - a for a, b in pairwise(times))  # some of them compile
                left = pace * (end - step)
                left = min(left, clock.limit - clock.here) if clock.limit else left
                at = time.strftime("%H:%M", time.localtime(time.time() + left))
                begun = f"first step {times[0]:.1f} s"
                print(f"{args.batch / pace:.1f} pictures a second ({begun}); done in {clock_time(left)}, at {at}", flush=True)
        stop = world.any(clock.over())
        if step % args.log_every == 0 or step == end or stop:
            speed = counted * args.batch / (clock.here - t_row)
            means = {k: world.mean(v / counted) for k, v in total.items()}
            if world.main:
                with ema.applied(model):
                    found = validate_fn(bf16)
                left = clock_time((args.steps - step) * args.batch / speed)
                at = dict(step=step, images=step * args.batch, seconds=clock.total, lr=args.lr * share, images_per_s=speed)
                log.row(f"{step / args.steps:.0%}, {left} left", at | means | found)
            total, counted, t_row = Counter(), 0, clock.here
        if (step % args.save_every == 0 or step == end or stop) and world.main:
            s = dict(model=model.state_dict(), ema=ema.shadow, optimizer=optimizers.state_dict(), step=step, seconds=clock.total)
            s |= {k: p.state_dict() for k, p in parts.items()} | facts | dict(args=plain(args), machine=here, format=name)
            save_atomic(s, last)
        if stop:
            break
    return step, ema, clock
