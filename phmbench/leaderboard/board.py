"""Methods × protocols, made from runs."""

from __future__ import annotations

import statistics as stats
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from phmbench.errors import RecordError
from phmbench.leaderboard import identity, runs, tested
from phmbench.leaderboard.cells import Cell, Column
from phmbench.leaderboard.columns import arrange
from phmbench.leaderboard.comparisons import compare
from phmbench.leaderboard.runs import Run
from phmbench.leaderboard.statistics import Interval, interval

METRICS = (*tested.COUNTED, "macro_auroc")


@dataclass(frozen=True)
class Board:
    """All of it.

    Attributes:
        metric: of METRICS, of the test set.
        methods: the rows: networks, then baselines, each by their mean.
        baselines: those of them that are classical estimators.
        columns: the protocols.
        runs: all that were found.
        notes: what a reader must know of them.
    """

    metric: str
    methods: tuple[str, ...]
    baselines: frozenset[str]
    columns: tuple[Column, ...]
    runs: tuple[Run, ...]
    notes: tuple[str, ...]


def read(folders: Sequence[Path], *, metric: str, say: Callable[[str], None] = lambda text: None) -> Board:
    """The board of all runs below some folders.

    Args:
        folders: of runs, or that hold some.
        metric: of METRICS.
        say: told what is being done.

    Raises:
        RecordError: there are none.
    """
    found, notes = runs.read(folders)
    notes += [f"{run.name}: {run.state}: {run.said}" for run in found if not run.config]
    columns = arrange([run for run in found if run.config], notes)
    for number, column in enumerate(columns, 1):
        say(f"{column.name} ({number} of {len(columns)})")
        for name, cell in column.cells.items():
            _measure(cell, metric, notes, name=f"{name}, {column.name}")
        column.comparisons = compare(column, metric)
        for cell in column.cells.values():
            cell.tests = ()  # counts of all units are large
    names = dict.fromkeys(name for column in columns for name in column.cells)
    baselines = frozenset(name for name in names if _is_baseline(columns, name))
    ordered = sorted(names, key=lambda name: (name in baselines, -_level(columns, name), name))
    return Board(metric, tuple(ordered), baselines, tuple(columns), tuple(found), tuple(dict.fromkeys(notes)))


def _is_baseline(columns: Sequence[Column], name: str) -> bool:
    return any(identity.is_baseline(column.cells[name].runs[0].config) for column in columns if name in column.cells)


def _level(columns: Sequence[Column], name: str) -> float:
    values = [column.results[name].mean for column in columns if name in column.results]
    return stats.fmean(value for value in values if value is not None) if values else -1.0


def _measure(cell: Cell, metric: str, notes: list[str], *, name: str) -> None:
    """Mean, spread and interval of a cell whose runs are done."""
    if not cell.fits:
        return
    values = {(fit.target, fit.seed): fit.result["metrics"].get(f"test/{metric}") for fit in cell.fits}
    targets, seeds = (list(dict.fromkeys(keys)) for keys in zip(*values, strict=True))
    cell.seeds, cell.folds = len(seeds), len(targets)
    cell.partial = any(fit.partial for fit in cell.fits)
    sizes = [fit.result["model"]["parameters"] for fit in cell.fits]
    cell.parameters = None if None in sizes else max(sizes)
    spent = [fit.result.get("cpu_seconds") for fit in cell.fits]
    cell.seconds = None if None in spent else sum(float(one) for one in spent if one is not None)
    if None in values.values() or len(values) < len(targets) * len(seeds):
        cell.said = (
            f"{metric} is not defined in all fits" if None in values.values() else "folds lack some of the seeds"
        )
        cell.partial = True
        return
    each = [stats.fmean(values[target, seed] for target in targets) for seed in seeds]
    cell.mean, cell.std = stats.fmean(each), stats.stdev(each) if len(each) > 1 else None
    try:
        cell.tests = tuple(tested.read(fit, metric=metric) for fit in cell.fits)
        cell.interval = interval(cell.tests, metric)
    except RecordError as error:
        cell.tests = ()
        cell.interval = Interval(float("nan"), float("nan"), 0, _first(error))
        why = str(error)
        for run in cell.runs:
            why = why.replace(str(run.folder), run.name)
        notes.append(f"{name}: no interval: {why}")


def _first(error: Exception) -> str:
    """What a message is about, without the file and the next step."""
    return str(error).split("; ")[0].rpartition(": ")[2]
