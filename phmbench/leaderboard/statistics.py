"""Intervals and tests in which a physical unit, and never a window, is what counts as one observation.

Windows of a bearing resemble each other: a thousand of them say no more about the next bearing than a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.leaderboard import tested as of_units
from phmbench.leaderboard.tested import Array, ByUnit

DRAWS = 2000
LEVEL = 0.95
ALPHA = 0.05
EXACT = 12  # pairs up to which all exchanges of signs are counted: 4096
RANDOM = 9999  # random exchanges above that


class Interval(NamedTuple):
    """A 95 % interval, or why there is none."""

    low: float
    high: float
    least: int  # units of the class that has the fewest, over all folds
    why: str = ""  # not estimable: because of this


class Paired(NamedTuple):
    """Two methods on the same observations."""

    difference: float
    p: float  # two-sided
    pairs: int  # in which the two differ
    least: float  # the smallest p that so many pairs can give


def interval(every: Sequence[ByUnit], metric: str, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Percentile bootstrap over physical units of a mean over seeds and folds.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, ch. 13. Units that are tested in the same fold
    and have a class in common are exchangeable: the draw is with replacement among them, and the same for all seeds
    and folds. With few units it is too narrow, by sqrt(1 − 1/n) at least.

    Args:
        every: the tests of a method, of all seeds and folds.
        metric: as in `tested.score`.
        draws: number of draws.
        seed: of the draws.
    """
    least = _least(every)
    if least < 2:
        return Interval(np.nan, np.nan, least, "a class of the test set has one physical unit")
    weights = weights_of(every, draws=draws, seed=seed)
    values = _scored(every, weights, metric)
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), least)


def difference(a: Sequence[ByUnit], b: Sequence[ByUnit], metric: str, *, draws: int = DRAWS) -> Interval:
    """The same interval of a − b, on the same draws of units."""
    least = _least(a)
    if least < 2:
        return Interval(np.nan, np.nan, least, "a class of the test set has one physical unit")
    weights = weights_of(a, draws=draws, seed=0)
    values = _scored(a, weights, metric) - _scored(b, weights, metric)
    low, high = np.quantile(values[np.isfinite(values)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), least)


def _scored(every: Sequence[ByUnit], weights: Array, metric: str) -> Array:
    _, places = of_units.union(every)
    each = [of_units.score(one, weights[:, at], metric) for one, at in zip(every, places, strict=True)]
    return np.asarray(of_units.mean_over(every, each))


def _least(every: Sequence[ByUnit]) -> int:
    """Units of the class that has the fewest in any fold."""
    units: dict[tuple[str, int], set[str]] = {}
    for one in every:
        for k in range(one.counts.shape[1]):
            found = {unit for unit, has in zip(one.units, one.has[:, k], strict=True) if has}
            if found:
                units.setdefault((one.target, k), set()).update(found)
    return min(map(len, units.values()), default=0)


def weights_of(every: Sequence[ByUnit], *, draws: int, seed: int) -> Array:
    """How often each unit of the union is drawn, (D, U)."""
    names, places = of_units.union(every)
    rng = np.random.default_rng(seed)
    weights = np.zeros((draws, len(names)))
    for stratum in _strata(len(names), every, places):
        n = len(stratum)
        weights[:, stratum] = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    return weights


