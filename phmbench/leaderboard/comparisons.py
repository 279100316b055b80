"""Each method of a column against its best baseline, where there is enough for a test to be able to speak."""

from __future__ import annotations

import statistics as stats
from collections.abc import Sequence

from phmbench.leaderboard import identity, tested
from phmbench.leaderboard.cells import Cell, Column, Comparison
from phmbench.leaderboard.statistics import ALPHA, Interval, Paired, difference, holm, over_folds, over_units
from phmbench.leaderboard.tested import ByUnit
from phmbench.record import words


def compare(column: Column, metric: str) -> list[Comparison]:
    """All methods with a result against the baseline with the highest mean; that this one was chosen by the test it
    is compared on speaks for it, and so against the others.

    Args:
        column: its cells measured.
        metric: of `board.METRICS`.
    """
    results = column.results
    baselines = [name for name, cell in results.items() if identity.is_baseline(cell.runs[0].config)]
    if not baselines:
        return []
    best = max(baselines, key=lambda name: results[name].mean or 0.0)
    others = [name for name in results if name != best]
    pairs = {name: _pairs(results[name], results[best]) for name in others}
    units = {name: over_units(*pair, metric) for name, pair in pairs.items() if pair and metric in tested.COUNTED}
    adjusted = dict(zip(units, holm([one.p for one in units.values()]), strict=True))
    found = []
    for name in others:
        pair = pairs[name]
        between: Interval | None = difference(*pair, metric) if pair else None
        folds = _over_folds(results[name], results[best], metric)
        by_units = units.get(name)
        said = _said(best, by_units, adjusted.get(name), folds, len(others), metric)
        gap = (results[name].mean or 0.0) - (results[best].mean or 0.0)
        found.append(Comparison(name, best, gap, between, by_units, adjusted.get(name), folds, said))
    return sorted(found, key=lambda one: -one.difference)


def _pairs(cell: Cell, baseline: Cell) -> tuple[Sequence[ByUnit], Sequence[ByUnit]] | None:
    """The tests of both on the same windows, fold by fold and seed by seed; None where there are none."""
    other = {(one.target, one.seed): one for one in baseline.tests}
    pairs = [(one, other[one.target, one.seed]) for one in cell.tests if (one.target, one.seed) in other]
    if not pairs or any(a.windows != b.windows for a, b in pairs):
        return None
    return [a for a, _ in pairs], [b for _, b in pairs]


def _over_folds(cell: Cell, baseline: Cell, metric: str) -> Paired | None:
    """Over the folds of both, each the mean over its seeds."""
    if cell.folds < 2:
        return None
    mine, theirs = _by_fold(cell, metric), _by_fold(baseline, metric)
    return over_folds([mine[fold] - theirs[fold] for fold in mine if fold in theirs])


def _by_fold(cell: Cell, metric: str) -> dict[str, float]:
    folds = dict.fromkeys(fit.target for fit in cell.fits)
    name = f"test/{metric}"
    return {fold: stats.fmean(fit.result["metrics"][name] for fit in cell.fits if fit.target == fold) for fold in folds}


def _said(
    best: str, units: Paired | None, adjusted: float | None, folds: Paired | None, comparisons: int, metric: str
) -> str:
    """The outcome in words; stars would say less, and say it where nothing can be said."""
    parts = []
    if units is None or adjusted is None:
        why = "their tests cannot be paired" if metric in tested.COUNTED else f"{metric} compares windows across units"
        parts.append(f"no test over units: {why}")
    elif units.least * comparisons > ALPHA:
        many = f", and there are {comparisons} comparisons" if comparisons > 1 else ""
        parts.append(f"cannot speak: {_counted(units.pairs, 'unit')} in which the two differ give p ≥ "
                     f"{words.number(units.least)}{many}")  # fmt: skip
    else:
        shown = adjusted <= ALPHA
        way = "better" if units.difference > 0 else "worse"
        outcome = f"{way} than {best}" if shown else f"no difference to {best} is shown"
        parts.append(f"{outcome}: p = {words.number(adjusted)} over {_counted(units.pairs, 'unit')} "
                     f"(least possible {words.number(units.least)})")  # fmt: skip
    if folds is not None:
        least = folds.least
        spoken = f"p = {words.number(folds.p)}" if least <= ALPHA else f"cannot speak, p ≥ {words.number(least)}"
        parts.append(f"over {_counted(folds.pairs, 'fold')} {spoken}")
    return "; ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
