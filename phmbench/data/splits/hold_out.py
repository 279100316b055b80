"""Hold out values of a column: load, speed, severity, bearing, or any other."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import Annotated

import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import divide
from phmbench.data.splits.columns import Texts, known, labels, listed, resolve, texts
from phmbench.data.splits.draw import SplitError
from phmbench.data.splits.held import Value, as_texts, complete, hold, table_by_value
from phmbench.data.splits.possible import explained
from phmbench.types import Assignment, Windows


class HoldOut:
    """Recordings with the target's values of a column are the test set; each other value is a source domain.

    The level is measured on the recordings: by load, the same bearings are usually on both sides ("recording", weak);
    by severity they are usually not ("unit").

    Args:
        column: of the recording table, or a short name: load, speed (nominal), severity, bearing.
        target: values held out; null: the highest one at which every class was recorded.
        val: share of the training side for validation, 0 to 1.
        seed: of the choice of validation.
    """

    level = "recording"  # the least that it separates: a recording has one value; an Assignment says what was measured

    def __init__(
        self,
        *,
        column: str,
        target: Sequence[Value] | None,
        val: Annotated[float, Gt(0), Lt(1)],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.column, self.val, self.seed = column, val, seed
        self.target = as_texts(target, f"a split by {column}")

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: no such column or value, a recording without a value, nothing to train on, or fewer than two
                classes on both sides; says what there is and what is possible instead.
        """
        label = labels(table, windows)
        column, values = self._values(table)
        complete(values, label, table, column)
        target = self.target or (highest(values, label, column),)
        sides = hold(values, target, name="hold_out", column=column, domain=values, label=label, table=table)
        return divide(sides, table=table, label=label, windows=windows, window=window, val=self.val, seed=self.seed)

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """Each value at which every class was recorded, the target once; none with fewer than two classes or values."""
        label = texts(table, "label")
        _, values = self._values(table)
        classes = known(label)
        by_value = table_by_value(values, label)
        if len(classes) < 2 or len(by_value) < 2:
            return {}
        return {value: [value] for value, there in by_value.items() if there == classes and _elsewhere(by_value, value)}

    def _values(self, table: pd.DataFrame) -> tuple[str, Texts]:
        column, series = resolve(table, self.column)
        return column, texts(pd.DataFrame({column: series}), column)


def highest(values: Texts, label: Texts, column: str) -> str:
    """The highest value at which every class was recorded, and of whose classes two are recorded at another value.

    Raises:
        SplitError: there is none; lists which class was recorded where.
    """
    classes, by_value = known(label), table_by_value(values, label)
    whole = [value for value, there in by_value.items() if there == classes and _elsewhere(by_value, value)]
    if not whole:
        each = "; ".join(f"{value}: {listed(there)}" for value, there in list(by_value.items())[:12])
        there_is = shorten(each, 300, placeholder=" …")
        raise SplitError(
            f"target: no value of {column} can be held out with every class; got {there_is}; expected a value with "
            f"{listed(classes)} and others to train on; name one with task.split.target=[…], which keeps "
            "the classes that both sides have, or leave a class out with data.where"
        )
    return whole[-1]


def _elsewhere(by_value: dict[str, set[str]], value: str) -> bool:
    others = [there for other, there in by_value.items() if other != value]
    return len(by_value[value] & set().union(*others)) >= 2
