"""A board as Markdown, as CSV and as plain values."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from phmbench.leaderboard.board import Board
from phmbench.leaderboard.cells import Cell, Column, Comparison
from phmbench.leaderboard.columns import facts
from phmbench.leaderboard.ranking import FIGURE, Ranking
from phmbench.leaderboard.statistics import Interval
from phmbench.record import words

READ = (
    "± is the standard deviation over seeds (of the mean over folds, where there are folds).",
    "In brackets stands the 95 % interval of a bootstrap over physical units: bearings, gears or machines are drawn "
    "anew, never windows. It is about other units of the same folds, not about other rigs, and with few units too "
    "narrow; where a class of a test set has one unit it cannot be estimated.",
    "The highest mean of a column is bold, which is no claim: that is below, against the best baseline.",
    "Runs stand in one column where data, classes, windows of each set, selection and monitor are the same, by what "
    "their records hold.",
)


def spread(cell: Cell) -> str:
    """` ± 0.012`; nothing for one seed."""
    return "" if cell.std is None else f" ± {words.number(cell.std)}"


def between(found: Interval | None) -> str:
    """`[0.690, 0.802]`, or that it is not estimable."""
    if found is None or math.isnan(found.low):
        return "[not estimable]"
    return f"[{words.number(found.low)}, {words.number(found.high)}]"


def remarks(cell: Cell, column: Column) -> str:
    """What a number must not be read without: ` (partial, 1 seed)`."""
    most = max((one.seeds for one in column.cells.values()), default=0)
    said = ["partial"] if cell.partial else []
    said += [f"{cell.seeds} seed{'' if cell.seeds == 1 else 's'}"] if 0 < cell.seeds < most else []
    return f" ({', '.join(said)})" if said else ""


def markdown(board: Board, ranks: Ranking | str, *, command: str, title: str = "Leaderboard") -> str:
    """The page as Markdown."""
    lines = [f"# {title}", "", summary(board), "", f"Made by `{command}`.", ""]
    lines += _table(["method", "parameters", "CPU s a fit", *(column.name for column in board.columns)],
                    [[*_method(board, name), *(_cell(column, name) for column in board.columns)]
                     for name in board.methods], right=1)  # fmt: skip
    lines += [*(f"- {text}" for text in READ), "", "## Protocols", ""]
    lines += _protocols(board)
    lines += ["## Against the best baseline", "", *_comparisons(board)]
    lines += ["## Over all protocols", "", *_ranking(ranks)]
    lines += [part for head, texts in (("What has no result", without(board)), ("Notes", board.notes)) if texts
              for part in (f"## {head}", "", *(f"- {_safe(text)}" for text in texts), "")]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def summary(board: Board) -> str:
    """`24 runs of 2026-11-23, macro F1 of the test set: 20 done, 3 refused, 1 failed`."""
    states = Counter(run.state for run in board.runs)
    days = sorted({run.started[:10] for run in board.runs if run.started})
    when = "" if not days else f" of {days[0]}" if len(days) == 1 else f" of {days[0]} to {days[-1]}"
    empty = sum(name not in column.cells for column in board.columns for name in board.methods)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return (
        f"{len(board.methods)} methods × {len(board.columns)} protocols, {words.title(f'test/{board.metric}')} of the "
        f"test set; {len(board.runs)} run{'' if len(board.runs) == 1 else 's'}{when}: {told}"
        f"{f'; {empty} cells not run' if empty else ''}."
    )


def parameters(board: Board, name: str) -> str:
    """The number of parameters, or from the least to the most of all protocols."""
    sizes = sorted({cell.parameters for cell in cells_of(board, name) if cell.parameters is not None})
    return "–" if not sizes else "–".join(words.count(size) for size in dict.fromkeys((sizes[0], sizes[-1])))


def seconds(board: Board, name: str) -> str:
    """CPU seconds of a fit of a method, the mean over all that have them."""
    spent = [(cell.seconds, len(cell.fits)) for cell in cells_of(board, name) if cell.seconds is not None]
    fits = sum(count for _, count in spent)
    return f"{sum(one for one, _ in spent) / fits:.3g}" if fits else "–"


def cells_of(board: Board, name: str) -> list[Cell]:
    return [column.cells[name] for column in board.columns if name in column.cells]


def without(board: Board) -> list[str]:
    """The cells that have no result, and why: a line for those that have it in common."""
    alike: dict[tuple[str, str], list[str]] = {}
    for column in board.columns:
        for name, cell in column.cells.items():
            if cell.mean is None:
                why = f"{cell.state}{f': {cell.said}' if cell.said else ''}"
                alike.setdefault((column.name, why), []).append(name)
    return [f"{protocol}: {', '.join(names)}: {why}" for (protocol, why), names in alike.items()]


def ranked(ranks: Ranking | str) -> str:
    """The ranking in words."""
    if isinstance(ranks, str):
        return ranks[0].upper() + ranks[1:] + "."
    return (
        f"{ranks.said[0].upper()}{ranks.said[1:]}. Nemenyi's critical difference at 0.05 is {ranks.ranks.critical:.2f} "
        "ranks (Demšar 2006). It takes protocols for independent; those that share rigs are not: it is too sure."
    )


def head_of_protocols(board: Board) -> list[str]:
    """The facts that any column has, in their order."""
    return list(dict.fromkeys(key for column in board.columns for key in facts(column)))


def compared(one: Comparison) -> list[str]:
    """A row of the table of comparisons."""
    return [one.method, f"{one.difference:+.3f}", between(one.interval) if one.interval else "–", one.said]


def plain(board: Board, ranks: Ranking | str) -> dict[str, Any]:
    """The board for programs."""
    return {
        "metric": f"test/{board.metric}",
        "methods": [{"name": name, "baseline": name in board.baselines} for name in board.methods],
        "protocols": [
            {
                "name": column.name,
                "facts": facts(column),
                "cells": [_plain(column, name, cell) for name, cell in column.cells.items()],
            }
            for column in board.columns
        ],
        "ranks": None if isinstance(ranks, str) else dict(zip(ranks.methods, ranks.ranks.mean, strict=True)),
        "critical_difference": None if isinstance(ranks, str) else ranks.ranks.critical,
        "notes": list(board.notes),
    }


def table(board: Board, ranks: Ranking | str) -> str:
    """One row for each method and protocol, as CSV."""
    rows: list[dict[str, Any]] = []
    for protocol in plain(board, ranks)["protocols"]:
        have = {cell["method"]: cell for cell in protocol["cells"]}
        absent = {"state": "not run"}
        rows += [{"protocol": protocol["name"], "method": name, **have.get(name, absent)} for name in board.methods]
    file = io.StringIO()
    heads = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(file, heads, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "runs": " ".join(row.get("runs", ()))} for row in rows)
    return file.getvalue()


def _plain(column: Column, name: str, cell: Cell) -> dict[str, Any]:
    found = cell.interval
    known = found is not None and not math.isnan(found.low)
    against = next((one for one in column.comparisons if one.method == name), None)
    return {
        "method": name, "state": cell.state, "said": cell.said, "mean": cell.mean, "std": cell.std, "seeds": cell.seeds,
        "folds": cell.folds, "partial": cell.partial,
        "low": found.low if found and known else None, "high": found.high if found and known else None,
        "interval": "" if found is None or known else f"not estimable: {found.why}",
        "least_units": found.least if found else None, "parameters": cell.parameters, "cpu_seconds": cell.seconds,
        "baseline": against.baseline if against else None, "difference": against.difference if against else None,
        "p_units": against.units.p if against and against.units else None,
        "p_units_adjusted": against.adjusted if against else None,
        "p_units_least": against.units.least if against and against.units else None,
        "p_folds": against.folds.p if against and against.folds else None,
        "p_folds_least": against.folds.least if against and against.folds else None,
        "against": against.said if against else "", "runs": [run.name for run in cell.runs],
    }  # fmt: skip


def _method(board: Board, name: str) -> list[str]:
    return [f"{name} (baseline)" if name in board.baselines else name, parameters(board, name), seconds(board, name)]


def _cell(column: Column, name: str) -> str:
    cell = column.cells.get(name)
    if cell is None:
        return "not run"
    if cell.mean is None:
        return f"{cell.state}{remarks(cell, column)}" if cell.state != "done" else "undefined"
    value = words.number(cell.mean)
    bold = f"**{value}**" if name == column.best else value
    return f"{bold}{spread(cell)}{remarks(cell, column)}<br>{between(cell.interval)}"


def _protocols(board: Board) -> list[str]:
    heads = head_of_protocols(board)
    rows = [[column.name, *(facts(column).get(key, "") for key in heads)] for column in board.columns]
    return _table(["protocol", *heads], rows)


def _comparisons(board: Board) -> list[str]:
    rows = [
        [column.name, one.baseline, *compared(one)]
        for column in board.columns
        for one in column.comparisons
    ]  # fmt: skip
    if not rows:
        return ["No protocol has a baseline and another method.", ""]
    heads = ["protocol", "best baseline", "method", "difference", "95 % interval", "test"]
    return [COMPARED, "", *_table(heads, rows)]


COMPARED = (
    "Differences are method − best baseline, which is chosen by its own test mean. Answers are exchanged between the "
    "two, physical unit by physical unit (p over units), or the sign of each fold's difference (p over folds); p over "
    "units is adjusted by Holm for the comparisons of a protocol. Seeds are averaged: they are not observations of "
    "other machines. The exchange sees little where two methods err on different classes, as one that names a single "
    "class does; there the interval says more."
)


def _ranking(ranks: Ranking | str) -> list[str]:
    figure = [] if isinstance(ranks, str) else [f"![{_safe(ranks.said)}](figures/{FIGURE}.svg)", ""]
    return [ranked(ranks), "", *figure]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: int | None = None) -> list[str]:
    """right: from which column on values stand to the right."""
    marks = ["---:" if right is not None and place >= right else "---" for place in range(len(heads))]
    every = [[_safe(cell) for cell in row] for row in (heads, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in every]
    return [lines[0], f"| {' | '.join(marks)} |", *lines[1:], ""]


def _safe(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
