"""Windows of a set by class and by what keeps support and query apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.data.splits.columns import texts
from phmbench.errors import DataError
from phmbench.types import Windows

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.int64]
Apart = Literal["unit", "recording", "time", "window"]
ORDER: tuple[Apart, ...] = ("unit", "recording", "time", "window")


class Part(NamedTuple):
    """What was drawn of a class."""

    support: Rows  # (k,)
    query: Rows  # (q,)
    teaching: tuple[str, ...]  # units or recordings of the support
    asked: tuple[str, ...]  # and of the query


class Pool(NamedTuple):
    """Windows by class, in groups of which one teaches while another is asked."""

    apart: Apart  # what keeps them apart
    groups: Mapping[int, Sequence[tuple[str, Rows]]]  # class → (name, windows); of "time" the first and second halves
    notes: tuple[str, ...]  # why it is no higher level

    @property
    def classes(self) -> list[int]:
        return list(self.groups)

    def windows_of(self, label: int, name: str) -> Rows:
        """All windows of a group."""
        return next(rows for group, rows in self.groups[label] if group == name)

    def draw(self, rng: np.random.Generator, label: int, support: int, query: int) -> Part:
        """Windows of a class that teach, and others that are asked: of one group each."""
        groups = self.groups[label]
        if self.apart == "window":
            rows = rng.choice(groups[0][1], support + query, replace=False)
            return Part(rows[:support], rows[support:], (), ())
        if self.apart == "time":
            (_, first), (_, second) = groups
            return Part(rng.choice(first, support, replace=False), rng.choice(second, query, replace=False), (), ())
        order = rng.permutation(len(groups)).tolist()
        one = next(i for i in order if len(groups[i][1]) >= support and _partner(groups, i, query))
        other = next(i for i in order if i != one and len(groups[i][1]) >= query)
        return Part(
            rng.choice(groups[one][1], support, replace=False),
            rng.choice(groups[other][1], query, replace=False),
            (groups[one][0],),
            (groups[other][0],),
        )

    def ask(self, rng: np.random.Generator, label: int, query: int) -> tuple[Rows, str]:
        """Windows of a base class, of one group; which training has not seen, whichever it is."""
        groups = [one for one in self.groups[label] if len(one[1]) >= query]
        name, rows = groups[int(rng.integers(len(groups)))]
        return rng.choice(rows, query, replace=False), name


def pool(
    rows: Rows,
    *,
    label: Rows,
    classes: Sequence[str],
    table: pd.DataFrame,
    windows: Windows,
    window: int,
    apart: Apart,
    support: int,
    query: int,
    asked: frozenset[int] = frozenset(),
) -> Pool:
    """Group the windows of a set at the highest level, from `apart` downwards, that all classes allow.

    Args:
        rows: of the window index, those of the set.
        label: (N,) class of each window of the index.
        classes: names, K.
        table: the recording table.
        windows: the window index.
        window: samples of a window.
        apart: the highest level.
        support: windows of a class that teach.
        query: windows of a class that are asked.
        asked: classes of which no window teaches.

    Raises:
        DataError: not even two halves of recordings hold enough windows of each class.
    """
    there = sorted(set(label[rows].tolist()))
    notes: list[str] = []
    levels = ORDER[ORDER.index(apart) :] if apart == "window" else ORDER[ORDER.index(apart) : -1]
    for level in levels:
        groups = {c: _groups(level, rows[label[rows] == c], table, windows, window) for c in there}
        short = [classes[c] for c in there if not _enough(level, groups[c], 0 if c in asked else support, query)]
        if not short:
            return Pool(level, groups, tuple(notes))
        notes.append(f"not by {level}: {', '.join(short)} has too few {_noun(level)}")
    fewest = min((int((label[rows] == c).sum()), classes[c]) for c in there) if there else (0, "no class")
    raise DataError(
        f"task.k_shot: too few windows for an episode of {support} support and {query} query windows a class; got "
        f"{fewest[0]} of {fewest[1]} ({'; '.join(notes)}); expected more; lower task.k_shot or task.n_query, or choose "
        "a shorter data.window or another task/split"
    )


def _noun(level: Apart) -> str:
    return {"unit": "units", "recording": "recordings", "time": "windows in time", "window": "windows"}[level]


def _groups(level: Apart, rows: Rows, table: pd.DataFrame, windows: Windows, window: int) -> Sequence[tuple[str, Rows]]:
    recording = windows.recording[rows]
    if level == "window":
        return [("", rows)]
    if level == "time":
        return _halves(rows, recording, windows.start[rows], window)
    names = texts(table, "unit" if level == "unit" else "recording")[recording]
    if any(name is None for name in names):
        return []  # a unit that is not known may be any other
    if level == "unit":  # two machines may call a bearing by the same name
        rig = texts(table, "rig")[recording]
        names = np.array([f"{r} {n}" for r, n in zip(rig, names, strict=True)], dtype=object)
    return [(str(name), rows[names == name]) for name in sorted(set(names.tolist()))]


def _halves(rows: Rows, recording: Rows, start: Rows, window: int) -> Sequence[tuple[str, Rows]]:
    """Windows that end before the middle of what there is of a recording, and those a window's length behind it."""
    first, second = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for r in np.unique(recording):
        at = recording == r
        middle = (int(start[at].min()) + int(start[at].max()) + window) // 2
        first |= at & (start + window <= middle)
        second |= at & (start >= middle + window)
    return [("first", rows[first]), ("second", rows[second])]


def _enough(level: Apart, groups: Sequence[tuple[str, Rows]], support: int, query: int) -> bool:
    sizes = [len(rows) for _, rows in groups]
    if not support:
        return any(size >= query for size in sizes)
    if level == "window":
        return sum(sizes) >= support + query
    if level == "time":
        return sizes[0] >= support and sizes[1] >= query
    return any(size >= support and _partner(groups, i, query) for i, size in enumerate(sizes))


def _partner(groups: Sequence[tuple[str, Rows]], of: int, query: int) -> bool:
    return any(len(rows) >= query for i, (_, rows) in enumerate(groups) if i != of)
