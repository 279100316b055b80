"""What a run says on the screen: its choices at the start, its results at the end.

Plain text where there is no terminal or NO_COLOR is set; never wider than 100 columns.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from phmbench.record import words

WIDTH = 100
Choices = Mapping[str, str | tuple[str, str]]


def console(file: IO[str] | None = None) -> Console:
    """A console for `file` (default: standard output) that keeps to the width and never fails on a character."""
    stream = sys.stdout if file is None else file
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a "±" must not end a run whose terminal knows only ASCII
    found = Console(file=stream, highlight=False, soft_wrap=False)
    columns = os.environ.get("COLUMNS", "")
    width = found.width if found.is_terminal or columns.isdigit() else WIDTH
    found.width = max(40, min(width, WIDTH))
    return found


def summary(
    choices: Choices,
    *,
    split: Mapping[str, Any],
    data: Mapping[str, Any],
    path: str | Path,
    file: IO[str] | None = None,
) -> None:
    """Show what was chosen, once the data are split.

    Args:
        choices: group → option, or (option, title), in the order to be shown: the sentence.
        split: as in metrics.json; counts per class in `train.classes` and so on.
        data: as in metrics.json.
        path: of the record.
        file: where to write; default: standard output.
    """
    out = console(file)
    out.print()
    out.print(_choices_table(choices, data=data, path=path))
    out.print()
    out.print(_sets_table(split, classes=data["classes"]))
    for line in _split_lines(split):
        out.print(line)
    out.print()


def results(result: Mapping[str, Any], *, path: str | Path, file: IO[str] | None = None) -> None:
    """Show a result as metrics.json holds it, with what the audit found and where the record lies."""
    out = console(file)
    out.print()
    out.print(_metrics_table(result))
    if result["folds"]:
        out.print(_folds_table(result["folds"]))
    else:
        for heading, prefix, suffix in (("class", "test/f1/", ""), ("rig", "test/rig/", "/macro_f1")):
            groups = words.grouped(result["metrics"], prefix, suffix)
            if groups:
                out.print(_groups_table(result, heading, groups))
    for line in _audit_lines(result["split"]):
        out.print(line)
    seconds = result["seconds"]
    times = " · ".join(f"{key.replace('_', '-')} {words.duration(value)}" for key, value in seconds.items())
    out.print(Text("time    ", style="bold").append(times, style="not bold"))
    out.print(Text("record  ", style="bold").append(shown_path(path), style="not bold cyan"), overflow="fold")
    out.print()


def shown_path(path: str | Path) -> str:
    """Relative to the current folder where it lies under it: short enough to be copied."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _choices_table(choices: Choices, *, data: Mapping[str, Any], path: str | Path) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="green", overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for group, choice in choices.items():
        option, title = (choice, "") if isinstance(choice, str) else choice
        table.add_row(Text(group), Text(option), Text(title))
    table.add_row("rigs", Text(", ".join(data["rigs"])))
    rest = Table.grid()
    rest.add_row(table)
    place = Text("record  ", style="bold").append(shown_path(path), style="not bold cyan")
    place.overflow = "fold"
    rest.add_row(place)
    return rest


def _table(title: str, columns: Sequence[str]) -> Table:
    """Left column for names, the others for numbers; rules alone, which stay readable as plain text."""
    table = Table(box=None, padding=(0, 2, 0, 0), title=title or None, title_justify="left", title_style="bold")
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _sets_table(split: Mapping[str, Any], *, classes: Sequence[str]) -> Table:
    """Classes × sets: windows, and of how many recordings and units."""
    table = _table("", ["class", *words.SETS.values()])
    for name in classes:
        cells = [((split[s] or {}).get("classes") or {}).get(name) for s in words.SETS]
        if any(cells):
            table.add_row(Text(name), *map(_counts, cells))
    table.add_row(Text("all", style="bold"), *[_counts(split[s]) for s in words.SETS], style="bold")
    return table


def _counts(counts: Mapping[str, Any] | int | None) -> Text:
    if counts is None:
        return Text("–", style="dim")
    if isinstance(counts, int):
        return Text(f"{words.count(counts)} windows")
    parts = [
        f"{words.count(counts[key])} {short}"
        for key, short in (("windows", "win"), ("recordings", "rec"), ("units", "units"))
        if key in counts
    ]
    return Text(" · ".join(parts))


def _split_lines(split: Mapping[str, Any]) -> list[Text]:
    line = Text("split   ", style="bold").append(split["name"], style="not bold green")
    if split.get("target"):
        line.append(f", target {', '.join(split['target'])}", style="not bold")
    line.append(f": {words.SEPARATES[split['level']]}", style="not bold")
    lines = [line]
    below = split.get("validation_level")
    if below and below != split["level"]:
        lines.append(Text(f"        validation is separated by {below}"))
    if split.get("leaky"):
        lines.append(Text(f"! {words.LEAKY}", style="bold red"))
    if split["weak"]:
        lines.append(Text(f"! {words.WEAK}", style="yellow"))
    return lines + [Text(f"! {note}", style="yellow") for note in split.get("notes") or ()]


def _audit_lines(split: Mapping[str, Any]) -> list[Text]:
    line = Text("audit   ", style="bold")
    line.append(f"shared between train+val and test: {words.audit(split)}", style="not bold")
    lines = [line]
    if split.get("leaky"):
        lines.append(Text(f"! {words.LEAKY}", style="bold red"))
    if split["weak"]:
        lines.append(Text(f"! {words.WEAK}", style="yellow"))
    return lines


def _metrics_table(result: Mapping[str, Any]) -> Table:
    """Overall metrics of the test set, and beside them the validation's of the chosen checkpoint."""
    over = words.over(result)
    columns = ["metric", "test", "validation"]
    table = _table(f"Results, mean ± standard deviation over {over}" if over else "Results", columns)
    names = dict.fromkeys(
        n.partition("/")[2] for stage in ("test", "val") for n in words.overall(result["metrics"], stage=stage)
    )
    for name in names:
        cells = [_value(result, f"{stage}/{name}") for stage in ("test", "val")]
        style = "bold green" if name == "macro_f1" else ""
        table.add_row(Text(words.title(f"test/{name}")), *cells, style=style)
    return table


def _value(result: Mapping[str, Any], name: str) -> Text:
    if name not in result["metrics"]:
        return Text("")
    return Text(words.number(result["metrics"][name]) + words.spread(result, name))


def _groups_table(result: Mapping[str, Any], heading: str, groups: Mapping[str, str]) -> Table:
    kind = "F1" if heading == "class" else "macro F1"
    table = _table("", [heading, f"test {kind}"])
    for name, metric in groups.items():
        table.add_row(Text(name), _value(result, metric))
    return table


def _folds_table(folds: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(n for fold in folds for n in words.overall(fold["metrics"], stage="test")))[:4]
    table = _table("", ["target", *map(words.title, names), "test windows"])
    for fold in folds:
        weak = " (weak)" if fold["split"]["weak"] else ""
        windows = (fold["split"]["test"] or {}).get("windows")
        table.add_row(Text(fold["target"] + weak), *[_value(fold, n) for n in names], words.count(windows))
    return table
