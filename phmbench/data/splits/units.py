"""Split by physical unit: the bearing, gear or machine under test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import (
    TEST,
    Sides,
    divide,
    generator,
    label_space,
    present,
    rigs,
    without_windows,
)
from phmbench.data.splits.columns import Texts, in_order, known, labels, text, texts
from phmbench.data.splits.draw import SplitError, draw
from phmbench.data.splits.held import as_texts, complete, hold
from phmbench.data.splits.possible import explained
from phmbench.types import Assignment, Windows


class Units:
    """All recordings of a physical unit go into one set: the test units have never been seen.

    Args:
        target: units of the test set; null: a seeded choice, stratified by class, and in proportion over the rigs.
        val: share of the training side's units for validation, 0 to 1, at least one of each class.
        test: share of the units for the test set where target is null, 0 to 1, at least one of each class.
        seed: of the choice.
    """

    level = "unit"

    def __init__(
        self,
        *,
        target: Sequence[str] | None,
        val: Annotated[float, Gt(0), Lt(1)],
        test: Annotated[float, Gt(0), Lt(1)],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.target, self.val, self.test, self.seed = as_texts(target, "a split by unit"), val, test, seed

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: a recording whose unit is not known, a class with one unit, no such unit, or fewer than two
                classes on both sides; says what is possible instead.
        """
        label, unit = labels(table, windows), texts(table, "unit")
        complete(unit, label, table, "unit")
        if self.target is None:
            sides = self._drawn(table, label, unit)
        else:
            rig = rigs(table)
            sides = hold(unit, self.target, name="units", column="unit", domain=rig, label=label, table=table)
        sides = sides._replace(highest="unit")
        return divide(sides, table=table, label=label, windows=windows, window=window, val=self.val, seed=self.seed)

    def _drawn(self, table: pd.DataFrame, label: Texts, unit: Texts) -> Sides:
        classes = label_space(label, "units")
        used, rig = present(label), rigs(table)
        at = np.flatnonzero(used)
        try:
            drawn = draw(unit[at], label[at], rig[at], share=self.test, rng=generator(self.seed, TEST), noun="unit")
        except SplitError as error:
            raise SplitError(
                f"units: {error}; a split by units needs three (training, validation, test), "
                "or two with validation cut by recording or in time"
            ) from None
        held = np.zeros(len(table), dtype=bool)
        held[at[drawn]] = True
        return Sides("units", classes, used & ~held, held, rig, "unit", notes=without_windows(table, label))

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """Folds: as many as the class with the fewest units has, at least two; else none.

        The units of each class are put in order of severity, then name; fold i tests the i-th of each class, and the
        rest only train. Named by the severity that its units share, else 1, 2, … A unit with several classes is tested
        once, in the first fold that it comes up in; a fold without every class on both sides is left out.
        """
        label, unit = texts(table, "label"), texts(table, "unit")
        frame = pd.DataFrame({"label": label, "unit": unit, "level": _levels(table), "severity": _severity(table)})
        frame = frame[frame["label"].notna() & frame["unit"].notna()]
        frame = frame.sort_values(["level", "unit"], kind="stable", na_position="first")
        frame = frame.drop_duplicates(["label", "unit"])
        classes = set(frame["label"])
        rank = frame.groupby("label").cumcount()
        fold = rank.groupby(frame["unit"]).transform("min")
        count = int(frame.groupby("label").size().min()) if len(frame) else 0
        folds = [
            frame[fold == i]
            for i in range(count)
            if set(frame["label"][fold == i]) == classes == set(frame["label"][fold != i])
        ]
        if len(folds) < 2 or len(classes) < 2:
            return {}
        return {
            name: in_order(known(part["unit"].to_numpy(dtype=object)))
            for name, part in zip(_fold_names(folds), folds, strict=True)
        }


def _fold_names(folds: list[pd.DataFrame]) -> list[str]:
    """The severity that the units of each fold share, where they do and all differ; else numbers from 1."""
    shared = [set(fold["severity"]) for fold in folds]
    names = [text(values.pop()) for values in shared if len(values) == 1]
    found = [name for name in names if name is not None]
    return found if len(set(found)) == len(folds) else [str(i + 1) for i in range(len(folds))]


def _levels(table: pd.DataFrame) -> pd.Series[float]:
    if "fault_severity_level" not in table.columns:
        return pd.Series(np.nan, index=range(len(table)))
    return pd.to_numeric(table["fault_severity_level"], errors="coerce").reset_index(drop=True).astype(float)


def _severity(table: pd.DataFrame) -> Texts:
    """Severity as people write it, without the unit ("0.007 in" is "0.007"), else its level."""
    written = texts(table, "fault_severity")
    level = texts(table, "fault_severity_level")
    number = re.compile(r"^(\d+(?:\.\d+)?)\s+\S+$")
    found = np.full(len(table), None, dtype=object)
    found[:] = [number.sub(r"\1", w) if w is not None else lv for w, lv in zip(written, level, strict=True)]
    return found
