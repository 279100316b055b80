"""95 % intervals of few-shot results: over physical units first, and, as is usual, over episodes.

Hundreds of episodes are drawn from a handful of bearings. An interval over episodes says how well the mean over these
bearings is known, and nothing of the next bearing: it is far too narrow. So units are drawn with replacement, each with
all that it taught and answered.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
DRAWS = 500
LEVEL = 0.95
NORMAL = 1.959964  # quantile of the standard normal at 0.975


def draws(names: Sequence[str], stratum: Sequence[object], number: int = DRAWS) -> Array:
    """How often each unit is drawn, (D, U): with replacement, among units of the same classes.

    The names seed the draws: the same units are drawn alike for each seed of a run, others independently.

    Args:
        names: of the units, U.
        stratum: of each unit; those of one are exchangeable.
        number: of draws, D.
    """
    rng = np.random.default_rng(zlib.crc32("\n".join(names).encode()))
    found = np.zeros((number, len(names)))
    for one in dict.fromkeys(stratum):
        at = np.array([i for i, other in enumerate(stratum) if other == one])
        found[:, at] = rng.multinomial(len(at), np.full(len(at), 1 / len(at)), number)
    return found


def resampled(right: NDArray[np.bool_], query: Ids, support: Ids, asked: NDArray[np.bool_], drawn: Array) -> Array:
    """Accuracy for each draw of units, (D,); NaN where nothing that is asked was drawn.

    An answer counts as often as its unit was drawn, times the mean number of draws of the units that taught its
    episode: support and query are two ways of a crossed design (Owen 2007, The pigeonhole bootstrap, Annals of Applied
    Statistics 1(2), 386-411).

    Args:
        right: (E, Q).
        query: (E, Q) unit of each query.
        support: (E, S) unit of each support window.
        asked: (E, Q) answers that count.
        drawn: (D, U).
    """
    E, units = len(right), drawn.shape[1]
    place = (np.arange(E)[:, None] * units + query)[asked]
    total = np.bincount(place, minlength=E * units).reshape(E, units).astype(float)
    hits = np.bincount(place, weights=right[asked].astype(float), minlength=E * units).reshape(E, units)
    taught = np.stack([np.bincount(row, minlength=units) for row in support]) / support.shape[1]  # (E, U)
    weight = drawn @ taught.T  # (D, E)
    count = ((weight @ total) * drawn).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(((weight @ hits) * drawn).sum(1) / count)


def described(value: Array, resampled: Array | None, *, why: str = "") -> dict[str, Any]:
    """An interval as metrics.json holds it.

    Args:
        value: (E,) of each episode; NaN where it has none.
        resampled: (D,) of each draw of units; None: not estimable.
        why: it is not.
    """
    value = value[np.isfinite(value)]
    error = float(value.std(ddof=1) / math.sqrt(len(value))) if len(value) > 1 else None
    mean = float(value.mean()) if len(value) else None
    return {"mean": mean, **_of_units(resampled, why), **_of_episodes(mean, error)}


def _of_units(resampled: Array | None, why: str) -> dict[str, Any]:
    finite = resampled[np.isfinite(resampled)] if resampled is not None else np.zeros(0)
    if not len(finite):
        return {"units": None, "why": why or "no draw of units holds an answer", "draws": None}
    ends = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    assert resampled is not None
    return {"units": [float(v) for v in ends], "why": "", "draws": [round(float(v), 4) for v in resampled]}


def _of_episodes(mean: float | None, error: float | None) -> dict[str, Any]:
    known = mean is not None and error is not None
    ends = [mean - NORMAL * error, mean + NORMAL * error] if known else None  # type: ignore[operator]
    return {"episodes": ends, "error": error}


def over_repeats(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the mean over seeds: units are drawn, and seeds with replacement."""
    rng = np.random.default_rng(0)
    every = _stacked(each)
    if every is not None:
        picked = rng.integers(len(every), size=(every.shape[1], len(every)))
        every = np.take_along_axis(every.T, picked, 1).mean(1)
    return _joined(each, every)


def over_folds(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the mean over folds: units are drawn in each."""
    every = _stacked(each)
    return _joined(each, None if every is None else every.mean(0))


def _stacked(each: Sequence[Mapping[str, Any]]) -> Array | None:
    """(n, D), or None where one is not estimable."""
    if any(one["draws"] is None for one in each):
        return None
    return np.array([[np.nan if v is None else v for v in one["draws"]] for one in each], float)


def _joined(each: Sequence[Mapping[str, Any]], values: Array | None) -> dict[str, Any]:
    means, errors = [one["mean"] for one in each], [one["error"] for one in each]
    mean = None if None in means else float(np.mean(means))
    error = None if None in errors else float(math.sqrt(sum(e * e for e in errors)) / len(errors))
    why = next((one["why"] for one in each if one["why"]), "")
    return {"mean": mean, **_of_units(values, why), **_of_episodes(mean, error)}
