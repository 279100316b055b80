"""What a fit's test gave, unit by unit: the counts from which scores are made again for any choice of units.

Shape letters: U physical units, K classes, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.errors import RecordError
from phmbench.leaderboard.runs import Fit
from phmbench.record import predictions

Array = NDArray[np.float64]
COUNTED = ("macro_f1", "balanced_accuracy", "accuracy")
"""Metrics that follow from a confusion matrix."""
TOLERANCE = 2e-3  # scores are kept as float32, in which two that were not equal can be


class ByUnit(NamedTuple):
    """The test of one fit, by physical unit."""

    target: str
    seed: int
    units: tuple[str, ...]  # U names
    counts: Array  # (U, K, K) windows: true class, predicted class
    pairs: Array | None  # (K, U, U) ordered pairs of a positive and a negative window; None where not asked for
    sides: Array  # (K, 2, U) positive and negative windows
    windows: bytes  # digest of which windows were tested

    @property
    def has(self) -> NDArray[np.bool_]:
        """(U, K): whether the unit has windows of the class."""
        return np.asarray(self.counts.sum(2) > 0)


def read(fit: Fit, *, metric: str) -> ByUnit:
    """The predictions of a fit, by unit.

    Raises:
        RecordError: they are missing or damaged, a unit is not known, or they do not give the recorded metric.
    """
    found = predictions.read(fit.folder)
    unknown = [name for name in found.names if not fit.unit_of.get(name)]
    if unknown:
        raise RecordError(
            f"{fit.folder}: physical units are not known; got {len(unknown)} recordings without one; expected each "
            f"recording's unit in split.csv; name it in the source's table ({unknown[0]})"
        )
    units = tuple(dict.fromkeys(fit.unit_of[name] for name in found.names))
    place = {unit: u for u, unit in enumerate(units)}
    of = np.array([place[fit.unit_of[name]] for name in found.names], dtype=np.int64)[found.recording]  # (N,)
    U, K = len(units), len(found.classes)
    predicted = found.scores.argmax(1)
    counts = np.bincount((of * K + found.target) * K + predicted, minlength=U * K * K).reshape(U, K, K).astype(float)
    order = np.lexsort((found.start, found.recording))
    windows = "\n".join(found.names).encode() + found.recording[order].tobytes() + found.start[order].tobytes()
    true = counts.sum(2).T  # (K, U)
    sides = np.stack([true, counts.sum((1, 2)) - true], 1)  # (K, 2, U)
    pairs = None if metric in COUNTED else _pairs(found, of, U)
    tested = ByUnit(fit.target, fit.seed, units, counts, pairs, sides, windows)
    _require_same(fit, metric, float(score(tested, np.ones((1, U)), metric)[0]))
    return tested


def _require_same(fit: Fit, metric: str, value: float) -> None:
    recorded = fit.result["metrics"].get(f"test/{metric}")
    if recorded is not None and not abs(value - recorded) <= TOLERANCE:
        raise RecordError(
            f"{fit.folder}: predictions.h5 and metrics.json do not agree; got {metric} {value:.4f} and {recorded:.4f}; "
            "expected the same; run it again in another folder"
        )


def _pairs(found: predictions.Predictions, of: NDArray[np.int64], U: int) -> Array:
    """Of each class, how many windows of unit u that have it stand above how many of unit v that have it not."""
    p = found.scores.astype(float)  # (N, K)
    K, adds_up = p.shape[1], bool((np.abs(p.sum(1) - 1) < 1e-3).all())  # else each class has a detector of its own
    pairs = np.zeros((K, U, U))
    for k in range(K):
        with np.errstate(divide="ignore"):
            odds = np.log(p[:, k])
            if adds_up:  # then the others say more than p, which runs into 1
                odds -= np.log(np.delete(p, k, 1).sum(1))
        positive = found.target == k
        for v in range(U):
            negative = np.sort(odds[~positive & (of == v)])
            at = odds[positive]
            wins = (np.searchsorted(negative, at, "left") + np.searchsorted(negative, at, "right")) / 2
            pairs[k, :, v] = np.bincount(of[positive], weights=wins, minlength=U)
    return pairs


def score(tested: ByUnit, weights: Array, metric: str) -> Array:
    """The metric with each unit taken so many times, (D,); NaN where no window is left.

    Args:
        tested: of one fit.
        weights: (D, U), how often each unit counts.
        metric: macro_f1, balanced_accuracy, accuracy or macro_auroc.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric in COUNTED:
            U, K, _ = tested.counts.shape
            return of_counts((weights @ tested.counts.reshape(U, K * K)).reshape(-1, K, K), metric)
        assert tested.pairs is not None
        won = np.einsum("du,kuv,dv->dk", weights, tested.pairs, weights, optimize=True)
        positive, negative = weights @ tested.sides[:, 0].T, weights @ tested.sides[:, 1].T  # (D, K) each
        return _mean(won / (positive * negative))


def of_counts(counts: Array, metric: str) -> Array:
    """A metric of confusion matrices, (D, K, K) to (D,): over the classes that have windows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hits, true, predicted = np.einsum("dkk->dk", counts), counts.sum(2), counts.sum(1)
        if metric == "accuracy":
            return np.asarray(hits.sum(1) / true.sum(1))
        each = hits / true if metric == "balanced_accuracy" else 2 * hits / (true + predicted)
        return _mean(np.where(true > 0, each, np.nan))


def _mean(each: Array) -> Array:
    """Mean over classes that are defined, (D, K) to (D,)."""
    known = np.isfinite(each)
    return np.asarray(np.where(known, each, 0).sum(1) / known.sum(1))


def union(every: Sequence[ByUnit]) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """All units of several tests, and where those of each stand among them."""
    units = tuple(sorted({unit for one in every for unit in one.units}))
    place = {unit: i for i, unit in enumerate(units)}
    return units, [np.array([place[unit] for unit in one.units], dtype=np.int64) for one in every]


def mean_over(every: Sequence[ByUnit], values: Sequence[Any]) -> Any:
    """Values of fits: the mean over the seeds of each fold, then over folds; what is undefined does not count."""
    folds = dict.fromkeys(one.target for one in every)
    each = [_nanmean([value for one, value in zip(every, values, strict=True) if one.target == fold]) for fold in folds]
    return _nanmean(each)


def _nanmean(values: Sequence[Any]) -> Any:
    stacked = np.stack([np.asarray(value, dtype=float) for value in values])
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, stacked, 0).sum(0) / known.sum(0)
