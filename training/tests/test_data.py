"""The split, the class list and the augmentation."""

import json

import numpy as np
import torch

import data
from augment import compose


def test_classes_are_the_shipped_ones():
    shipped = json.loads((data.HERE.parent / "assets/model/config.json").read_text())["classes"]
    assert shipped == data.CLASSES and set(data.NO_FLIP) <= set(data.CLASSES)


def test_concepts():
    same = ["1F3C3", "1F3C3-200D-2640-FE0F", "1F3C3-200D-2642-FE0F-200D-27A1-FE0F"]
    assert {data.concept(h) for h in same} == {"1F3C3"}
    assert data.concept("1F468-200D-1F33E") == data.concept("1F9D1-200D-1F33E") != data.concept("1F9D1-200D-1F373")
    rows = [dict(cls=c, concept=f"{c}{i}") for c in "ab" for i in range(30)] + [dict(cls="c", concept="only")]
    held = data.validation_concepts(rows)
    assert len(held) == 5 and sum(h[0] == "a" for h in held) == 2 and "only" in held


def test_compose_is_seeded_and_keeps_direction():
    rgba = np.zeros((4, 128, 128, 4), np.uint8)
    rgba[:, 20:100, 10:60] = (255, 30, 30, 255)
    make = lambda seed, keep: compose(rgba, torch.Generator().manual_seed(seed), 64, np.full(4, keep))  # noqa: E731
    assert torch.equal(make(1, True), make(1, True)) and not torch.equal(make(1, True), make(2, True))
    x = make(3, True)
    assert x.shape == (4, 3, 64, 64) and x.abs().max() <= 1
    red = (x[:, 0] - x[:, 1]).clamp(min=0)
    assert (red.flatten(1).sum(1) > 0).all()
    plain = compose(rgba, None, 64, augment=False)
    assert torch.allclose(plain[:, :, 0, 0], torch.ones(4, 3))
