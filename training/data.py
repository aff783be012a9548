"""The emoji data set: rendered from the registries, labelled, split by concept, counted.

    python data.py build --out DIR          # npm packages -> PNG -> DIR/images.npy, DIR/manifest.jsonl, DIR/counts.csv, sheets
    python data.py build --out DIR --limit 20   # 20 pictures a style (for tests)

`images.npy` is uint8 (N, 128, 128, 4), RGBA with straight alpha, in the order of `manifest.jsonl`. A row of the manifest has
`file style licence hex base label group sub cls tone` (render.mjs) and `concept split` (here).
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
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
STYLES = ["fluent-color", "fluent-flat", "noto", "noto-v1", "twemoji"]
SIZE = 128  # pixels a side

# Same names in the same order as assets/model/config.json; a class's number is its place here.
CLASSES = (
    "animal-bird animal-bug animal-mammal animal-marine animal-reptile arts-crafts body-parts book-paper cat-monkey-face "
    "clothing computer dishware drink emotion event face-costume face-happy face-neutral face-sad food-asian food-fruit "
    "food-prepared food-sweet food-vegetable game hand-fist hand-open hand-point hand-sign hands heart household light-video "
    "mail medical money music musical-instrument office other-object person person-activity person-fantasy person-gesture "
    "person-role person-sport place-building place-geographic place-other plant-flower plant-other sky-weather sport time "
    "tool transport-air transport-ground transport-water"
).split()

# Mirrored, these would mean something else or show mirrored writing: hands, clocks, letters, keyboards, notes.
NO_FLIP = frozenset(
    "book-paper body-parts computer emotion event game hand-fist hand-open hand-point hand-sign hands light-video mail medical "
    "money music musical-instrument office other-object place-geographic sky-weather time transport-ground".split()
)

VALIDATION_SHARE = 0.07
SPLIT_SALT = "dpar-split-1"


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


def validation_concepts(rows):
    """The concepts held out: in every class those with the smallest hashes, 7 % of the class's concepts and at least one
    (a plain threshold on the hash left 18 of the 58 classes without any). All pictures of a concept share its side."""
    of_class = {}
    for r in rows:
        of_class.setdefault(r["cls"], set()).add(r["concept"])
    if sum(map(len, of_class.values())) != len(set().union(*of_class.values())):
        raise SystemExit("a concept has two classes: the split would not keep it on one side")
    rank = lambda c: hashlib.sha256(f"{SPLIT_SALT}:{c}".encode()).digest()  # noqa: E731
    held = set()
    for concepts in of_class.values():
        held.update(sorted(concepts, key=rank)[: max(1, round(VALIDATION_SHARE * len(concepts)))])
    return held


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
    """CSV: class, one column a style, train, val, concepts, concepts in validation."""
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["class", *STYLES, "train", "val", "concepts", "val_concepts"])
        for name in [*CLASSES, "all"]:
            mine = [r for r in rows if name in (r["cls"], "all")]
            style, split = Counter(r["style"] for r in mine), Counter(r["split"] for r in mine)
            concepts = {r["concept"] for r in mine}
            val = {r["concept"] for r in mine if r["split"] == "val"}
            w.writerow([name, *(style[s] for s in STYLES), split["train"], split["val"], len(concepts), len(val)])


def collect(out):
    """part-*.jsonl -> manifest.jsonl (with concept and split), images.npy, counts.csv, licences.csv."""
    rows = []
    for style in STYLES:
        rows += [json.loads(line) for line in (out / f"part-{style}.jsonl").read_text().splitlines() if line]
    for r in rows:
        r["concept"] = concept(r["base"])
        if r["cls"] not in CLASSES:
            raise SystemExit(f"{r['file']}: class {r['cls']!r} is not one of the {len(CLASSES)} known")
    held = validation_concepts(rows)
    for r in rows:
        r["split"] = "val" if r["concept"] in held else "train"
    images = np.lib.format.open_memmap(out / "images.npy", "w+", np.uint8, (len(rows), SIZE, SIZE, 4))
    for i, r in enumerate(rows):
        images[i] = np.asarray(Image.open(out / r["file"]).convert("RGBA"))
    images.flush()
    (out / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    for style in STYLES:
        (out / f"part-{style}.jsonl").unlink()
        shutil.rmtree(out / style)  # the pixels are in images.npy
    write_counts(rows, out / "counts.csv")
    return rows


def load(path):
    """-> (images uint8 (N,128,128,4) memory-mapped, rows, class numbers int64 (N,), is_val bool (N,))."""
    path = Path(path)
    rows = [json.loads(line) for line in (path / "manifest.jsonl").read_text().splitlines()]
    images = np.load(path / "images.npy", mmap_mode="r")
    number = {c: i for i, c in enumerate(CLASSES)}
    cls = np.array([number[r["cls"]] for r in rows])
    return images, rows, cls, np.array([r["split"] == "val" for r in rows])


def no_flip(cls):
    """class numbers (N,) -> bool (N,): pictures that must not be mirrored."""
    return np.isin(cls, [i for i, c in enumerate(CLASSES) if c in NO_FLIP])


def class_weights(cls):
    """Sampling weight of each picture, (N,), summing to 1: classes count with the square root of their size."""
    w = 1.0 / np.sqrt(np.bincount(cls, minlength=len(CLASSES))[cls])
    return w / w.sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where npm installs (default OUT/npm)")
    parser.add_argument("--limit", type=int, default=0, help="pictures a style; 0 is all")
    args = parser.parse_args()
    t0, out = time.time(), args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    render((args.work or out / "npm").resolve(), out, args.limit)
    rows = collect(out)
    n = Counter(r["split"] for r in rows)
    print(f"{len(rows)} pictures, {n['train']} train, {n['val']} validation, in {(time.time() - t0) / 60:.1f} min")


if __name__ == "__main__":
    main()
