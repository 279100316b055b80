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

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from phmbench.record import words

WIDTH = 100
MAX_GROUPS = 20  # rows of a table of classes, rigs or conditions
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
    batch: Mapping[str, int] | None = None,
    file: IO[str] | None = None,
) -> None:
    """Show what was chosen, once the data are split.

    Args:
        choices: group → option, or (option, title), in the order to be shown: the sentence.
        split: as in metrics.json; counts per class in `train.classes` and so on.
        data: as in metrics.json.
        path: of the record.
        batch: as in metrics.json.
        file: where to write; default: standard output.
    """
    shown = [_sentence(choices), _labelled("rigs", Text(", ".join(data["rigs"]))), _place(path), "", _separates(split)]
    shown += [_labelled("shared", Text(words.which(split)))] if words.which(split) else []
    shown += [_labelled("batch", Text(words.batch(batch)))] if batch else []
    _show([*shown, *_marks(split, notes=True), "", _sets_table(split, classes=data["classes"]), ""], file)


def results(result: Mapping[str, Any], *, path: str | Path, file: IO[str] | None = None) -> None:
    """Show a result as metrics.json holds it, with what the audit found and where the record lies."""
    over = words.over(result)
    heading = f"Results, mean over {over} ± standard deviation over {result['std_over']}" if over else "Results"
    shown: list[Any] = ["", Text(heading, style="bold"), _metrics_table(result), ""]
    if result["folds"]:
        shown += [_folds_table(result["folds"]), ""]
    else:
        for kind, names in words.groups(result["metrics"]).items():
            shown += [_groups_table(result, kind, names), ""]
    shown += [_labelled("foreign", Text(text)) for text in words.called(result)]
    shown += [_labelled("episodes", Text(text)) for text in (words.episodes(result),) if text]
    shown += [_labelled("interval", Text(text)) for text in words.intervals(result)]
    shown += _gaps(result)
    audit = f"shared with train+val: {words.audit(result['split'])}"
    times = " · ".join(f"{key.replace('_', '-')} {words.duration(value)}" for key, value in result["seconds"].items())
    shortcuts = words.shortcuts(result)
    given = [_labelled("shortcut", Text(shortcuts))] if shortcuts else []
    shown += [
        _labelled("audit", Text(audit)),
        *given,
        *_marks(result["split"], notes=False),
        _labelled("time", Text(times)),
    ]
    shown += [_labelled("warning", Text(text), style="yellow") for text in result.get("warnings") or ()]
    _show([*shown, *_profile(path), _place(path), ""], file)


def _gaps(result: Mapping[str, Any]) -> list[Any]:
    """What other splits say of the same method."""
    head, rows = words.gaps(result)
    if not rows:
        return []
    table = _table(head)
    for row in rows:
        table.add_row(*map(Text, row))
    return [table, *[_labelled("note", Text(text)) for text in words.refusals(result)], ""]


def _profile(path: str | Path) -> list[Any]:
    """Where the time went, where that was asked for."""
    from phmbench.record import profile

    found = profile.read(path)
    if found is None:
        return []
    table = _table(["time of the fit" if found.fits == 1 else f"time of {found.fits} fits", "seconds", "share"])
    for title, seconds, share in found.rows():
        table.add_row(title, f"{seconds:.2f}", f"{100 * share:.1f} %")
    return ["", table, "", _labelled("profile", Text(found.sentence()), style="yellow")]


