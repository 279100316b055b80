"""Runs the rows of docs/protocols.yaml, and writes the tables of unseen-rigs.md, vieira-2026.md, splits.md,
few-shot.md and generalisation.md.

    python docs/make_protocols.py                        run what has no result yet, then write the tables
    python docs/make_protocols.py --only unseen_rigs     the rows of one table; adapt_*: of all whose names begin so
    python docs/make_protocols.py --tables               only write the tables

What is kept of a result is a small JSON file in docs/protocols/, so that the command goes on where it stopped; a file
that is removed is made again. A row that is refused keeps the words of the refusal. Needs PHMBENCH_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from make_leaderboard import environment
from make_results import compact
from protocols_plan import Row, best, done, keep, plan, rows

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGES = ("unseen-rigs.md", "vieira-2026.md", "splits.md", "few-shot.md", "generalisation.md")
FOUR = ("cwru", "hit_sm/self_built", "hit_sm/spectraquest", "mfpt")
HIT_SM = ("hit_sm/self_built", "hit_sm/spectraquest")


def run(row: Row, outputs: Path) -> None:
    """Run one row, or go on with it, and keep what the tables need of its record."""
    folder = outputs / row.table / row.name
    words = ["train.py", *shlex.split(row.command)[2:], f"hydra.run.dir={folder}"]
    if (folder / "config.yaml").is_file():  # cut off in the middle: fits that are done are not run again
        words = ["-m", "phmbench", "resume", str(folder)]
    if not (folder / "metrics.json").is_file():
        needs = environment("aeon" if "minirocket" in row.words else "")
        said = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=needs, check=False, text=True, capture_output=True
        )
        if said.returncode in (2, 3):  # choices or data that do not allow it
            keep(row, {"refused": said.stderr.strip().splitlines()[-1].removeprefix("error: ")})
            return
        if said.returncode:
            sys.exit(f"{row.command}\n{said.stderr}")
    result = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    kept = compact(result)
    for one, of in [(kept, result), *zip(kept["folds"], result["folds"], strict=True)]:
        one["metrics"] |= {name: value for name, value in of["metrics"].items() if name.startswith(EXTRA)}
    kept |= {key: result[key] for key in ("episodes",) if key in result}
    kept["intervals"] = {
        name: {key: value for key, value in one.items() if key != "draws"}
        for name, one in (result.get("intervals") or {}).items()
    }
    others = result.get("other_splits") or []
    kept["other_splits"] = [{key: one.get(key) for key in ("name", "refused", "metrics", "std")} for one in others]
    keep(row, kept)


EXTRA = ("last/", "test/false_calls", "test/foreign/", "val/macro_f1", "val/macro_auroc", "test/f1/")


def by_target(table: str, counted: tuple[str, ...] | None = None) -> str:
    """Macro F1 of each target, their mean, the worst of them and the mean of false calls.

    Args:
        table: name.
        counted: targets that mean and worst are over, and simulated ones have no column; None: all.
    """
    kept = done(table)
    every = dict.fromkeys(fold["target"] for one in kept.values() for fold in one.get("folds", []))
    targets = [target for target in every if counted is None or not target.startswith("simulated/")]
    heads = " | ".join(_short(target) for target in targets)
    lines = [f"| method | {heads} | mean | worst | false calls |", "| --- |" + " ---: |" * (len(targets) + 3)]
    for name, one in kept.items():
        if "folds" not in one:
            lines.append(f"| {name} | " + " | ".join([_state(one)] * (len(targets) + 2)) + " | |")
            continue
        folds = {fold["target"]: fold for fold in one["folds"]}
        used = {target: folds[target]["metrics"]["test/macro_f1"] for target in counted or targets if target in folds}
        cells = [_spread(folds.get(target)) for target in targets]
        called = [folds[target]["metrics"].get("test/false_calls") for target in targets if target in folds]
        false = [share for share in called if share is not None]
        mean, worst = sum(used.values()) / len(used), min(used.values())
        cells += [f"**{mean:.3f}**", f"{worst:.3f}", f"{sum(false) / len(false):.2f}" if false else "–"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def foreign(table: str) -> str:
    """What windows of a class that no source has are called, a row each method."""
    lines = []
    for name, one in done(table).items():
        for fold in one.get("folds", []):
            called = {metric: v for metric, v in fold["metrics"].items() if metric.startswith("test/foreign/")}
            if called:
                shares = ", ".join(f"{metric.rpartition('/')[2]} {share:.2f}" for metric, share in called.items())
                lines.append(f"| {name} | {_short(fold['target'])} | {next(iter(called)).split('/')[2]} | {shares} |")
    return "\n".join(["| method | target | class | is called |", "| --- | --- | --- | --- |", *lines])


def gaps(table: str) -> str:
    """Macro F1 of each method by its own split, and what it gains by each of the others."""
    kept = {name: one for name, one in done(table).items() if "folds" in one}
    splits = list(dict.fromkeys(other["name"] for one in kept.values() for other in one["other_splits"]))
    lines = ["| method | bearings never seen | " + " | ".join(splits) + " |", "| --- |" + " ---: |" * (len(splits) + 1)]
    for name, one in kept.items():
        own, others = one["metrics"]["test/macro_f1"], {other["name"]: other for other in one["other_splits"]}
        cells = [f"{own:.3f}"]
        for split in splits:
            value = None if others[split]["refused"] else others[split]["metrics"]["test/macro_f1"]
            cells.append("refused" if value is None else f"{value:.3f} ({value - own:+.3f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def adapted(table: str) -> str:
    """Accuracy and macro F1 with what validation of the sources chose, and of the last epoch."""
    heads = ("macro_f1", "accuracy")
    lines = ["| method | macro F1, chosen | last | accuracy, chosen | last | worst target |", "| --- |" + " ---: |" * 5]
    for name, one in done(table).items():
        if "folds" not in one:
            lines.append(f"| {name} | " + " | ".join([_state(one)] * 4) + " | |")
            continue
        cells = [_cell(one, f"{stage}/{metric}") for metric in heads for stage in ("test", "last")]
        worst = min(fold["metrics"]["test/macro_f1"] for fold in one["folds"])
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {worst:.3f} |")
    return "\n".join(lines)


def _cell(one: dict[str, Any], metric: str) -> str:
    return f"{one['metrics'][metric]:.3f}" if metric in one["metrics"] else "–"


def searched(table: str) -> str:
    """Mean macro F1 over the targets of a search, by value; the one that is taken in bold."""
    kept = done(table)
    lines = ["| method | what is searched | value: macro F1 |", "| --- | --- | --- |"]
    for name, one in plan()[table]["grid"].items():
        taken, cells = best(table, name, one["values"]), []
        for value in one["values"]:
            found = kept[f"{name}-{value}"]
            score = f"{found['metrics']['test/macro_f1']:.3f}" if "metrics" in found else _state(found)
            cells.append(f"**{value}: {score}**" if value == taken else f"{value}: {score}")
        lines.append(f"| {name} | `{one['key']}` | {', '.join(cells)} |")
    return "\n".join(lines)


def auroc(table: str) -> str:
    """Macro AUROC over folds, mean and standard deviation, and CPU time."""
    lines = ["| method | macro AUROC | worst fold | seeds | fit, s a fold |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, one in done(table).items():
        if "folds" not in one:
            lines.append(f"| {name} | {_state(one)} | | | |")
            continue
        value, spread = one["metrics"]["test/macro_auroc"], one["std"].get("test/macro_auroc")
        each = [fold["metrics"]["test/macro_auroc"] for fold in one["folds"]]
        seeds = max(1, len(one["folds"][0]["seeds"]))
        fit = one["seconds"]["fit"] / len(each) / seeds
        lines.append(f"| {name} | **{value:.3f}** ± {spread:.3f} | {min(each):.3f} | {seeds} | {fit:.1f} |")
    return "\n".join(lines)


def few_shot(table: str) -> str:
    """Accuracy of each target, their mean, and its 95 % intervals: over units and seeds, and over episodes."""
    kept = done(table)
    targets = list(dict.fromkeys(fold["target"] for one in kept.values() for fold in one.get("folds", [])))
    heads = " | ".join(_short(target) for target in targets)
    lines = [
        f"| method | {heads} | mean | 95 %, over bearings and seeds | over episodes |",
        "| --- |" + " ---: |" * (len(targets) + 3),
    ]
    for name, one in kept.items():
        if "folds" not in one:
            lines.append(f"| {name} | " + " | ".join([_state(one)] * (len(targets) + 1)) + " | | |")
            continue
        folds = {fold["target"]: fold for fold in one["folds"]}
        interval = one["intervals"]["test/accuracy"]
        cells = [_spread(folds.get(target), "test/accuracy") for target in targets]
        cells += [f"**{one['metrics']['test/accuracy']:.3f}**", _ends(interval["units"]), _ends(interval["episodes"])]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ends(ends: list[float] | None) -> str:
    return "not estimable" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _state(one: dict[str, Any]) -> str:
    """Why a row has no numbers."""
    return "refused" if "refused" in one else "not run"


def _short(target: str) -> str:
    return target.removeprefix("simulated/")


def _spread(fold: dict[str, Any] | None, metric: str = "test/macro_f1") -> str:
    if fold is None:
        return "–"
    value, spread = fold["metrics"][metric], fold["std"].get(metric)
    return f"{value:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def commands(table: str) -> str:
    return "```\n" + "\n".join(row.command for row in rows() if row.table == table and row.words is not None) + "\n```"


TABLES = {
    "choice": lambda: by_target("unseen_rigs_simulated"),
    "unseen_rigs": lambda: by_target("unseen_rigs", FOUR),
    "foreign": lambda: foreign("unseen_rigs"),
    "healthy": lambda: by_target("unseen_rigs_healthy", HIT_SM),
    **{table: lambda table=table: searched(table) for table in ("dg_search", "adapt_search")},
    "dg_rigs": lambda: by_target("dg_rigs", FOUR),
    **{name: lambda name=name: by_target(name) for name in ("dg_cwru", "dg_simulated")},
    **{name: lambda name=name: adapted(name) for name in ("adapt_rigs", "adapt_cwru", "adapt_simulated")},
    "gap": lambda: gaps("leakage_gap"),
    "tuning": lambda: auroc("vieira_2026_tuning"),
    "gap few-shot": lambda: gaps("leakage_gap_fewshot"),
    **{name: lambda name=name: few_shot(name) for name in ("fewshot_cwru", "fewshot_cwru_leaky", "fewshot_unseen_rig")},
    "vieira": lambda: auroc("vieira_2026"),
    **{f"commands {name}": lambda name=name: commands(name) for name in dict.fromkeys(row.table for row in rows())},
}


def fill(file: Path) -> None:
    """Put the tables between `<!-- protocols: NAME -->` and `<!-- end -->`."""
    text = file.read_text(encoding="utf-8")
    for name, maker in TABLES.items():
        pattern = re.compile(rf"(<!-- protocols: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if pattern.search(text):
            text = pattern.sub(lambda found, maker=maker: f"{found[1]}\n{maker()}\n\n{found[2]}", text)
    file.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="only write the tables")
    parser.add_argument("--outputs", type=Path, default=ROOT / "outputs" / "protocols", help="where the runs go")
    parser.add_argument("--only", default="", help="names of tables, comma-separated")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small networks: a second thread makes them slower
    for row in rows():
        chosen = not args.only or any(fnmatch(row.table, pattern) for pattern in args.only.split(","))
        if row.words is None and chosen and not args.tables:
            print(f"{row.table} {row.name}: not before the search that it waits for", flush=True)
        elif not args.tables and chosen and not row.file.is_file():
            print(row.command, flush=True)
            run(row, args.outputs)
    for page in PAGES:
        if (HERE / page).is_file():
            fill(HERE / page)


if __name__ == "__main__":
    main()
