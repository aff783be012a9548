"""Names, parents, words, weights and search words of labels.py; the class list."""

import json
import os

import numpy as np
import pytest

import data
import labels

WANTED = (data.HERE / "ideas.txt").read_text().splitlines()


def row(idea, cls, style="noto", split="train", base="1F600", keywords=(), aliases=()):
    named = idea in ("red apple", "cat face", "man dancing") and style in data.NAMED_STYLES
    more = dict(keywords=list(keywords), aliases=list(aliases), label=idea)
    return dict(idea=idea, cls=cls, named=named, style=style, split=split, base=base, **more)


@pytest.fixture(scope="module")
def scheme():
    """Three ideas to be asked for, one of them in a style that draws otherwise, too; two others."""
    rows = [
        row("red apple", "food-fruit", base="1F34E", keywords=["Fruit", "apple", "5"], aliases=["apple", "pome", "a2", "-1"]),
        row("red apple", "food-fruit", "twemoji", "val", "1F34E", ["Fruit", "apple"]),
        row("red apple", "food-fruit", "noto-v1", base="1F34E", keywords=["FRUIT"]),
        row("cat face", "cat-monkey-face", base="1F431"),
        row("man dancing", "person", base="1F57A-FE0F"),
        row("man dancing", "person", "twemoji", base="1F57A-200D-2642-FE0F", keywords=["disco"]),
        row("cat", "animal-mammal"),
        row("green apple", "food-fruit", split="val"),
    ]
    return rows, labels.label(rows, list(data.CLASSES))


def test_names_and_parents(scheme):
    _, z = scheme
    names = z["names"].tolist()
    assert names[:58] == data.CLASSES and names[58:] == ["cat face", "man dancing", "red apple"]
    found = labels.described(z)
    assert [data.CLASSES[p] for p in found["parents"][58:]] == ["cat-monkey-face", "person", "food-fruit"]
    assert found["parents"][:58] == [None] * 58 and found["emoji"][0] == found["keywords"][0] == []
    assert found["emoji"][58:] == [["\U0001f431"], ["\U0001f57a", "\U0001f57a\u200d\u2642"], ["\U0001f34e"]]
    assert found["aliases"][58:] == [[], [], ["pome"]]  # its own words say nothing new
    assert found["keywords"][58:] == [[], ["disco"], ["fruit"]]  # "apple" is in the name


def test_rows_of_the_table(scheme):
    """A row holds its group and the words that two ideas share; rows above the null class hold the same for every idea."""
    rows, z = scheme
    parts, names = z["part_names"].tolist(), z["names"].tolist()
    assert parts == [*data.CLASSES, "apple", "cat"]  # nobody shares "red", "face", "man"
    held = lambda k: {parts[i] for i in np.flatnonzero(z["parts"][k])}  # noqa: E731
    assert held(names.index("red apple")) == {"food-fruit", "apple"} and held(names.index("cat-monkey-face")) == {"cat-monkey-face"}
    assert held(len(names)) == set() and z["parts"].max() == 1 and len(z["parts"]) == len(names) + 1 + 5
    for r, words, idea, group in zip(rows, z["words"], z["ideas"], z["groups"]):
        assert words > len(names) and data.CLASSES[group] == r["cls"]
        assert held(words) == {r["cls"]} | ({"apple"} if "apple" in r["idea"] else {"cat"} if "cat" in r["idea"] else set())
        assert (idea >= 0) == (r["idea"] not in ("cat", "green apple") and r["style"] != "noto-v1")
        assert idea < 0 or names[idea] == r["idea"]


def test_what_is_drawn_from(scheme):
    _, z = scheme
    assert z["is_val"].tolist() == [False, True] + [False] * 6  # held out, but not of a name: seen by nobody
    drawn = z["weight"] * ~z["is_val"]
    assert drawn[7] == 0 and drawn[:6].tolist() == [1, 0, drawn[2], 1, 1, 1]
    assert drawn[2] == drawn[6] and drawn[[2, 6]].sum() / drawn.sum() == pytest.approx(labels.OTHERS)


def test_groups_alone():
    """A person's own folders: what is asked for is the folder, nothing is shared and nothing is said of parents."""
    rows = [dict(cls=c, split=s) for c, s in (("a", "train"), ("b", "train"), ("b", "val"), ("a", "train"), ("a", "train"))]
    z = labels.label(rows, ["a", "b"])
    assert labels.described(z) == dict(classes=["a", "b"]) and z["parts"].shape == (3, 0)
    assert z["ideas"].tolist() == z["groups"].tolist() == z["words"].tolist() == [0, 1, 1, 0, 0]
    assert z["weight"][0] * 3**0.5 == pytest.approx(z["weight"][1] * 2**0.5)


def test_no_validation_is_said(scheme):
    rows, _ = scheme
    with pytest.raises(SystemExit, match="no validation picture"):
        labels.label([r | dict(named=r["idea"] == "cat face") for r in rows], list(data.CLASSES))


def test_names_are_the_shipped_ones():
    shipped = json.loads((data.HERE.parent / "assets/model/config.json").read_text())
    assert len(WANTED) == 499 and data.read_ideas(data.HERE / "ideas.txt") == set(WANTED)
    assert shipped["classes"] == [*data.CLASSES, *sorted(WANTED)]
    assert [p is None for p in shipped["parents"]] == [True] * len(data.CLASSES) + [False] * 499


def test_parents_are_the_shipped_ones():
    """Of the pictures of data.py (DPAR_DATA), as far as there are."""
    if not os.environ.get("DPAR_DATA"):
        pytest.skip("set DPAR_DATA to a folder of data.py")
    shipped = json.loads((data.HERE.parent / "assets/model/config.json").read_text())
    group = {n: None if p is None else shipped["classes"][p] for n, p in zip(shipped["classes"], shipped["parents"])}
    pictures = data.load(os.environ["DPAR_DATA"])
    found = labels.described(labels.label(pictures.rows, pictures.groups))
    mine = {n: None if p is None else found["classes"][p] for n, p in zip(found["classes"], found["parents"])}
    assert len(mine) > len(data.CLASSES) and {n: group[n] for n in mine} == mine
