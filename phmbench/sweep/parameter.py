"""One key that a search varies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from phmbench.errors import ConfigError

Scalar = str | int | float | bool | None
Value = Any
"""A scalar, or a list or mapping of values: what YAML can say."""


@dataclass(frozen=True)
class Parameter:
    """One key that a search varies.

    Args:
        key: a dotted key (`task.optimizer.lr`), or a group (`task/optimizer`).
        choices: the values, or the options of the group; empty: a range.
        low: smallest value of a range; whole numbers at both ends (and as step) make a range of whole numbers.
        high: largest value, included.
        log: drawn evenly in the logarithm.
        step: distance of the values from one to the next; None: any value, or any whole number.
        when: other key, and the values of it for which this parameter exists at all.
    """

    key: str
    choices: tuple[Value, ...] = ()
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether its range is one of whole numbers."""
        return not any(isinstance(number, float) for number in (self.low, self.high, self.step))

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Whether the parameter exists, given what was chosen before it."""
        return all(key in chosen and chosen[key] in values for key, values in self.when)

    def admits(self, value: Value) -> bool:
        """Whether the value is one of the choices, or lies in the range."""
        if self.choices:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        return isinstance(value, int | float) and self.low <= value <= self.high

    def ends(self) -> list[Value]:
        """Values that stand for all of them in a check: each choice, or both ends."""
        return list(self.choices) if self.choices else list(dict.fromkeys([self.low, self.high]))

    def values(self) -> list[Value]:
        """All values, as Optuna is to know them, for a grid.

        Raises:
            ConfigError: they cannot be counted.
        """
        if self.choices:
            return list(self.labels())
        assert self.low is not None
        assert self.high is not None
        step = self.step or (1 if self.is_whole and not self.log else None)
        if step is None:
            raise ConfigError(
                f"search: {self.key}: a grid takes values that can be counted; got a range from {self.low} to "
                f"{self.high} without a step; expected choices, or a step; give it one, or choose another sampler"
            )
        count = math.floor((self.high - self.low) / step + 1e-9) + 1  # the last step may end before the range does
        return [min(self.high, round(self.low + i * step, 12)) for i in range(count)]

    def labels(self) -> dict[Scalar, Value]:
        """Each choice by the scalar that stands for it in a study: itself, or a list as JSON.

        Raises:
            ConfigError: two choices would be the same there.
        """
        found = {c if isinstance(c, Scalar) else json.dumps(c): c for c in self.choices}
        if len(found) < len(self.choices):
            raise ConfigError(
                f"search: {self.key}: choices that a study cannot tell apart; got {json.dumps(self.choices)}; expected "
                "no two that are equal as numbers (1, 1.0, true), or a list and the text that it reads as; remove one"
            )
        return found

    def plain(self) -> dict[str, Any]:
        """As written into a study, so that another space is noticed."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]
