"""A person's own pictures as a data set: `data.py folder DIR --out DATA`, a class for each folder in DIR."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SIZE = 128  # pixels a side, as data.py's
HELD_OUT = 0.07  # of each class with at least FEW pictures
FEW = 5


def square(path):
    """A picture file -> (uint8 (128,128,4) RGBA, does it fill its square?). Cut-outs keep their shape on a transparent square; a
    picture without transparency is cropped to the square in its middle."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture = Image.open(path)  # an animation: its first frame
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # 16 bits a pixel
        grey = np.asarray(picture, np.float64)
        picture = Image.fromarray((grey / max(grey.max(), 1) * 255).astype(np.uint8))
    clear = picture.has_transparency_data and picture.convert("RGBA").getextrema()[3][0] < 255
    if not clear:
        return np.asarray(ImageOps.fit(picture.convert("RGB"), (SIZE, SIZE), Image.Resampling.LANCZOS).convert("RGBA")), True
    picture = picture.convert("RGBA").convert("RGBa")  # premultiplied: colour that is not seen must not bleed into edges
    picture = ImageOps.pad(picture, (SIZE, SIZE), Image.Resampling.LANCZOS, color=(0, 0, 0, 0))
    return np.asarray(picture.convert("RGBA")), False


def classes_in(root):
    """-> {class: its files}. Says in one sentence what is wrong with a folder that holds none."""
    if not root.is_dir():
        raise SystemExit(f"{root} is not a folder")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise SystemExit(f"{root} holds no folders: make one for each class and put its pictures in it")
    names = [" ".join(p.name.split()) for p in folders]
    folded = [n.lower() for n in names]
    twice = [n for n in names if folded.count(n.lower()) > 1]
    if twice:
        raise SystemExit(f"{root}: {' and '.join(map(repr, twice))} would be one name, as upper and lower case mean the same")
    return {n: sorted(f for f in p.rglob("*") if f.is_file() and not f.name.startswith(".")) for n, p in zip(names, folders)}


def split(rows):
    """Marks the pictures held out, those with the smallest hashes: HELD_OUT of each class that has FEW, and one at least of all."""
    rank = lambda r: hashlib.sha256(r["file"].encode()).digest()  # noqa: E731
    of = {}
    for r in rows:
        r["split"] = "train"
        of.setdefault(r["cls"], []).append(r)
    for mine in of.values():
        for r in sorted(mine, key=rank)[: max(1, round(HELD_OUT * len(mine))) if len(mine) >= FEW else 0]:
            r["split"] = "val"
    most = max(of.values(), key=len)
    if len(most) < 2:
        raise SystemExit("no folder holds two pictures; one is held out to validate with, so one folder needs two or more")
    if not any(r["split"] == "val" for r in rows):
        min(most, key=rank)["split"] = "val"


def build(root, out):
    """-> rows of the manifest (`file style cls opaque split`), names of the classes; writes OUT/images.npy."""
    images, rows, odd = [], [], []
    for name, files in classes_in(root).items():
        before = len(rows)
        for f in files:
            try:
                image, opaque = square(f)
            except Exception as e:  # Pillow's decoders raise whatever they meet in a broken file
                odd.append(f"{f.relative_to(root)} ({type(e).__name__})")
                continue
            images.append(image)
            rows.append(dict(file=str(f.relative_to(root)), style="own", cls=name, opaque=opaque))
        if len(rows) == before:
            print(f"left out: the folder {name!r} holds no picture that Pillow reads")
    if odd:
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        print(f"left out: {len(odd)} files that are no pictures: {', '.join(odd[:5])}{more}")
    if not rows:
        raise SystemExit(f"{root}: 0 pictures are too few: put at least two into one of its folders")
    split(rows)
    np.save(Path(out) / "images.npy", np.stack(images))
    return rows, list(dict.fromkeys(r["cls"] for r in rows))
