"""The rows of docs/protocols.yaml: which commands they are, and what is kept of their results.

A table with `grid` has a row for each value of what is searched of each algorithm; a table with `best` has one row for
each, with the value that was best on the machines of the search, which are others, and the words of `small`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
KEPT = HERE / "protocols"
ABSENT: dict[str, Any] = {"not run": ""}


class Row(NamedTuple):
    """A method of a table."""

    table: str
    name: str
    words: str | None  # None: which value it takes is not known before the search
    experiment: str

    @property
    def file(self) -> Path:
        return KEPT / f"{self.table}-{self.name}.json"

    @property
    def command(self) -> str:
        return f"python train.py experiment={self.experiment} {self.words}"


def plan() -> dict[str, Any]:
    tables: dict[str, Any] = yaml.safe_load((HERE / "protocols.yaml").read_text(encoding="utf-8"))["tables"]
    return tables


def rows() -> Iterator[Row]:
    """All rows, in the order in which they are to be run: what chooses comes before what tests."""
    for table, of in plan().items():
        for name, words in _rows(of):
            every = words if isinstance(words, list | None) else [words]
            joined = None if every is None else " ".join(part for part in [*every, of["words"]] if part)
            yield Row(table, name, joined, of.get("experiment", table))


def _rows(of: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from of.get("rows", {}).items()
    for name, searched in of.get("grid", {}).items():
        for value in searched["values"]:
            yield f"{name}-{value}", f"{searched['words']} {searched['key']}={value}"
    for name, searched in plan()[of["best"]]["grid"].items() if "best" in of else ():
        value = best(of["best"], name, searched["values"])
        yield name, None if value is None else f"{of['small']} {searched['words']} {searched['key']}={value}"


def best(table: str, name: str, values: list[float]) -> float | None:
    """The value with the highest mean macro F1 over the targets of a search, the first of equals; None: it is not
    done."""
    found = [_kept(KEPT / f"{table}-{name}-{value}.json") for value in values]
    if any(one is ABSENT for one in found):
        return None
    scores = [one["metrics"]["test/macro_f1"] if "metrics" in one else 0.0 for one in found]
    return values[scores.index(max(scores))]


def done(table: str) -> dict[str, dict[str, Any]]:
    """Results of a table by row, the rows that it takes from another one first."""
    also = {name: _kept(KEPT / f"{other}-{name}.json") for other, names in plan()[table].get("also", {}).items()
            for name in names}  # fmt: skip
    return also | {row.name: _kept(row.file) for row in rows() if row.table == table}


def keep(row: Row, result: dict[str, Any]) -> None:
    KEPT.mkdir(exist_ok=True)
    row.file.write_text(json.dumps({"command": row.command, **result}, indent=1) + "\n", encoding="utf-8")


def _kept(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else ABSENT
