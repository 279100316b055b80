"""Folds that are listed by name, as publications list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import divide, rigs
from phmbench.data.splits.columns import known, labels, listed, resolve, texts
from phmbench.data.splits.held import Value, as_texts, complete, hold
from phmbench.data.splits.possible import explained
from phmbench.errors import ConfigError, DataError
from phmbench.types import Assignment, Windows


class NamedFolds:
    """Each fold names the values of a column that are its test set; everything else is its training side.

    Args:
        column: of the recording table, or a short name: load, speed (nominal), severity, bearing.
        folds: name of a fold to the values that it tests.
        target: names of the folds whose values are the test set, usually one; null: the first fold.
        validate_by: the highest level at which validation is cut. By unit, it costs the training side whole units; by
            recording, none, and validation is too hopeful.
        val: share of the training side for validation, 0 to 1.
        seed: of the choice of validation.

    Raises:
        ConfigError: no fold, or a target that is none.
    """

    level = "recording"  # the least that it separates; an Assignment says what was measured

    def __init__(
        self,
        *,
        column: str,
        folds: Mapping[str, Sequence[Value]],
        target: Sequence[str] | None,
        validate_by: Literal["unit", "recording"],
        val: Annotated[float, Gt(0), Lt(1)],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        if not folds:
            raise ConfigError(
                "folds: a split by named folds needs some; got none; expected task.split.folds={NAME:[values]}, or an "
                "experiment that lists them; choose task/split=bearing to hold out bearings without a list"
            )
        self.column, self.validate_by, self.val, self.seed = column, validate_by, val, seed
        self.folds = {str(name): as_texts(values, f"fold {name}") or () for name, values in folds.items()}
        self.target = as_texts(target, "a split by named folds") or tuple(self.folds)[:1]
        strangers = [name for name in self.target if name not in self.folds]
        if strangers:
            raise ConfigError(
                f"target: no fold has that name; got {', '.join(strangers)}; expected one of {', '.join(self.folds)}"
            )

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: a value that no recording has, a recording without a value, nothing to train on, or fewer than
                two classes on both sides.
        """
        label = labels(table, windows)
        column, series = resolve(table, self.column)
        values = texts(pd.DataFrame({column: series}), column)
        complete(values, label, table, column)
        tested = tuple(dict.fromkeys(value for name in self.target for value in self.folds[name]))
        lacking = [value for value in tested if value not in known(values)]
        if lacking:
            raise DataError(
                f"folds: no recording has a value that a fold tests; got {column} = {listed(set(lacking))}; expected "
                f"values among {listed(known(values))}; build the whole rig, or take the folds that can be tested"
            )
        sides = hold(values, tested, name="named_folds", column=column, domain=rigs(table), label=label, table=table)
        sides = sides._replace(target=self.target)
        notes = sides.notes
        if self.validate_by == "recording":
            notes = (*notes, "validation is cut by recording, so that no unit of training is lost: it is too hopeful")
        return divide(
            sides._replace(target=self.target, notes=notes),
            table=table,
            label=label,
            windows=windows,
            window=window,
            val=self.val,
            seed=self.seed,
            validate_by=self.validate_by,
        )

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """Each fold once, those left out whose values no recording has."""
        _, series = resolve(table, self.column)
        there = known(texts(pd.DataFrame({"value": series}), "value"))
        return {name: [name] for name, values in self.folds.items() if set(values) <= there}
