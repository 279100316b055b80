"""Queries over recording tables: what they select, and what they refuse."""

import pandas as pd
import pytest

from phmbench.data.sources.selection import select
from phmbench.errors import DataError

TABLE = pd.DataFrame({"fs": [1.0, 2.0, 3.0], "fault type": ["inner", "outer", None], "load": [0, 1, 2]})


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (None, [0, 1, 2]),
        ("fs >= 2", [1, 2]),
        ("fs > 1 and not load == 2", [1]),
        ("load in [0, 2]", [0, 2]),
        ("`fault type` == 'inner'", [0]),
        ("`fault type`.isna()", [2]),
        ("`fault type`.str.contains('e') == True", [0, 1]),
        ("fs * 2 - load == 4", [2]),
        ("(fs < 2) | (load == 2)", [0, 2]),
    ],
)
def test_rows_of_a_query(where, rows):
    assert list(select(TABLE, where=where, name="x").index) == rows


@pytest.mark.parametrize(
    "where",
    [
        "@pd.io.common.os.system('true')",
        "load.to_pickle('stolen')",
        "load.__class__",
        "load.values.tofile('stolen')",
        "__import__('os').system('true')",
        "load.map(print)",
        "[x for x in load]",
        "(lambda: 1)()",
        "fs.apply('sum')",
        "fs[0] == 1",
        "load = 3",
    ],
)
def test_a_query_can_only_compare(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"x\.where: (.* is not allowed in a query|not an expression)"):
        select(TABLE, where=where, name="x")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_column_lists_those_that_are_there():
    with pytest.raises(
        DataError, match=r"x\.where: the query fails; got 'speed > 1'.*columns fs, fault type, load; correct"
    ):
        select(TABLE, where="speed > 1", name="x")


def test_nothing_left():
    with pytest.raises(
        DataError, match=r"x\.where: no recording is left; got 'fs > 9'; expected at least one of 3 rows"
    ):
        select(TABLE, where="fs > 9", name="x")


def test_no_expression():
    with pytest.raises(DataError, match=r"x\.where: not an expression; got 'fs >'"):
        select(TABLE, where="fs >", name="x")
