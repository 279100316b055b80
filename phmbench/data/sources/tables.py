"""A user's table of recordings: CSV, a row each, read strictly."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.data.sources import delimited, facts
from phmbench.data.sources.damage import no_table
from phmbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 1000
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
TEXT = ("file", "recording", "unit", "condition", "label", "fault_type", "fault_location", "native_label", "rig",
        "run_id", "key")  # fmt: skip
NUMBERS = ("fs", "speed_rpm", "speed_nominal_rpm", "load", "time_s", "rul_s", "fault_severity_level", *facts.ORDERS)


def read_table(path: Path, *, required: Sequence[str]) -> pd.DataFrame:
    """A user's CSV table, its columns of text and numbers with their types; empty cells are missing.

    Raises:
        DataError: the file is missing or no table, lacks a column or rows, or has text in a column of numbers.
    """
    import pandas as pd

    if not path.is_file():
        raise DataError(
            f"{path}: no such file; got nothing; expected a CSV table of recordings in the folder `root` "
            "(data.sources.folder.root=DIR); correct `table`; where each class has a folder of its own, set it to null"
        )
    table = _parsed(path)
    if absent := [c for c in required if c not in table]:
        raise DataError(
            f"{path}: lacks the column {', '.join(absent)}; got {', '.join(table.columns)}; expected one row per "
            "recording; add it"
        )
    if len(table.columns) > MOST_COLUMNS:
        raise DataError(
            f"{path}: no table of recordings; got {len(table.columns)} columns; expected a recording per row, at most "
            f"{MOST_COLUMNS} columns; name the table, not a recording"
        )
    for column in table.select_dtypes(exclude="number").columns:
        if bad := [row for row, value in enumerate(table[column]) if isinstance(value, str) and "\0" in value]:
            raise no_table(path, f"a byte of value 0 in column {column}, row {bad[0] + 1}")
    _refuse_two_spellings(path, table)
    if table.empty:
        raise DataError(f"{path}: lists no recording; got no rows; expected one row per recording; add them")
    for column in table.columns:
        if column in NUMBERS:
            table[column] = _numbers(path, table[column])
        elif not pd.api.types.is_numeric_dtype(table[column]):
            text = table[column].astype(object)
            table[column] = text.where(text.notna(), None)
    return table


def _parsed(path: Path) -> pd.DataFrame:
    try:
        header = delimited.first_lines(path)[0]
        between = delimited.separator(header)
        table = delimited.parse(path, sep=between, dtype=dict.fromkeys(TEXT, str))
    except DataError:
        raise
    except Exception as error:  # pandas and csv raise their own
        raise no_table(path, error) from error
    names = [name.strip() for name in next(csv.reader([header], delimiter=between))]  # pandas makes x.1 of a second x
    if twice := [name for name in dict.fromkeys(names) if name and names.count(name) > 1]:
        raise DataError(
            f"{path}: a column stands there twice; got {', '.join(twice)}; expected each name once; rename one of them"
        )
    return table


def _refuse_two_spellings(path: Path, table: pd.DataFrame) -> None:
    """6 and 6.0 are one bearing: as two names it could stand on both sides of a split."""
    for column in ("unit", "rig", "run_id", "label"):
        spellings: dict[Decimal, str] = {}
        for value in column_of(table, column):
            if not NUMBER.fullmatch(str(value)):
                continue
            number = Decimal(str(value))  # exact: long numbers of runs differ in their last digits
            if spellings.setdefault(number, value) != value:
                raise DataError(
                    f"{path}: one number in two spellings in column {column}; got {spellings[number]} and {value}; "
                    "expected a name to be written the same way in all rows; correct it"
                )


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    bad = column[numbers.isna() & column.notna()]
    if len(bad):
        raise DataError(
            f"{path}: text in column {column.name}; got {bad.iloc[0]!r} in row {bad.index[0] + 1}; expected numbers "
            "with a decimal point, or empty cells; correct it"
        )
    return numbers.astype(float)


def column_of(table: pd.DataFrame, column: str) -> list[Any]:
    """Values with None for what is missing: a column of text has NaN there, whatever was put in."""
    if column not in table:
        return [None] * len(table)
    values = table[column].astype(object)
    return list(values.where(values.notna(), None))
