"""Pictures in rows: contact sheets as PNG."""

import numpy as np
import torch
from PIL import Image, ImageDraw


def to_uint8(x):
    """(N,3,H,W) in [-1,1] -> uint8 (N,H,W,3)."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def sheet(images, columns, path, labels=None, gap=2):
    """uint8 (N,H,W,3), or (N,3,H,W) in [-1,1], in raster order; labels: one a row, written left of it."""
    if torch.is_tensor(images):
        images = to_uint8(images)
    n, h, w, _ = images.shape
    rows = -(-n // columns)
    left = 0 if labels is None else 8 + 6 * max(len(s) for s in labels)
    page = np.full((rows * (h + gap) + gap, left + columns * (w + gap) + gap, 3), 255, np.uint8)
    for i in range(n):
        y, x = gap + i // columns * (h + gap), left + gap + i % columns * (w + gap)
        page[y : y + h, x : x + w] = images[i]
    page = Image.fromarray(page)
    if labels is not None:
        draw = ImageDraw.Draw(page)
        for r, text in enumerate(labels):
            draw.text((4, gap + r * (h + gap) + h // 2 - 5), text, fill=(0, 0, 0))
    page.save(path, optimize=True)