def _strata(n: int, every: Sequence[ByUnit], places: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Units that share a fold and a class, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    tasks: dict[tuple[str, int], int] = {}  # (fold, class) → its node, behind those of the units
    ends: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for one, at in zip(every, places, strict=True):
        u, k = np.nonzero(one.has)
        nodes = [tasks.setdefault((one.target, each), n + len(tasks)) for each in range(one.has.shape[1])]
        ends.append((at[u], np.array(nodes, dtype=np.int64)[k]))
    rows, columns = (np.concatenate(side) for side in zip(*ends, strict=True))
    size = n + len(tasks)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    stratum = connected_components(graph, directed=False)[1][:n]
    return [np.flatnonzero(stratum == each) for each in np.unique(stratum)]


def over_units(a: Sequence[ByUnit], b: Sequence[ByUnit], metric: str) -> Paired:
    """Randomisation test of two methods whose answers are exchanged unit by unit.

    Source: Yeh (2000), More accurate tests for the statistical significance of result differences, COLING, for metrics
    such as F1 that are no mean over observations. Exact up to 12 units in which the two differ.

    Args:
        a: the tests of a method, each with the same windows as
        b: that of the other at the same place.
        metric: one of `tested.COUNTED`.
    """
    names, places = of_units.union(a)
    changes = np.zeros(len(names), dtype=bool)
    aligned = []
    for one, other, at in zip(a, b, places, strict=True):
        counts = other.counts[[other.units.index(unit) for unit in one.units]]
        aligned.append((one.counts, counts))
        changes[at] |= (one.counts != counts).any((1, 2))
    which = np.flatnonzero(changes)
    swapped = np.zeros((2 ** len(which) if len(which) <= EXACT else RANDOM + 1, len(names)))
    swapped[:, which] = _exchanges(len(which))
    each = []
    for (mine, theirs), at in zip(aligned, places, strict=True):
        swap, (U, K, _) = swapped[:, at], mine.shape
        change = (swap @ (theirs - mine).reshape(U, K * K)).reshape(-1, K, K)
        ours, others = mine.sum(0) + change, theirs.sum(0) - change
        each.append(of_units.of_counts(ours, metric) - of_units.of_counts(others, metric))
    return _paired(np.asarray(of_units.mean_over(a, each)), len(which))


def over_folds(differences: Sequence[float]) -> Paired:
    """Randomisation test of the mean difference over folds: the sign of each is exchanged.

    Source: Fisher (1935), The Design of Experiments, ch. 3. Exact up to 12 folds.
    """
    values = np.array([value for value in differences if value != 0], dtype=float)
    signs = 1 - 2 * _exchanges(len(values))
    return _paired(signs @ values / max(1, len(differences)), len(values))


def _exchanges(n: int) -> Array:
    """(D, n) of 0 and 1, the first row without an exchange: all of them, or as many as are drawn."""
    if n <= EXACT:
        return np.array(list(product((0.0, 1.0), repeat=n))).reshape(2**n, n)
    drawn = np.random.default_rng(0).integers(0, 2, size=(RANDOM + 1, n)).astype(float)
    drawn[0] = 0
    return drawn


def _paired(values: Array, pairs: int) -> Paired:
    """The share of exchanges whose difference is no smaller; the first is the one that was found."""
    reached = np.abs(values) >= abs(values[0]) - 1e-12
    least = 1.0 if pairs == 0 else 2 / 2**pairs if pairs <= EXACT else 1 / len(values)
    return Paired(float(values[0]), float(reached.mean()), pairs, least)


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6(2), 65–70.
    """
    adjusted, highest = [0.0] * len(p), 0.0
    for place, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = highest
    return adjusted


class Ranks(NamedTuple):
    """Methods over protocols, by rank."""

    mean: tuple[float, ...]  # of each method, 1 the best
    p: float  # Friedman: that all are alike
    critical: float  # difference of mean ranks from which two differ (Nemenyi)


def ranks(scores: Array) -> Ranks:
    """Friedman's test and Nemenyi's critical difference.

    Source: Demšar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7, 1–30.

    Args:
        scores: (protocols, methods), higher is better; at least three methods.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    N, k = scores.shape
    each = rankdata(-scores, axis=1)
    same = bool((each == each[0, 0]).all())
    p = 1.0 if same else float(friedmanchisquare(*scores.T).pvalue)
    q = float(studentized_range.ppf(1 - ALPHA, k, np.inf)) / np.sqrt(2)
    return Ranks(tuple(float(r) for r in each.mean(0)), p, float(q * np.sqrt(k * (k + 1) / (6 * N))))
