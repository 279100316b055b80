"""Delimited text: what people and programs write as csv, tsv or txt, read strictly."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phmbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def parse(path: Path, **how: Any) -> pd.DataFrame:
    """A table of UTF-8 text, its columns named without the spaces around them.

    Args:
        path: the file.
        how: what pandas.read_csv takes.

    Raises:
        DataError: the text is not UTF-8.
        ValueError: a row has more cells than the header, or columns have one name.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Else pandas takes what stands before the last columns for an index, or loses what stands behind them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(path, encoding="utf-8-sig", index_col=False, low_memory=False, **how)
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except pd.errors.ParserWarning as error:
        raise ValueError("rows with more cells than the header has names") from error
    table.columns = pd.Index([str(column).strip() for column in table.columns])
    if table.columns.has_duplicates:
        raise ValueError(f"columns of one name: {', '.join(table.columns[table.columns.duplicated()])}")
    return table


def first_lines(path: Path) -> tuple[str, str]:
    """The first two lines, without the space around them.

    Raises:
        DataError: the text is not UTF-8.
        ValueError: the first is empty.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            first, second = file.readline(), file.readline()
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    if "\0" in first + second:  # UTF-16 of plain letters, without the mark that says so
        raise not_utf8(path, None)
    if not first.strip():
        raise ValueError("an empty first line")
    return first.strip(), second.strip()


def last_line(path: Path) -> str:
    """The last line that is not empty; at most its last 64 KiB."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16))
        rows = file.read().rstrip().splitlines()
    return rows[-1].decode("utf-8", "replace") if rows else ""


def separator(line: str) -> str:
    """What stands between columns, by a table's first line: tab, semicolon or comma, the first that is in it."""
    return next((s for s in "\t;," if s in line), ",")


def signals(path: Path) -> pd.DataFrame:
    """A table of samples, a row for each; without a line of names the columns are "0", "1", …

    Raises:
        DataError: the text is not UTF-8.
        ValueError: it is no such table, or a column of numbers goes on with text.
    """
    first, second = first_lines(path)
    between = separator(first)
    decimal = "," if between != "," and "," in (second or first) and "." not in (second or first) else "."
    header = None if all(_is_number(v, decimal) for v in first.split(between)) else 0
    table = parse(path, sep=between, decimal=decimal, header=header)
    if (cells := last_line(path).count(between)) < (whole := first.count(between)):
        raise ValueError(f"a last line of {cells + 1} cells, where the first has {whole + 1}")
    _refuse_half_numbers(table, decimal, lines_before=1 if header is None else 2)
    return table


def not_utf8(path: Path, error: UnicodeDecodeError | None) -> DataError:
    """The error of text in another encoding."""
    got = "bytes of value 0" if error is None else f"byte 0x{error.object[error.start]:02x}"
    with path.open("rb") as file:
        beginning = file.read(4096)
    utf16 = beginning.count(b"\0") > 0.3 * len(beginning) or beginning[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not utf16 and re.search(rb"[\0-\x08\x0e-\x1f]", beginning):
        return DataError(
            f"{path}: no text; got control characters and {got}; expected a table in UTF-8; see what it is with: file "
            f"'{path}'"
        )
    return DataError(
        f"{path}: not UTF-8 text; got {got}, as {'UTF-16' if utf16 else 'Latin-1'} has; expected UTF-8; save it as "
        f"'CSV UTF-8', or convert it: iconv -f {'utf-16' if utf16 else 'latin1'} -t utf-8"
    )


def _refuse_half_numbers(table: pd.DataFrame, decimal: str, *, lines_before: int) -> None:
    """A column that begins with a number and goes on with text is damaged; one that begins with text is left out."""
    import pandas as pd

    for name in table.columns[[not _numeric(kind) for kind in table.dtypes]]:
        values = table[name]
        if not len(values) or not _is_number(str(values.iloc[0]), decimal):
            continue
        # pandas has the last word: for Python 1_000 is a number, and one of more than 64 bits
        numbers = pd.to_numeric(values.astype(str).str.replace(decimal, "."), errors="coerce")
        bad = [row for row in np.flatnonzero(numbers.isna()) if str(values.iloc[row]).strip().lower() != "nan"]
        row = int(bad[0]) if bad else 0
        raise ValueError(f"{values.iloc[row]!r} in column {name}, line {row + lines_before}")


def _numeric(kind: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(kind))


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.strip().replace(decimal, "."))
    except ValueError:
        return False
    return True
