"""docs/results.md: a page of all tables, with plots and the words in notes.md beside the CSVs."""

import csv
import json
import re

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from safetensors import safe_open

TITLES = dict(
    a="DPAR against the fixed-length baseline",
    b="Thresholds and P_max moved while drawing",
    c="How patches are cut",
    d="A threshold moved while drawing, trained at one",
    e="Angles by the patch's place, and without",
    s="Guidance, temperature, top-p",
)
SHOWN = {
    "row": "", "samples": "samples", "val_nats": "validation nats", "frechet": "Fréchet", "kernel": "kernel x 1000",
    "precision": "precision", "recall": "recall", "right_group": "right group %", "right_idea": "right idea %",
    "patch_length": "tokens a patch", "patch_steps": "steps", "inference_gflop": "GFLOP", "ms_a_picture": "ms a picture",
}  # fmt: skip


def plot(table, found, out):
    """PNG beside the CSV: distances with their errors, and how often a picture shows what was asked for."""
    fig, axes = plt.subplots(1, 3, figsize=(13, 0.9 + 0.32 * len(found)), sharey=True, layout="constrained")
    names, place = [r["row"] for r in found], range(len(found))
    number = lambda r, k: float(r[k])  # noqa: E731
    axes[0].barh(place, [number(r, "frechet") for r in found], color="#4477aa")
    axes[0].set_xlabel("Fréchet distance, lower is better")
    axes[1].barh(place, [number(r, "kernel") for r in found], xerr=[number(r, "kernel_error") for r in found], color="#66ccee")
    axes[1].set_xlabel("kernel distance, lower is better")
    ideas = [number(r, "right_idea") for r in found]
    axes[2].barh(place, ideas, xerr=[number(r, "right_idea_error") for r in found], color="#228833")
    axes[2].set_xlabel("share taken for the idea asked for")
    axes[0].set_yticks(place, names)
    axes[0].invert_yaxis()
    fig.savefig(out / f"table-{table}.png", dpi=100)
    plt.close(fig)


def shown(row, column):
    """A cell for people."""
    value = row[column]
    error = float(row.get(f"{column}_error") or 0)
    if column == "kernel":
        return f"{1000 * float(value):.2f} ± {1000 * error:.2f}"
    if column.startswith("right"):
        return f"{100 * float(value):.1f} ± {100 * error:.1f}"
    if re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", value):
        return f"{float(value):.4g}"
    return value


def curves(out):
    """curves.png from curves/*.csv, the logs of the shipped models' trainings; whether there are any."""
    found = {path.stem: path for path in sorted((out / "curves").glob("*.csv"))}
    if not found:
        return False
    fig, axes = plt.subplots(1, 2, figsize=(12, 4.5), sharey=True, layout="constrained")
    for name, path in found.items():
        with open(path, newline="") as f:
            log = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]
        for axis, of in zip(axes, (lambda r: r["images"], lambda r: r["seconds"] / 60)):
            (line,) = axis.plot([of(r) for r in log], [r["val_nats"] for r in log], label=f"{name}, validation")
            axis.plot([of(r) for r in log], [r["train_nats"] for r in log], ":", color=line.get_color(), label=f"{name}, training")
    axes[0].set(xlabel="pictures seen", ylabel="nats a token")
    axes[1].set(xlabel="minutes on two cores")
    axes[0].legend(fontsize=8)
    fig.savefig(out / "curves.png", dpi=100)
    plt.close(fig)
    return True


def judge(path):
    """What a classifier is worth, in words."""
    with safe_open(path, "pt") as f:
        known = json.loads(f.metadata()["accuracy"])

    def shares(of):
        group, one, five = (f"{100 * known[f'{of}_{k}']:.0f} %" for k in ("group", "idea", "idea_of_five"))
        return f"{group} the right group, {one} the right idea, {five} the right idea among its five likeliest"

    held, seen, named = (known[k] for k in ("held_out_count", "training_pictures_count", "held_out_with_an_idea"))
    return (
        f"The judge ({path.name}) gives {held} held-out drawings (not seen; {named} of them of ideas that it saw in other styles) "
        f"{shares('held_out')}; {seen} drawings that it was trained on {shares('training_pictures')}. Shares of samples are to be "
        "read beside these."
    )


