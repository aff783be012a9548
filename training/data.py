"""The emoji data set: rendered from the registries, labelled, split by drawing, counted.

    python data.py build --out DIR          # npm packages -> PNG -> DIR/images.npy, DIR/manifest.jsonl, ..
    python data.py build --out DIR --limit 20   # 20 pictures a style (for tests)
    python data.py folder PICTURES --out DIR    # a person's own: a class for each folder in PICTURES (folder.py)

`images.npy` is uint8 (N, 128, 128, 4), RGBA with straight alpha, in the order of `manifest.jsonl`; `groups.json` lists the names of
the groups. A row of the manifest has `file style licence hex base label aliases keywords group sub cls tone` (render.mjs) and
`concept idea named split` (here): cls is its group, idea the name of what it shows; named: it is learnt by that name, being one of
ideas.txt (--ideas) in a style that draws like the others. The rest teaches groups and words (labels.py).
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import folder

HERE = Path(__file__).resolve().parent
STYLES = ["fluent-color", "fluent-flat", "noto", "noto-v1", "twemoji"]
NAMED_STYLES = frozenset(STYLES) - {"noto-v1"}  # noto-v1 draws its things otherwise
SIZE = 128  # pixels a side

# The groups, which come first among a model's classes: the same names in the same order as in assets/model/config.json.
CLASSES = (
    "animal-bird animal-bug animal-mammal animal-marine animal-reptile arts-crafts body-parts book-paper cat-monkey-face "
    "clothing computer dishware drink emotion event face-costume face-happy face-neutral face-sad food-asian food-fruit "
    "food-prepared food-sweet food-vegetable game hand-fist hand-open hand-point hand-sign hands heart household light-video "
    "mail medical money music musical-instrument office other-object person person-activity person-fantasy person-gesture "
    "person-role person-sport place-building place-geographic place-other plant-flower plant-other sky-weather sport time "
    "tool transport-air transport-ground transport-water"
).split()

VALIDATION_SHARE = 0.07
SPLIT_SALT = "dpar-split-2"


def concept(base_hex):
    """Code points of the idea behind an emoji: gender, hair-neutral person and direction are taken off, so that 'man running'
    and 'woman running facing right' are the concept of 'person running'."""
    parts = [p for p in base_hex.upper().split("-") if p != "FE0F"]
    for tail in ("27A1", "2640", "2642"):
        if len(parts) > 2 and parts[-2:] == ["200D", tail]:
            parts = parts[:-2]
    if parts[0] in ("1F468", "1F469"):
        parts[0] = "1F9D1"
    return "-".join(parts)


def names_of_ideas(rows):
    """{concept: name}, in the order of the names: the label of the concept's own emoji ("artist", not "man artist"), else the
    shortest label of its drawings. A name that a group has already gets " (one)"."""
    labels = {}
    for r in rows:
        own = concept(r["base"]) == r["base"].upper().replace("-FE0F", "")
        labels.setdefault(r["concept"], set()).add((not own, len(r["label"]), r["label"]))
    named = {c: min(ls)[2] for c, ls in labels.items()}
    named = {c: f"{n} (one)" if n in CLASSES else n for c, n in named.items()}
    if len(set(named.values())) != len(named):
        raise SystemExit(f"two ideas of one name: {[n for n, k in Counter(named.values()).items() if k > 1]}")
    return dict(sorted(named.items(), key=lambda kv: kv[1]))


def held_out(rows):
    """Indices of the validation drawings: of the concepts that at least three drawings show, the drawings with the smallest hashes,
    7 % of all and never two of one concept. The idea is known then, this drawing of it is not."""
    of = {}
    for i, r in enumerate(rows):
        of.setdefault(r["concept"], []).append(i)
    rank = lambda i: hashlib.sha256(f"{SPLIT_SALT}:{rows[i]['file']}".encode()).digest()  # noqa: E731
    one = sorted((min(ids, key=rank) for ids in of.values() if len(ids) >= 3), key=rank)
    return set(one[: max(1, round(VALIDATION_SHARE * len(rows)))])


def render(work, out, limit):
    """npm packages into `work`, PNGs and part-STYLE.jsonl into `out`; one process a style, as many at once as there are cores."""
    work.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "render.mjs"):
        if (HERE / name).exists():
            shutil.copy(HERE / name, work / name)
    lock = (work / "package-lock.json").exists()
    npm = ["npm", "ci" if lock else "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(npm, cwd=work, check=True, stdout=subprocess.DEVNULL)
    waiting, running = list(STYLES), {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            style = waiting.pop(0)
            extra = [str(limit)] if limit else []
            running[style] = subprocess.Popen(["node", "render.mjs", str(out), style, *extra], cwd=work)
        for style, process in list(running.items()):
            if process.poll() is not None:
                del running[style]
                if process.returncode:
                    raise SystemExit(f"rendering {style} failed (exit code {process.returncode})")
        time.sleep(0.1)


def write_counts(rows, path):
    """CSV: class, one column a style, train, val, concepts, concepts in validation, drawings learnt by name."""
    with open(path, "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(["class", *STYLES, "train", "val", "concepts", "val_concepts", "named"])
        for name in [*CLASSES, "all"]:
            mine = [r for r in rows if name in (r["cls"], "all")]
            style, split = Counter(r["style"] for r in mine), Counter(r["split"] for r in mine)
            concepts = {r["concept"] for r in mine}
            val = {r["concept"] for r in mine if r["split"] == "val"}
            named = sum(r["named"] for r in mine)
            w.writerow([name, *(style[s] for s in STYLES), split["train"], split["val"], len(concepts), len(val), named])


def read_ideas(path):
    """A list of names, one a line -> set of names."""
    names = [" ".join(line.split()) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    twice = [n for n, k in Counter(names).items() if k > 1]
    if twice or not names:
        raise SystemExit(f"{path}: {'lists nothing' if not names else f'lists {twice[0]!r} twice'}")
    return set(names)


def collect(out, wanted, whole=True):
    """part-*.jsonl -> manifest.jsonl (with concept, idea, named, split), images.npy, counts.csv. wanted: the ideas to be learnt by
    name; where all pictures are there (`whole`) each must be drawn in some style of NAMED_STYLES."""
    rows = []
    for style in STYLES:
        rows += [json.loads(line) for line in (out / f"part-{style}.jsonl").read_text().splitlines() if line]
    for r in rows:
        r["concept"] = concept(r["base"])
        if r["cls"] not in CLASSES:
            raise SystemExit(f"{r['file']}: class {r['cls']!r} is not one of the {len(CLASSES)} known")
    held, ideas = held_out(rows), names_of_ideas(rows)
    for i, r in enumerate(rows):
        r["idea"], r["split"] = ideas[r["concept"]], "val" if i in held else "train"
        r["named"] = r["idea"] in wanted and r["style"] in NAMED_STYLES
    unknown = sorted(wanted - {r["idea"] for r in rows if r["named"]})
    if whole and unknown:
        raise SystemExit(f"no drawing shows {', '.join(map(repr, unknown[:5]))} of the list of ideas ({len(unknown)} in all)")
    images = np.lib.format.open_memmap(out / "images.npy", "w+", np.uint8, (len(rows), SIZE, SIZE, 4))
    for i, r in enumerate(rows):
        images[i] = np.asarray(Image.open(out / r["file"]).convert("RGBA"))
    images.flush()
    write(out, rows, CLASSES)
    for style in STYLES:
        (out / f"part-{style}.jsonl").unlink()
        shutil.rmtree(out / style)  # the pixels are in images.npy
    write_counts(rows, out / "counts.csv")
    return rows


def write(out, rows, groups):
    (out / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (out / "groups.json").write_text(json.dumps(list(groups), indent=1) + "\n")


@dataclass(frozen=True)
class DataSet:
    """images uint8 (N,128,128,4), memory-mapped; rows of the manifest; names of the groups; cls int64 (N,) each picture's group;
    is_val bool (N,); fill bool (N,), pictures without transparency, which fill the frame."""

    images: np.ndarray
    rows: list
    groups: list
    cls: np.ndarray
    is_val: np.ndarray
    fill: np.ndarray


def load(path):
    path = Path(path)
    if not (path / "manifest.jsonl").exists():
        raise SystemExit(f"{path} holds no pictures of data.py: no manifest.jsonl")
    rows = [json.loads(line) for line in (path / "manifest.jsonl").read_text().splitlines()]
    groups = json.loads((path / "groups.json").read_text())
    number = {c: i for i, c in enumerate(groups)}
    cls = np.array([number[r["cls"]] for r in rows])
    is_val, fill = np.array([r["split"] == "val" for r in rows]), np.array([r.get("opaque", False) for r in rows])
    return DataSet(np.load(path / "images.npy", mmap_mode="r"), rows, groups, cls, is_val, fill)


def picture_weights(rows):
    """Sampling weight of each picture, (N,), summing to 1: ideas (groups, where pictures have none) count with the square root of
    their number of pictures."""
    kinds = [r.get("idea", r["cls"]) for r in rows]
    count = Counter(kinds)
    w = np.array([count[k] ** -0.5 for k in kinds])
    return w / w.sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "folder"])
    parser.add_argument("pictures", nargs="?", type=Path, help="for folder: what holds a folder for each class")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where npm installs (default OUT/npm)")
    parser.add_argument("--limit", type=int, default=0, help="pictures a style; 0 is all")
    parser.add_argument("--ideas", type=Path, default=HERE / "ideas.txt", help="for build: what is learnt by name, one a line")
    args = parser.parse_args()
    if (args.command == "folder") != bool(args.pictures):
        parser.error("folder takes the folder of your pictures" if args.command == "folder" else "build takes no folder")
    t0, out = time.time(), args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if args.pictures:
        rows, groups = folder.build(args.pictures.resolve(), out)
        write(out, rows, groups)
    else:
        wanted = read_ideas(args.ideas)  # before the long part: a bad list is said at once
        render((args.work or out / "npm").resolve(), out, args.limit)
        rows = collect(out, wanted, whole=not args.limit)
    n = Counter(r["split"] for r in rows)
    print(f"{len(rows)} pictures, {n['train']} train, {n['val']} validation, in {(time.time() - t0) / 60:.1f} min")


if __name__ == "__main__":
    main()
