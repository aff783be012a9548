"""A person's own pictures: formats, odd folders, and the recipe from them to a model folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TRAINING
from PIL import Image, ImageDraw

import data
import folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes in six formats, whole pictures and cut-outs; a folder without pictures, a file that is none, a hidden one."""
    root = tmp_path_factory.mktemp("pictures")
    for name, shape, colour in (("Red ball", "ellipse", (230, 30, 20)), ("blue box", "rectangle", (20, 40, 230))):
        (root / name / "more").mkdir(parents=True)
        for i, ending in enumerate(("png", "jpg", "webp", "gif", "bmp", "tiff") * 2):
            cut_out = ending in ("png", "webp")
            page = Image.new("RGBA", (200, 120 + i), (0, 0, 0, 0) if cut_out else (240, 240, 250, 255))
            getattr(ImageDraw.Draw(page), shape)((60, 20, 140, 100), fill=(*colour, 255))
            page = page if cut_out else page.convert("RGB")
            page.save(root / name / ("more" if i > 5 else ".") / f"{i}.{ending}")
    (root / "nothing").mkdir()
    (root / "Red ball" / "notes.txt").write_text("not a picture")
    (root / "blue box" / ".hidden").write_text("")
    return root


def test_folders(pictures, tmp_path, capsys):
    rows, groups = folder.build(pictures, tmp_path)
    said = capsys.readouterr().out
    assert groups == ["Red ball", "blue box"] and len(rows) == 24 and sum(r["split"] == "val" for r in rows) == 2
    assert "'nothing' holds no picture" in said and "Red ball/notes.txt" in said and ".hidden" not in said
    data.write(tmp_path, rows, groups)
    found = data.load(tmp_path)
    assert found.images.shape == (24, 128, 128, 4) and found.fill.sum() == 16
    for image, row in zip(found.images, rows):
        middle = image[64, 64]
        assert middle[3] == 255 and (middle[0] > 200) == (row["cls"] == "Red ball")
        assert (image[0, 0, 3] == 255) == row["opaque"]


def test_rare_modes(tmp_path):
    """Sixteen bits, CMYK, palettes, one bit, a turned photograph."""
    wide = Image.fromarray((np.arange(100 * 50).reshape(50, 100) * 13).astype(np.uint16))
    for name, picture in (
        ("wide.png", wide),
        ("print.jpg", Image.new("CMYK", (90, 90), (0, 255, 255, 0))),
        ("palette.png", Image.new("RGBA", (80, 80), (255, 0, 0, 128)).quantize(4)),
        ("bits.png", Image.new("1", (70, 70), 1)),
    ):
        picture.save(tmp_path / name)
        image, _ = folder.square(tmp_path / name)
        assert image.shape == (128, 128, 4) and image.dtype == np.uint8
    assert folder.square(tmp_path / "wide.png")[0][..., 0].max() > 200  # not cut to eight bits
    photo = Image.new("RGB", (64, 64))
    photo.paste((255, 255, 255), (0, 0, 64, 32))  # bright on top, and marked as turned by 180 degrees
    exif = Image.Exif()
    exif[0x0112] = 3
    photo.save(tmp_path / "turned.png", exif=exif)
    image, _ = folder.square(tmp_path / "turned.png")
    assert image[10, 64, 0] < 50 and image[118, 64, 0] > 200


def one_picture(path):
    path.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(path / "a.png")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: None, "is not a folder"),
        (lambda d: d.mkdir(), "holds no folders"),
        (lambda d: [(d / n).mkdir(parents=True) for n in ("Cat", "cat")], "would be one name"),
        (lambda d: (d / "cat").mkdir(parents=True), "0 pictures are too few"),
        (lambda d: [one_picture(d / n) for n in ("cat", "dog")], "no folder holds two pictures"),
    ],
)
def test_odd_folders(tmp_path, make, says):
    make(tmp_path / "own")
    r = subprocess.run(
        [sys.executable, "data.py", "folder", tmp_path / "own", "--out", tmp_path / "out"],
        cwd=TRAINING,
        capture_output=True,
        text=True,
    )
    assert r.returncode == 1 and says in r.stderr and "Traceback" not in r.stderr


def test_recipe_on_a_folder(pictures, tmp_path):
    """recipe.sh from a folder of pictures to a model folder, which the program opens where there is one (DPAR_BIN)."""
    where = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": f"{where}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    recipe = ["./recipe.sh", str(tmp_path), "smoke", str(pictures)]
    r = subprocess.run(recipe, cwd=TRAINING, env=env, capture_output=True, text=True, timeout=600)
    assert r.returncode == 0, r.stdout + r.stderr
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["classes"] == ["Red ball", "blue box"] and not {"parents", "emoji", "aliases", "keywords"} & set(config)
    assert {p.name for p in (tmp_path / "model").iterdir()} >= {f"{n}.safetensors" for n in ("vq", "entropy", "dpar", "baseline")}
    again = subprocess.run(recipe, cwd=TRAINING, env=env, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0 and "==" not in again.stdout  # what is done is not repeated
    other = subprocess.run([*recipe[:2], "quick"], cwd=TRAINING, env=env, capture_output=True, text=True, timeout=60)
    assert other.returncode == 2 and "was begun as 'smoke " in other.stderr and other.stderr.count("\n") == 1
    if os.environ.get("DPAR_BIN"):
        cmd = [os.environ["DPAR_BIN"], "generate", "--model", tmp_path / "model", "--device", "cpu", "--class", "red ball"]
        r = subprocess.run([*map(str, cmd), "--out", str(tmp_path / "o.png")], capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        assert Image.open(tmp_path / "o.png").size == (32, 32)
