"""The sampler of a search that tries every combination once."""

from __future__ import annotations

import random
from typing import Any

from optuna.samplers import BaseSampler

from phmbench.sweep.points import NUMBER, Points


class EveryPoint(BaseSampler):
    """Every point of a space that can be counted, for a search that asks and tells.

    Optuna's GridSampler ends `optimize`, which nobody calls here, tries keys also where they do not exist, and never
    tries again what has failed.

    Args:
        points: of the space.
        seed: of the order in which they are tried.
    """

    def __init__(self, points: Points, *, seed: int) -> None:
        self.points, self.seed = points, seed
        self.order = list(range(len(points.all)))
        random.Random(seed).shuffle(self.order)

    def before_trial(self, study: Any, trial: Any) -> None:
        """Give the trial a point; on several machines that ask at once, mostly another one each."""
        if NUMBER in trial.system_attrs:
            return
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        own = self.order[trial.number % len(self.order)]
        left = self.points.next(trials) or [own]
        number = own if own in left else random.Random(self.seed + trial.number).choice(left)
        study._storage.set_trial_system_attr(trial._trial_id, NUMBER, number)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Nothing: each value is of the point."""
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """The value of the trial's point."""
        return self.points.all[trial.system_attrs[NUMBER]][param_name]
