"""The split, the names of ideas, the augmentation."""

import numpy as np
import torch

import data
from augment import compose


def test_concepts():
    same = ["1F3C3", "1F3C3-200D-2640-FE0F", "1F3C3-200D-2642-FE0F-200D-27A1-FE0F"]
    assert {data.concept(h) for h in same} == {"1F3C3"}
    assert data.concept("1F468-200D-1F33E") == data.concept("1F9D1-200D-1F33E") != data.concept("1F9D1-200D-1F373")


def test_split_by_drawing():
    """A held-out drawing shows what at least two others show, and no idea loses two."""
    rows = [dict(concept=f"c{i % 40}", file=f"{i // 40}/{i}") for i in range(160)]
    rows += [dict(concept=f"rare{i % 30}", file=f"rare/{i}") for i in range(60)]
    held = data.held_out(rows)
    concepts = [rows[i]["concept"] for i in held]
    assert len(held) == round(0.07 * 220) == len(set(concepts)) and not any(c.startswith("rare") for c in concepts)
    assert held == data.held_out(rows)


def test_names_of_ideas():
    rows = [
        dict(concept="1F9D1-200D-1F3A8", base="1F468-200D-1F3A8", label="man artist"),
        dict(concept="1F9D1-200D-1F3A8", base="1F9D1-200D-1F3A8", label="artist"),
        dict(concept="1F9D1-200D-1F33E", base="1F468-200D-1F33E", label="man farmer"),
        dict(concept="2602", base="2602-FE0F", label="tool"),
    ]
    named = data.names_of_ideas(rows)
    assert named == {"1F9D1-200D-1F3A8": "artist", "1F9D1-200D-1F33E": "man farmer", "2602": "tool (one)"}
    assert list(named.values()) == sorted(named.values())


def test_weights():
    rows = [dict(idea="a", cls="x")] * 4 + [dict(idea="b", cls="x")] + [dict(cls="x")]
    w = data.picture_weights(rows)
    assert np.isclose(w.sum(), 1) and np.isclose(w[0] * 2, w[4]) and np.isclose(w[4], w[5])


def test_compose():
    """Seeded, never mirrored; a drawing stays whole with a margin, a picture without transparency fills the frame."""
    rgba = np.zeros((64, 128, 128, 4), np.uint8)
    rgba[:, 20:100, 10:60] = (255, 30, 30, 255)
    make = lambda seed, **how: compose(rgba, torch.Generator().manual_seed(seed), 64, **how)  # noqa: E731
    assert torch.equal(make(1), make(1)) and not torch.equal(make(1), make(2))
    x = make(3)
    assert x.shape == (64, 3, 64, 64) and x.abs().max() <= 1
    red = (x[:, 0] - x[:, 1]).clamp(min=0)  # (64,64,64); the drawing lies left of the middle, so it does in every picture
    assert (red[:, :, :32].sum((1, 2)) > red[:, :, 32:].sum((1, 2))).all() and red[:, 0].max() < 0.5
    assert torch.allclose(compose(rgba, None, 64, augment=False)[:, :, 0, 0], torch.ones(64, 3))
    full = np.full((2, 128, 128, 4), (10, 200, 10, 255), np.uint8)
    fill = compose(np.concatenate([full, full]), torch.Generator().manual_seed(1), 64, np.array([True, True, False, False]))
    green = (fill[:, 1] - fill[:, 0] > 0.8).flatten(1).all(1)
    assert green.tolist() == [True, True, False, False]
