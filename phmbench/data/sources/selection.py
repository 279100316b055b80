"""Queries over a table of recordings that can select rows and do nothing else."""

from __future__ import annotations

import ast
import re

import pandas as pd

from phmbench.errors import DataError

METHODS = frozenset({"str", "isin", "isna", "notna", "contains", "startswith", "endswith", "lower", "upper", "between"})
_BACKTICKS = re.compile(r"`([^`]*)`")
_NODES = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Invert, ast.USub, ast.UAdd, ast.BinOp,
    ast.BitAnd, ast.BitOr, ast.BitXor, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Compare,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant,
    ast.List, ast.Tuple, ast.Call, ast.keyword, ast.Attribute,
)  # fmt: skip


def select(table: pd.DataFrame, *, where: str | None, name: str) -> pd.DataFrame:
    """Rows of `table` for which the pandas query `where` is true, in their order; all rows where it is None.

    A query reaches the methods of a column (`fault_type.to_pickle("…")`) and, with `@`, the variables of the program. A
    configuration that somebody else wrote must not, so that only comparisons, arithmetic and METHODS are let through.

    Args:
        table: any table.
        where: a query as pandas.DataFrame.query takes it, e.g. "fs == 12000 and load in [0, 3]".
        name: what the table is called in messages, e.g. "cwru".

    Raises:
        DataError: the query is no such expression, names a column that is not there, or selects nothing.
    """
    if where is None:
        return table
    _refuse_all_but_comparisons(where, name)
    try:
        chosen = table.query(where, engine="python")
    except Exception as error:  # pandas raises whatever the expression raises
        columns = ", ".join(map(str, table.columns))
        raise DataError(
            f"{name}.where: the query fails; got {where!r} ({error}); expected a comparison of the columns {columns}; "
            "correct the column or the value"
        ) from error
    if not isinstance(chosen, pd.DataFrame) or chosen.empty:
        raise DataError(
            f"{name}.where: no recording is left; got {where!r}; expected at least one of {len(table)} rows; "
            "widen the query"
        )
    return chosen


def _refuse_all_but_comparisons(where: str, name: str) -> None:
    try:
        tree = ast.parse(_BACKTICKS.sub("column", where).strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise DataError(
            f"{name}.where: not an expression; got {where!r} ({error}); expected for example 'load == 0 and fs > "
            "20000'; correct it"
        ) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node, ast.Attribute | ast.Call) or not isinstance(node, _NODES):
            part = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise DataError(
                f"{name}.where: {part!r} is not allowed in a query; got {where!r}; expected comparisons, arithmetic "
                f"and the methods {', '.join(sorted(METHODS))}; write it with these"
            )
