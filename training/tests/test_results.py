"""Distances, the classifier's answers, the tables' rows and their page."""

import csv

import numpy as np
import torch

import experiments
import ideas
import pilots
import train_ar
from classifier import Classifier, accuracy, hits, share
from metrics import frechet, kernel_distance


def test_kernel_distance():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(1000, 16, generator=g), torch.randn(1000, 16, generator=g)
    same, error = kernel_distance(a, b)
    assert abs(same) < 4 * error  # unbiased: around zero, on either side
    far, error = kernel_distance(a, b + 0.5)
    assert far > 10 * error
    # By the definition, for one block of three.
    x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [1.0], [4.0]])
    k = lambda p, q: (float(p) * float(q) + 1) ** 3  # noqa: E731
    pairs = [(i, j) for i in range(3) for j in range(3)]
    within = sum(k(v[i], v[j]) for v in (x, y) for i, j in pairs if i != j) / 6
    between = sum(k(x[i], y[j]) for i, j in pairs) / 9
    assert np.isclose(kernel_distance(x, y, blocks=1)[0], within - 2 * between)
    assert frechet(a, b) < frechet(a, b + 0.5)


def test_answers():
    torch.manual_seed(0)
    net = Classifier(3, 4).eval()
    x = torch.randn(5, 3, 64, 64)
    of_groups, of_ideas = net.both(x)
    best, last = of_ideas.argmax(-1), of_ideas.argmin(-1)
    ideas = torch.where(torch.arange(5) < 2, best, last)
    ideas[4] = -1
    group, one, five = hits(net, x, of_groups.argmax(-1), ideas)
    assert group.all() and one.tolist() == [True, True, False, False, False]
    assert five.tolist() == [True] * 4 + [False]  # four ideas: each is among five
    assert accuracy(net, x, of_groups.argmin(-1), ideas) == [0.0, 0.5, 1.0]
    assert share(torch.tensor([True, False, False, False])) == (0.25, (0.25 * 0.75 / 4) ** 0.5)
    # One that knows no ideas.
    assert not hits(Classifier(3).eval(), x, of_groups.argmax(-1), ideas)[1:].any()


def test_rows_are_named_apart():
    for table in experiments.TITLES:
        names = [row.name for row in experiments.rows(table)]
        assert len(set(names)) == len(names), table
        assert len({row.label for row in experiments.rows(table)}) == len(names), table
    named = {row.name: row for table in experiments.TITLES for row in experiments.rows(table)}
    for table in experiments.TITLES:  # a row of two tables is drawn once, so it must be the same one
        for row in experiments.rows(table):
            other = named[row.name]
            assert (row.small, row.baseline, row.flags, row.samples) == (other.small, other.baseline, other.flags, other.samples)


def test_page(tmp_path):
    out = tmp_path / "results"
    out.mkdir()
    found = dict.fromkeys(experiments.COLUMNS, 0.125) | dict(
        row="DPAR", model="shipped", samples=5000, kernel=0.0021, kernel_error=0.0003
    )
    experiments.write("a", [found], out)
    (out / "curves").mkdir()
    log = (
        "step,images,seconds,lr,train_nats,val_nats,patch_length,images_per_s\n1,32,60,0.1,3.0,3.1,2,1\n2,64,120,0.1,2.5,2.7,2,1\n"
    )
    (out / "curves/dpar.csv").write_text(log)
    (out / "notes.md").write_text("## intro\nWhat is true.\n\n## a\nSaid of the table.\n")
    shares = "right_group,right_idea,right_idea_of_five"
    heads = f"idea,group,samples,{shares},baseline_samples," + ",".join(f"baseline_{k}" for k in shares.split(","))
    (out / "ideas.csv").write_text(f"{heads}\nowl,animal-bird,16,0.5,0.25,0.75,4,0.25,0,0.5\nhinge,tool,16,0,0,0,4,0,0,0\n")
    experiments.main(["report", "--out", str(out)])
    page = (tmp_path / "results.md").read_text()
    assert "What is true." in page and "Said of the table." in page and "| DPAR | 5000 | 0.125 |" in page and "2.10 ± 0.30" in page
    assert "| DPAR | 16 | 25 | 12 | 38 |" in page and "| animal-bird | 1 | 50, 25 | 25, 0 | 75, 50 |" in page
    assert "1 of 2 ideas hardly come out" in page and ": hinge." in page
    assert "held-out drawings" in page  # what the judge is worth
    assert "## Thresholds" not in page  # no table, no section
    assert (out / "table-a.png").stat().st_size > 1000
    assert "(results/curves.png)" in page and (out / "curves.png").stat().st_size > 1000
    with open(out / "table-a.csv", newline="") as f:
        assert [r["samples"] for r in csv.DictReader(f)] == ["5000"]


def test_what_was_made_stays(tmp_path):
    calls = []
    make = lambda: calls.append(1) or dict(found=len(calls))  # noqa: E731
    assert [experiments.kept(tmp_path / "a.json", make) for _ in range(3)] == [dict(found=1)] * 3
    assert experiments.kept(tmp_path / "b.json", make) == dict(found=2)


def test_ideas():
    # Three groups and four ideas; asked for twice, in turn.
    torch.manual_seed(0)
    net, parents = Classifier(3, 4).eval(), np.array([-1, -1, -1, 0, 1, 2, 2])
    classes = ideas.asked(7, 2)
    assert classes.tolist() == [*range(7), *range(7)]
    x = torch.randn(14, 3, 64, 64)
    of_groups, of_ideas = (answer.argmax(-1) for answer in net.both(x))
    found = ideas.judged(net, x, classes, parents)
    for c in range(7):
        group, idea, five = found[c]
        expected = parents[c] if c > 2 else c
        assert group == sum(of_groups[k] == expected for k in (c, c + 7)) / 2
        assert idea == (sum(of_ideas[k] == c - 3 for k in (c, c + 7)) / 2 if c > 2 else 0.0)
        assert five == (1.0 if c > 2 else 0.0)  # four ideas: each is among five


def test_pilots(tmp_path):
    for name, (kind, _, changed) in pilots.PILOTS.items():
        words = [str(w) for w in pilots.command(name, tmp_path, tmp_path / name, 1)[2:]]
        args = train_ar.parse(words)
        assert args.kind == kind and args.steps == 4000
        assert all(str(getattr(args, k)) == str(v) for k, v in changed.items()), name
    for name, val in (("dpar", 2.5), ("decay", 2.4)):
        lines = ["step,images,seconds,lr,train_nats,val_nats,patch_length,images_per_s"]
        lines += [f"{s},{16 * s},{s / 4},0.1,3.0,{val + (4000 - s) / 1000},2.0,64" for s in (2000, 4000)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    pilots.main(["report", "--out", str(tmp_path)])
    with open(tmp_path / "pilots.csv", newline="") as f:
        found = {row["pilot"]: row for row in csv.DictReader(f)}
    assert list(found) == ["dpar", "decay"] and found["decay"]["val_nats"] == "2.4" and found["dpar"]["pictures_per_s"] == "64"
    assert (tmp_path / "pilots.png").exists()
