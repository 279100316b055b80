"""What a test of episodes leaves beside its metrics: intervals over physical units, and over episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phmbench import intervals
from phmbench.data.splits.columns import texts

if TYPE_CHECKING:
    from phmbench.answers import Answered
    from phmbench.data.datamodule import VibrationData


def of_answers(data: VibrationData, answered: Answered) -> dict[str, dict[str, Any]]:
    """Metric to interval: accuracy, and in generalised few-shot those of base and of novel classes and their mean.

    Args:
        data: tells the unit of each window.
        answered: by the test.
    """
    right = answered.right.numpy()
    novel = answered.novel.gather(1, answered.label).numpy()  # (E, Q)
    asked = {"accuracy": np.ones_like(right)}
    if not novel.all():
        asked |= {"base_accuracy": ~novel, "novel_accuracy": novel}
    sides = [data.windows.recording[part.numpy()] for part in (answered.window, answered.support)]
    drawn, place, why = _drawn(data, sides)
    found, values = {}, {}
    for name, counts in asked.items():
        with np.errstate(invalid="ignore"):
            each = (right & counts).sum(1) / counts.sum(1)  # (E,)
        values[name] = (
            None if drawn is None else intervals.resampled(right, place[sides[0]], place[sides[1]], counts, drawn)
        )
        found[f"test/{name}"] = intervals.described(each, values[name], why=why)
    base, new = values.get("base_accuracy"), values.get("novel_accuracy")
    if base is not None and new is not None:
        with np.errstate(invalid="ignore"):
            harmonic = 2 * base * new / (base + new)
        none = np.zeros(0)  # a harmonic mean of single episodes is no part of the metric
        found["test/harmonic_mean"] = intervals.described(none, harmonic)
    return found


def _drawn(
    data: VibrationData, sides: list[NDArray[np.int64]]
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64], str]:
    """Draws of units (D, U), the unit of each recording (R,), and why there are none."""
    used = np.unique(np.concatenate([side.ravel() for side in sides]))
    unit, rig, label = (texts(data.table, name)[used] for name in ("unit", "rig", "label"))
    place = np.full(len(data.table), -1, np.int64)
    if any(one is None for one in unit):
        return None, place, "the physical unit of some recordings is not known"
    names = [f"{r} {u}" for r, u in zip(rig, unit, strict=True)]
    units = list(dict.fromkeys(names))
    classes = {u: frozenset(c for n, c in zip(names, label, strict=True) if n == u) for u in units}
    place[used] = [units.index(name) for name in names]
    asked = {names[i] for i in np.flatnonzero(np.isin(used, sides[0]))}
    alone = [c for c in sorted(set(label.tolist())) if sum(c in classes[u] for u in asked) == 1]
    if alone:
        return None, place, f"{', '.join(alone)}: one physical unit is asked"
    return intervals.draws(units, [classes[u] for u in units]), place, ""


def answers_expected(data: VibrationData) -> int:
    """Queries of all test episodes."""
    assert data.drawn is not None
    return sum(len(one.query) for one in data.drawn.fixed("test"))