def floor(count, r):
    """What the best samples could have; `r`: a row of so many."""
    near = lambda k: f"Fréchet {float(r[f'frechet_{k}']):.3g}, kernel {1000 * float(r[f'kernel_{k}']):.2f}"  # noqa: E731
    group, idea = (f"{100 * float(r[f'right_{k}_reconstructions']):.0f} %" for k in ("group", "idea"))
    return (
        f"The same of {count} training drawings, other than those that distances are measured to: {near('real')}; of what the "
        f"tokenizer makes of these: {near('reconstructions')}, {group} the right group, {idea} the right idea."
    )


def floors(found):
    """Of each number of samples in a table."""
    return " ".join(floor(count, r) for count, r in sorted({int(r["samples"]): r for r in found}.items()))


def rows_of(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def grid(heads, rows):
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(row) + " |" for row in rows), ""]


def hardly(row):
    """Whether an idea hardly comes out: of its samples none is taken for it, nor has it among the five likeliest."""
    return float(row["right_idea_of_five"]) == 0


def of_ideas(out, said):
    """The section of ideas.csv (ideas.py) and its sheets."""
    if not (out / "ideas.csv").exists():
        return []
    found, kinds = rows_of(out / "ideas.csv"), ("right_group", "right_idea", "right_idea_of_five")
    mean = lambda rows, k: f"{100 * sum(float(r[k]) for r in rows) / len(rows):.0f}"  # noqa: E731
    page = ["## Every idea", "", said.strip(), ""]
    page += grid(
        ["", "samples of an idea", "right group %", "right idea %", "right idea of five %"],
        [
            [who, found[0][f"{prefix}samples"], *(mean(found, prefix + k) for k in kinds)]
            for who, prefix in (("DPAR", ""), ("baseline", "baseline_"))
        ],
    )
    groups = {r["group"]: [q for q in found if q["group"] == r["group"]] for r in found}
    page += grid(
        ["group", "ideas", *(f"{k.replace('_', ' ')} %: DPAR, baseline" for k in kinds)],
        [
            [g, str(len(rows)), *(f"{mean(rows, k)}, {mean(rows, f'baseline_{k}')}" for k in kinds)]
            for g, rows in sorted(groups.items(), key=lambda pair: -float(mean(pair[1], "right_idea_of_five")))
        ],
    )
    worst = sorted(r["idea"] for r in found if hardly(r))
    page += [
        f"{len(worst)} of {len(found)} ideas hardly come out (never among the judge's five likeliest): {', '.join(worst)}.",
        "",
    ]
    page += [
        f"All ideas: [ideas.csv]({out.name}/ideas.csv). Each name below with four pictures by DPAR and four by the baseline.",
        "",
    ]
    return page + [f"![{path.stem}]({out.name}/{path.name})\n" for path in sorted(out.glob("sheet-*.png"))]


def of_pilots(out, said):
    """The section of the small trainings (pilots.py)."""
    if not (out / "pilots/pilots.csv").exists():
        return []
    found = rows_of(out / "pilots/pilots.csv")
    page = ["## Pilots for the next model", "", said.strip(), "", *grid(list(found[0]), [list(r.values()) for r in found])]
    return [*page, f"![Pilots]({out.name}/pilots/pilots.png)", ""]


def report(out, classifier):
    """docs/results.md from the CSVs and the words in notes.md beside them (a section a table: `## a`, ..)."""
    notes = (out / "notes.md").read_text() if (out / "notes.md").exists() else ""
    said = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", notes, re.S | re.M))
    page = ["# Results", "", said.get("intro", "").strip(), "", judge(classifier), ""]
    for table, title in TITLES.items():
        path = out / f"table-{table}.csv"
        if not path.exists():
            continue
        with open(path, newline="") as f:
            found = list(csv.DictReader(f))
        page += [f"## {title}", "", said.get(table, "").strip(), ""]
        columns = [c for c in SHOWN if any(r[c] for r in found)]  # times are those of one table
        page += grid([SHOWN[c] for c in columns], [[shown(r, c) for c in columns] for r in found])
        page += [floors(found)]
        page += [
            "",
            f"![{title}]({out.name}/table-{table}.png)",
            f"All columns: [table-{table}.csv]({out.name}/table-{table}.csv)",
            "",
        ]
        if table == "a" and curves(out):
            page += [f"![How they were trained]({out.name}/curves.png)", ""]
        if table == "a" and (out / "nearest.png").exists():
            page += [f"![Samples, and below each its nearest training drawing]({out.name}/nearest.png)", ""]
        plot(table, found, out)
    page += of_ideas(out, said.get("ideas", "")) + of_pilots(out, said.get("pilots", ""))
    target = out.parent / f"{out.name}.md"
    target.write_text("\n".join(page).replace("\n\n\n", "\n\n"))
    print(target)
