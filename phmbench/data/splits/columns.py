"""Columns of the recording table as text, and the recordings that can be split."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.errors import DataError
from phmbench.types import Windows

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Texts = NDArray[np.object_]

SHORT_NAMES = {"severity": "fault_severity_level", "bearing": "unit"}
"""Short names of columns that stand for one column; `speed` is nominal where nominal speeds are known."""


def text(value: object) -> str | None:
    """Text of one value, the same for 3, 3.0 and "3"; None for a missing one (None, NaN, NaT)."""
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        number = float(value)
        if math.isnan(number):
            return None
        return str(int(number)) if number.is_integer() else repr(number)
    return None if value is None or value is pd.NaT or value is pd.NA else str(value)


def texts(table: pd.DataFrame, column: str) -> Texts:
    """One column as text, (R,) of str or None; all None where the table has no such column."""
    found = np.full(len(table), None, dtype=object)
    if column in table.columns:
        codes, values = pd.factorize(table[column])
        named = np.array([text(value) for value in values] + [None], dtype=object)  # code −1, missing: the last
        found[:] = named[codes]
    return found


def resolve(table: pd.DataFrame, column: str) -> tuple[str, pd.Series[Any]]:
    """Column that a short name means, and its values.

    `speed` is `speed_nominal_rpm` where the table has it, filled up with `speed_rpm`: measured speeds differ from file
    to file, and to hold out 1772 rpm when another recording has 1773 rpm would separate nothing.

    Raises:
        DataError: no such column; lists those there are.
    """
    if column == "speed" and "speed" not in table.columns:
        nominal = [name for name in ("speed_nominal_rpm", "speed_rpm") if name in table.columns]
        if len(nominal) == 2:
            return "speed_nominal_rpm", table[nominal[0]].where(table[nominal[0]].notna(), table[nominal[1]])
        name = nominal[0] if nominal else "speed_rpm"
    else:
        name = SHORT_NAMES.get(column, column) if column not in table.columns else column
    if name not in table.columns:
        known = ", ".join(map(str, table.columns))
        raise DataError(f"column: the recordings have no such column; got {column!r}; expected one of {known}")
    return name, table[name]


def in_order(values: set[str] | frozenset[str]) -> list[str]:
    """Texts in the order of their numbers where all are numbers, else by alphabet."""
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)


def labels(table: pd.DataFrame, windows: Windows) -> Texts:
    """Class of each recording that can be split, (R,); None without a label or without a window.

    Raises:
        DataError: no column `label`, no label at all, or no window at all.
    """
    if "label" not in table.columns:
        raise DataError("label: the recording table has no labels; got no column 'label'; choose data.label")
    label = texts(table, "label")
    if not any(value is not None for value in label):
        raise DataError("label: no recording has one; got only missing values; choose another data.label or data.where")
    count = np.bincount(windows.recording, minlength=len(table))
    label[count == 0] = None
    if not any(value is not None for value in label):
        raise DataError(
            "window: no recording with a label is as long as one window; got 0 windows; choose a shorter data.window"
        )
    return label


def among(values: Texts, wanted: frozenset[str] | set[str] | tuple[str, ...]) -> Mask:
    """Where a text is one of those wanted, (R,)."""
    return pd.Series(values, dtype=object).isin(list(wanted)).to_numpy(dtype=bool)


def known(values: Texts) -> set[str]:
    """The texts that occur."""
    return {value for value in pd.unique(pd.Series(values, dtype=object)) if value is not None}


def counted(number: int, noun: str) -> str:
    """ "one recording", "3 recordings", "no class": for messages."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"one {noun}" if number == 1 else f"{number} {plural}" if number else f"no {noun}"


def listed(values: set[str] | frozenset[str]) -> str:
    """Texts in order, with commas; the first twenty where there are more."""
    ordered = in_order(values)
    more = f", … ({len(ordered)} in all)" if len(ordered) > 20 else ""
    return ", ".join(ordered[:20]) + more if ordered else "none"
