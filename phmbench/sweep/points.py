"""The points of a space that can be counted, and which of them were tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError
from phmbench.sweep.study import MOST_DEATHS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from phmbench.sweep.parameter import Parameter, Scalar, Value

NUMBER = "grid_id"
"""System attribute of a trial of a grid: the number of its point."""
AGAIN = "again"
"""The state of a trial that failed before this sitting."""


def every(parameters: Sequence[Parameter]) -> Iterator[dict[str, Scalar]]:
    """Every combination of values as a study knows them, with the keys alone that exist beside each other.

    Raises:
        ConfigError: values cannot be counted.
    """
    counted = {one.key: one.values() for one in parameters}
    labels = {one.key: one.labels() for one in parameters}

    def after(start: int, chosen: dict[str, Value], known: dict[str, Scalar]) -> Iterator[dict[str, Scalar]]:
        if start == len(parameters):
            yield known
        elif not (one := parameters[start]).applies(chosen):
            yield from after(start + 1, chosen, known)
        else:
            for label in counted[one.key]:
                value = labels[one.key].get(label, label)
                yield from after(start + 1, {**chosen, one.key: value}, {**known, one.key: label})

    return after(0, {}, {})


class Points:
    """The points of a space and, by the trials of a study, which of them are left.

    Args:
        points: values by key.
        first: number of the first trial of this sitting. What failed before it is tried again, but for trials that
            have killed their process time and again; None: nothing is.
    """

    def __init__(self, points: Iterable[Mapping[str, Any]], *, first: int | None = None) -> None:
        self.all, self.first = list(points), first
        self.number = {_known(point): number for number, point in enumerate(self.all)}

    @classmethod
    def few(cls, parameters: Sequence[Parameter], *, most: int) -> Points | None:
        """Those of a space with no more than `most` of them; None for any other."""
        try:
            found = list(islice(every(parameters), most + 1))
        except ConfigError:
            return None
        return cls(found) if len(found) <= most else None

    def left(self, trials: Iterable[FrozenTrial]) -> int:
        """How many are to be tried: by nobody yet, again, or by a trial that waits."""
        by_state = self._by_state(trials)
        waiting = by_state.get("WAITING", set())
        return len(waiting.union(self._untried(by_state), self._failed(by_state)))

    def next(self, trials: Iterable[FrozenTrial]) -> list[int]:
        """Those that no trial has; where there are none, those that have failed before."""
        by_state = self._by_state(trials)
        return sorted(self._untried(by_state) or self._failed(by_state))

    def _untried(self, by_state: Mapping[str, set[int]]) -> set[int]:
        return set(range(len(self.all))).difference(*by_state.values())

    def _failed(self, by_state: Mapping[str, set[int]]) -> set[int]:
        others = [numbers for state, numbers in by_state.items() if state != AGAIN]
        return by_state.get(AGAIN, set()).difference(*others)

    def _by_state(self, trials: Iterable[FrozenTrial]) -> dict[str, set[int]]:
        """Numbers of points by the states of their trials."""
        found: dict[str, set[int]] = {}
        for trial in trials:
            number = trial.system_attrs.get(NUMBER, self.number.get(_known(trial.params)))
            if number is not None:
                found.setdefault(AGAIN if self._is_open(trial) else trial.state.name, set()).add(number)
        return found

    def _is_open(self, trial: FrozenTrial) -> bool:
        deaths = trial.user_attrs.get("deaths", (0, 0))[0]
        is_before = self.first is not None and trial.number < self.first
        return trial.state.name == "FAIL" and is_before and deaths < MOST_DEATHS


def _known(values: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """Values that tell a point from others, whoever has computed the steps of a range."""
    return frozenset((key, float(f"{one:.9g}") if isinstance(one, float) else one) for key, one in values.items())