def shown_path(path: str | Path) -> str:
    """Relative to the current folder where it lies under it: short enough to be copied."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _show(parts: Sequence[Any], file: IO[str] | None) -> None:
    """Print all at once, without blanks at the ends of lines."""
    out = console(file)
    with out.capture() as captured:
        for part in parts:
            out.print(part)
    out.file.write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")
    out.file.flush()


def _labelled(label: str, text: Text, *, style: str = "") -> Table:
    """One line of `label text`; what is longer goes on below the text."""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(style="bold", width=8)
    line.add_column(style=style, overflow="fold")
    line.add_row(label, text)
    return line


def _place(path: str | Path) -> Table:
    return _labelled("record", Text(shown_path(path)), style="cyan")


def _sentence(choices: Choices) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", width=8)
    table.add_column(style="green", overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for group, choice in choices.items():
        option, title = (choice, "") if isinstance(choice, str) else choice
        table.add_row(Text(group), Text(option), Text(title))
    return table


def _separates(split: Mapping[str, Any]) -> Table:
    text = Text(split["name"], style="green")
    if split.get("target"):
        text.append(f", target {', '.join(split['target'])}", style="default")
    text.append(f": {words.separates(split)}", style="default")
    below = split.get("validation_level")
    if below and below != split["level"]:
        text.append(f"; validation is separated by {below}", style="default")
    return _labelled("split", text)


def _marks(split: Mapping[str, Any], *, notes: bool) -> list[Table]:
    """What a reader must not overlook."""
    marks = [("leaky", words.LEAKY, "bold red")] if split.get("leaky") else []
    marks += [("weak", words.WEAK, "yellow")] if split["weak"] else []
    marks += [("adapted", words.adapted(split).removeprefix("adapted "), "yellow")] if split.get("adapt") else []
    marks += [("note", note, "yellow") for note in split.get("notes") or ()] if notes else []
    return [_labelled(label, Text(text.removeprefix(f"{label}: ")), style=style) for label, text, style in marks]


def _table(columns: Sequence[str]) -> Table:
    """Left column for names, the others for numbers; one rule, which stays readable as plain text."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _sets_table(split: Mapping[str, Any], *, classes: Sequence[str]) -> Table:
    """Classes × sets: windows, and of how many recordings and units, of each class where that was counted."""
    of_class = {name: [((split[s] or {}).get("classes") or {}).get(name) for s in words.SETS] for name in classes}
    shown = {name: cells for name, cells in of_class.items() if any(cells)}
    detailed = any(isinstance(cell, Mapping) for cells in shown.values() for cell in cells)
    below = "\nwindows · rec. · units" if detailed else ""
    table = _table(["windows" if not detailed else "class", *(name + below for name in words.SETS.values())])
    for i, (name, cells) in enumerate(shown.items()):
        table.add_row(Text(name), *map(_counts, cells), end_section=i == len(shown) - 1)
    sets = [split[s] or {} for s in words.SETS]
    if detailed:
        table.add_row("all", *map(_counts, sets), style="bold")
        return table
    for key, label in (("windows", "all"), ("recordings", "recordings"), ("units", "units")):
        table.add_row(label, *(words.count(one.get(key)) for one in sets), style="bold" if key == "windows" else "")
    return table


def _counts(counts: Mapping[str, Any] | int | None) -> str:
    """`3 120 · 10 · 2`: windows, recordings, units."""
    if not counts:
        return "–"
    if isinstance(counts, int):
        return words.count(counts)
    first, *rest = (words.count(counts[key]) for key in ("windows", "recordings", "units") if key in counts)
    return " · ".join([first, *(part.rjust(4) for part in rest)])


def _metrics_table(result: Mapping[str, Any]) -> Table:
    """Overall metrics of the test set, and beside them the validation's of the chosen checkpoint."""
    names = dict.fromkeys(
        n.partition("/")[2] for stage in words.STAGES for n in words.overall(result["metrics"], stage=stage)
    )
    stages = [s for s in words.STAGES if words.overall(result["metrics"], stage=s)]
    table = _table(["metric", *(words.STAGES[s] for s in stages)])
    for name in names:
        cells = [_value(result, f"{stage}/{name}") for stage in stages]
        table.add_row(Text(words.title(f"test/{name}")), *cells, style="bold green" if name == "macro_f1" else "")
    return table


def _value(result: Mapping[str, Any], name: str) -> str:
    if name not in result["metrics"]:
        return ""
    return words.number(result["metrics"][name]) + words.spread(result, name)


def _groups_table(result: Mapping[str, Any], kind: str, names: Mapping[str, str]) -> Table:
    table = _table([kind, "test F1" if kind == "class" else "test macro F1"])
    for name, metric in list(names.items())[:MAX_GROUPS]:
        table.add_row(Text(name), _value(result, metric))
    if len(names) > MAX_GROUPS:
        table.add_row(f"and {len(names) - MAX_GROUPS} more, in the record", "")
    return table


def _folds_table(folds: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(n for fold in folds for n in words.overall(fold["metrics"], stage="test")))[:4]
    table = _table(["target", *map(words.title, names), "windows"])
    for fold in folds:
        mark = " (weak)" if fold["split"]["weak"] else ""
        windows = (fold["split"]["test"] or {}).get("windows")
        table.add_row(Text(fold["target"] + mark), *[_value(fold, n) for n in names], words.count(windows))
    return table
