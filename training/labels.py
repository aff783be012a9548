"""What a model can be asked for, and the labels that its pictures are learnt by.

`names` (C,): the groups, then the ideas that a picture is learnt by (`named` of the manifest: data.py says which), sorted. Every
other picture is learnt by its group and the words of its name alone, so that it teaches what "cat" or "face" look like and takes no
row of its own. Rows of the class table in training:

    0 .. C-1    a name: a vector of its own, and those of its parts (its group, its words)
    C           the null class
    C+1 ..      the words of every idea there is, asked for or not: parts alone

A word is a part where two ideas or more have it. models/gpt.py adds the parts up, and folds them into plain rows for export.
"""

import re
from collections import Counter

import numpy as np

from data import concept

OTHERS = 0.3  # share of what is drawn from that goes to the pictures without a name
KEYWORDS = 10  # at most, a name
NUMBER = r"[+-]?\d+"
SEARCHED = ("emoji", "aliases", "keywords")  # of config.json
STOP = frozenset("with of and without the on in a to at".split())


def words(name):
    """The words of a name, but for those that say nothing."""
    return set(re.findall(r"[a-z0-9-]+", name.lower())) - STOP


def search_words(rows, name):
    """-> emoji: what an idea's drawings are drawings of, its own emoji first (no FE0F); aliases: other names, which no two emoji
    share; keywords: what else people say of it, but for what a search finds in the name itself."""
    forms, called, said = {}, {}, {}
    for r in sorted(rows, key=lambda r: (concept(r["base"]) != r["base"].upper().replace("-FE0F", ""), r["base"])):
        forms["".join(chr(int(p, 16)) for p in r["base"].split("-") if p.upper() != "FE0F")] = True
        called |= dict.fromkeys(r.get("aliases", ()))
        said |= dict.fromkeys(map(str.lower, r.get("keywords", ())))
    # "apple" may be the green one; "cat2" and "-1" are for programs, and numbers are those of classes.
    aliases = [w for w in called if not words(w) <= words(name) and not re.fullmatch(NUMBER + r"|.*[a-z]\d+", w)]
    said = [w for w in said if w not in name.lower() and w not in aliases and not re.fullmatch(NUMBER, w)]
    return list(forms), aliases, said[:KEYWORDS]


def label(rows, groups):
    """Manifest rows (N), group names -> dict of arrays for tokens.npz:

    names (C,), parents (C,) group of each idea (-1: a group), emoji, aliases and keywords (C,) one a line; groups, ideas, words
    (N,): the class-table rows of each picture (ideas -1: not asked for by name); parts (C+1+L,P): how much of each part is in a
    row; is_val (N,), weight (N,): how often a picture is drawn, relatively.

    Rows without an idea (a person's own folders): each group is what is asked for, and there are no parts."""
    held, number = np.array([r["split"] == "val" for r in rows]), {g: k for k, g in enumerate(groups)}
    group = np.array([number[r["cls"]] for r in rows])
    if not any("idea" in r for r in rows):
        weight = 1 / np.sqrt(np.bincount(group)[group])
        none = np.full(len(groups), "")
        plain = dict(names=np.array(groups), parents=np.full(len(groups), -1), emoji=none, aliases=none, keywords=none)
        plain |= dict(groups=group, ideas=group, words=group, parts=np.zeros((len(groups) + 1, 0), np.float32))
        return plain | dict(part_names=np.array([], str), is_val=held, weight=weight)
    group_of = {r["idea"]: r["cls"] for r in rows}
    named = np.array([r["named"] for r in rows])
    names = [*groups, *sorted({r["idea"] for r in rows if r["named"]})]
    number = {n: k for k, n in enumerate(names)}
    if not (named & held).any():
        raise SystemExit("no validation picture shows an idea of the list: more pictures, or other ideas, are needed")
    every = sorted(group_of)
    count = Counter(w for idea in every for w in words(idea))
    parts = [*groups, *sorted(w for w, n in count.items() if n > 1)]
    place = {p: k for k, p in enumerate(parts[len(groups) :], len(groups))}

    def share(cls, name):
        v = np.zeros(len(parts), np.float32)
        v[groups.index(cls)] = 1
        v[[place[w] for w in words(name) if w in place]] = 1
        return v

    table = [share(g, "") for g in groups] + [share(group_of[n], n) for n in names[len(groups) :]]
    table += [np.zeros(len(parts), np.float32), *(share(group_of[n], n) for n in every)]
    row_of_words = {n: len(names) + 1 + k for k, n in enumerate(every)}
    # Held out are only pictures of names; what else is held out is drawn from never.
    val, rest = named & held, ~named & ~held
    weight = np.where(named, 1.0, 0.0)
    if rest.any():
        weight[rest] = (named & ~val).sum() * OTHERS / (1 - OTHERS) / rest.sum()
    of = {}
    for r in rows:
        of.setdefault(r["idea"], []).append(r)
    found = [([], [], [])] * len(groups) + [search_words(of[n], n) for n in names[len(groups) :]]
    parents = [-1] * len(groups) + [groups.index(group_of[n]) for n in names[len(groups) :]]
    out = dict(names=np.array(names), parents=np.array(parents))
    out |= {key: np.array(["\n".join(f[k]) for f in found]) for k, key in enumerate(SEARCHED)}
    out |= dict(groups=group, ideas=np.array([number[r["idea"]] if n else -1 for r, n in zip(rows, named)]))
    out |= dict(words=np.array([row_of_words[r["idea"]] for r in rows]), parts=np.stack(table), part_names=np.array(parts))
    return out | dict(is_val=val, weight=weight)


def described(z):
    """tokens.npz -> for config.json: `classes`, and where there is something to say `parents` (null: a group), `emoji`, `aliases`,
    `keywords`, lists of the same length."""
    names = z["names"].tolist()
    out = dict(classes=names)
    if (z["parents"] >= 0).any():
        out["parents"] = [None if p < 0 else p for p in z["parents"].tolist()]
    for key in SEARCHED:
        lists = [text.split("\n") if text else [] for text in z[key].tolist()]
        if any(lists):
            out[key] = lists
    return out
