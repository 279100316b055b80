"""Runs every protocol of the tables in README and docs/results.md, and draws tables and figure from what was committed.

    python docs/make_results.py            run what has no record yet, then write the tables
    python docs/make_results.py --tables   only write the tables

Each protocol is one command line, printed above its row. Its result is kept as a small JSON file in docs/results/, so
that the command goes on where it stopped; a file that is removed is made again. Needs PHMBENCH_DATA.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"
MODELS = {"wdcnn": "WDCNN", "spectral_linear": "linear on spectra"}
COLOURS = {"wdcnn": "#0072B2", "spectral_linear": "#D55E00"}  # Okabe & Ito: told apart by the colour-blind
KEPT = ("macro_f1", "balanced_accuracy", "accuracy", "macro_auroc")
INNER_OUTER = r'''"data.where='fault_type in [\"inner\", \"outer\"]'"'''


class Protocol(NamedTuple):
    """One row of a table."""

    name: str
    table: str  # cwru, hit_sm, cddg
    split: str  # in words
    apart: str  # what is on one side only
    words: str  # of the command line


PROTOCOLS = (
    Protocol("cwru-window", "cwru", "random windows", "nothing but samples", "data=cwru task/split=window_random"),
    Protocol("cwru-time", "cwru", "time blocks with a gap", "stretches of time", "data=cwru task/split=time_blocks"),
    Protocol("cwru-recording", "cwru", "recordings", "recordings", "data=cwru task/split=recordings"),
    Protocol("cwru-load", "cwru", "one load held out, 4 folds", "load", "data=cwru task/split=load folds=all"),
    Protocol("cwru-unit", "cwru", "bearings held out, 3 folds", "physical bearings",
             "data=cwru task/split=units folds=all"),
    Protocol("hit_sm-window", "hit_sm", "random windows", "nothing but samples",
             "data=hit_sm data.sample_rate=12000 task/split=window_random"),
    Protocol("hit_sm-speed", "hit_sm", "one speed held out, 3 folds", "speed",
             "data=hit_sm data.sample_rate=12000 task/split=speed folds=all"),
    Protocol("hit_sm-severity", "hit_sm", "one severity held out, 3 folds (inner, outer)", "physical bearings",
             f"data=hit_sm data.sample_rate=12000 {INNER_OUTER} task/split=severity folds=all"),
    Protocol("hit_sm-rig", "hit_sm", "one rig held out, 2 folds", "rigs",
             "task=cddg data=hit_sm data.sample_rate=12000 folds=all"),
    Protocol("cddg", "cddg", "one of four rigs held out (inner, outer)", "rigs",
             f"task=cddg folds=all data=bearings data.rigs=[cwru,mfpt,hit_sm] {INNER_OUTER}"),
)  # fmt: skip


def command(protocol: Protocol, model: str) -> str:
    """What a user types for this row."""
    return f"python train.py model={model} {protocol.words} repeats=3 trainer=cpu"


def file_of(protocol: Protocol, model: str) -> Path:
    return RESULTS / f"{protocol.name}-{model}.json"


def run(protocol: Protocol, model: str, outputs: Path) -> None:
    """Run one row and keep what the tables need of its record."""
    folder = outputs / f"{protocol.name}-{model}"
    words = shlex.split(command(protocol, model))[1:]
    resumable = (folder / "config.yaml").is_file() and not (folder / "metrics.json").is_file()
    if resumable:  # cut off in the middle: fits that are done are not run again
        words = ["-m", "phmbench", "resume", str(folder)]
    elif not folder.exists():
        words.append(f"hydra.run.dir={folder}")
    if not (folder / "metrics.json").is_file():
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    kept = compact(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
    kept = {"command": command(protocol, model), **kept}
    RESULTS.mkdir(exist_ok=True)
    file_of(protocol, model).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def compact(result: dict[str, Any]) -> dict[str, Any]:
    """Means, spreads, each seed and each fold; what the split shared; versions and commit."""

    def metrics(of: dict[str, Any]) -> dict[str, Any]:
        return {f"test/{name}": of[f"test/{name}"] for name in KEPT if f"test/{name}" in of}

    def split(of: dict[str, Any]) -> dict[str, Any]:
        return {key: of.get(key) for key in ("name", "level", "weak", "leaky", "validation_level", "target", "shared")}

    return {
        "metrics": metrics(result["metrics"]),
        "std": metrics(result["std"]),
        "std_over": result["std_over"],
        "std_seeds": metrics(result["std_seeds"]),
        "repeats": [{"seed": one["seed"], "metrics": metrics(one["metrics"])} for one in result["repeats"]],
        "folds": [
            {"target": one["target"], "metrics": metrics(one["metrics"]), "std": metrics(one["std"]),
             "split": split(one["split"]), "seeds": [metrics(r["metrics"]) for r in one["repeats"]]}
            for one in result["folds"]
        ],
        "split": split(result["split"]),
        "classes": result["data"]["classes"],
        "rigs": result["data"]["rigs"],
        "model": result["model"],
        "seconds": result["seconds"],
        "versions": result["versions"],
        "commit": result["commit"],
    }  # fmt: skip


def number(kept: dict[str, Any], metric: str) -> str:
    """`0.261 ± 0.021`: mean, and standard deviation over seeds (of the mean over folds, where there are folds)."""
    value = kept["metrics"].get(metric)
    spread = (kept["std_seeds"] if kept["std_over"] == "folds" else kept["std"]).get(metric)
    return "–" if value is None else f"{value:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def table(name: str) -> str:
    """A table of one rig: protocols down, models across."""
    rows = [p for p in PROTOCOLS if p.table == name]
    names = list(MODELS)
    heads = " | ".join(f"{MODELS[m]}: macro F1" for m in names)
    lines = [
        f"| split | apart in train and test | {heads} | WDCNN: worst fold |",
        "| --- | --- | " + " | ".join("---:" for _ in names) + " | ---: |",
    ]
    for row in rows:
        kept = {m: json.loads(file_of(row, m).read_text()) for m in names if file_of(row, m).is_file()}
        if "wdcnn" not in kept:
            continue
        mark = " (leaky)" if kept["wdcnn"]["split"]["leaky"] else " (weak)" if kept["wdcnn"]["split"]["weak"] else ""
        cells = [number(kept[m], "test/macro_f1") if m in kept else "–" for m in names]
        lines.append(f"| {row.split}{mark} | {row.apart} | " + " | ".join(cells) + f" | {worst(kept['wdcnn'])} |")
    return "\n".join(lines)


def worst(kept: dict[str, Any]) -> str:
    folds = [(one["metrics"]["test/macro_f1"], one["target"]) for one in kept["folds"]]
    return "" if not folds else "{:.3f} ({})".format(*min(folds))


def fold_table(name: str) -> str:
    """One row a target: both models, mean ± standard deviation over seeds."""
    protocol = next(p for p in PROTOCOLS if p.name == name)
    kept = {m: json.loads(file_of(protocol, m).read_text()) for m in MODELS if file_of(protocol, m).is_file()}
    if "wdcnn" not in kept:
        return ""
    heads = " | ".join(f"{MODELS[m]}: macro F1" for m in kept)
    lines = [
        f"| target, never seen in training | {heads} | WDCNN: macro AUROC |",
        "| --- | " + " | ".join("---:" for _ in kept) + " | ---: |",
    ]
    for number_, fold in enumerate(kept["wdcnn"]["folds"]):
        cells = [_pm(one["folds"][number_], "test/macro_f1") for one in kept.values()]
        lines.append(f"| {fold['target']} | " + " | ".join(cells) + f" | {_pm(fold, 'test/macro_auroc')} |")
    means = [number(one, "test/macro_f1") for one in kept.values()]
    lines.append("| **mean** | " + " | ".join(means) + f" | {number(kept['wdcnn'], 'test/macro_auroc')} |")
    return "\n".join(lines)


def _pm(fold: dict[str, Any], metric: str) -> str:
    value, spread = fold["metrics"][metric], fold["std"].get(metric)
    return "–" if value is None else f"{value:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def commands() -> str:
    return "\n".join(command(p, model) for model in MODELS for p in PROTOCOLS)


def fill(file: Path) -> None:
    """Put the tables between `<!-- results: NAME -->` and `<!-- end -->`."""
    text = file.read_text(encoding="utf-8")
    makers = {"cwru": lambda: table("cwru"), "hit_sm": lambda: table("hit_sm"), "cddg": lambda: fold_table("cddg"),
              "commands": lambda: f"```\n{commands()}\n```"}  # fmt: skip
    for name, maker in makers.items():
        pattern = re.compile(rf"(<!-- results: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda m, maker=maker: f"{m[1]}\n{maker()}\n\n{m[2]}", text)
    file.write_text(text, encoding="utf-8")


def draw(file: Path) -> None:
    """The README's figure: what leakage is worth, macro F1 of each split, a dot a seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "phmbench", "svg.fonttype": "none", "font.size": 10})
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharex=True, layout="constrained", facecolor="white")
    for panel, name in zip(axes, ("cwru", "hit_sm"), strict=True):
        rows = [p for p in reversed(PROTOCOLS) if p.table == name and file_of(p, "wdcnn").is_file()]
        for y, row in enumerate(rows):
            for (model, colour), shift in zip(COLOURS.items(), (0.16, -0.16), strict=True):
                if file_of(row, model).is_file():
                    kept = json.loads(file_of(row, model).read_text(encoding="utf-8"))
                    seeds = [one["metrics"]["test/macro_f1"] for one in kept["repeats"]]
                    panel.plot(seeds, [y + shift] * len(seeds), "o", ms=5, color=colour, alpha=0.55, mec="none")
                    panel.plot(kept["metrics"]["test/macro_f1"], y + shift, "|", ms=13, mew=2, color=colour)
                    chance = 1 / len(kept["classes"])
            panel.plot([chance, chance], [y - 0.36, y + 0.36], ":", lw=1.2, color="0.5")
        panel.set_yticks(range(len(rows)), [row.split.split(",")[0].split(" with")[0] for row in rows])
        panel.set_xlim(0, 1.03)
        panel.set_xlabel("macro F1 on the test set")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_title({"cwru": "CWRU, 11 bearings", "hit_sm": "HIT-SM, two rigs"}[name], loc="left", fontsize=10)
    for model, colour in COLOURS.items():
        axes[1].plot([], [], "o", color=colour, label=MODELS[model])
    axes[1].plot([], [], ":", color="0.5", label="chance")
    figure.legend(frameon=False, ncols=3, loc="outside lower center", fontsize=9)
    best, last = (json.loads(file_of(p, "wdcnn").read_text())["metrics"]["test/macro_f1"] for p in _first_and_last())
    figure.suptitle(f"WDCNN on CWRU: macro F1 {best:.2f} by random window, {last:.2f} on bearings never seen", x=0.01,
                    ha="left", weight="bold", fontsize=11)  # fmt: skip
    figure.savefig(file, metadata={"Date": None})
    figure.savefig(file.with_suffix(".png"), dpi=150, metadata={"Software": None})


def _first_and_last() -> tuple[Protocol, Protocol]:
    return PROTOCOLS[0], next(p for p in PROTOCOLS if p.name == "cwru-unit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="only write tables and figure")
    parser.add_argument("--outputs", type=Path, default=ROOT / "outputs" / "results", help="where the runs go")
    parser.add_argument("--only", default="", help="names of protocols, comma-separated")
    args = parser.parse_args()
    for model in MODELS:
        for protocol in PROTOCOLS:
            chosen = not args.only or protocol.name in args.only.split(",")
            if not args.tables and chosen and not file_of(protocol, model).is_file():
                print(command(protocol, model), flush=True)
                run(protocol, model, args.outputs)
    for file in (ROOT / "README.md", HERE / "results.md"):
        if file.is_file():
            fill(file)
    draw(HERE / "leakage.svg")


if __name__ == "__main__":
    main()
