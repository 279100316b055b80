"""The sampler of a search that tries every combination once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.samplers import GridSampler


class EveryPoint(GridSampler):
    """Optuna's, for a search that asks and tells: Optuna's own ends `optimize`, which nobody has called here.

    Args:
        space: values by key.
        seed: of the order in which the points are tried.
    """

    def __init__(self, space: Mapping[str, Sequence[Any]], *, seed: int) -> None:
        super().__init__(space, seed=seed)
        self.count = math.prod(len(values) for values in space.values())

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        """Nothing: the search asks `left`."""

    def left(self, trials: Sequence[Any]) -> int:
        """Points that no trial has, whatever became of it."""
        return self.count - len({trial.system_attrs["grid_id"] for trial in trials if "grid_id" in trial.system_attrs})
