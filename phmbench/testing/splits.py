"""The contract of a split: recordings and windows to training, validation and test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from phmbench.types import LEVELS, Assignment, Windows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def example_table() -> pd.DataFrame:
    """Give a table on which every split is possible, as a store has it: two rigs, three classes, four units of each on
    each rig, three conditions; 72 recordings of 8192 samples."""
    import pandas as pd

    grid = itertools.product(("alpha", "beta"), ("inner", "normal", "outer"), range(4), (600.0, 900.0, 1200.0))
    rows = [
        {
            "dataset": rig,
            "rig": rig,
            "recording": f"{rig}/{fault}-{unit}-{speed:.0f}",
            "unit": f"{rig}/{fault}-{unit}",
            "condition": f"{speed:.0f} rpm",
            "fault_type": fault,
            "fault_severity_level": float(unit),
            "label": fault,
            "speed_rpm": speed,
            "load": speed / 600,
            "rate_hz": 12_000.0,
            "length": 8192,
            "content": f"{rig}{fault}{unit}{speed}",
        }
        for rig, fault, unit, speed in grid
    ]
    return pd.DataFrame(rows).assign(offset=np.arange(len(rows)) * 8192)


def check_split(split: Any, *, table: pd.DataFrame | None = None, window: int = 1024) -> None:
    """Check a split against the contract.

    Checked: fields and their types; sets are sorted, disjoint, not empty, and hold only windows of `classes`; training
    has every class; test shares no samples with training and validation (unless the split says that it leaks), and no
    group at its level or below; domains; the same call gives the same split; and each of its folds names a target.

    Args:
        split: an object with `level`, `__call__(table, windows, window)` and `targets(table)`.
        table: recordings as a store has them, with `label`; None: `example_table()`.
        window: samples of a window; one begins every half window.

    Raises:
        AssertionError: says which part of the contract does not hold, and what is expected.
    """
    name = type(split).__name__
    table = example_table() if table is None else table
    windows = _windows(table["length"].to_numpy(), window)
    assert split.level in LEVELS, f"{name}: level is {split.level!r}; expected one of {', '.join(LEVELS)}"
    given = split(table, windows, window)
    assert isinstance(given, Assignment), f"{name}: gave {type(given).__name__}; expected phmbench.types.Assignment"
    _check_sets(split, name, given, table, windows)
    if not given.leaky:
        _check_separation(name, given, table, windows, window)
    again = split(table, windows, window)
    for field in ("train", "val", "test", "domain"):
        same = np.array_equal(getattr(given, field), getattr(again, field))
        assert same, f"{name}: {field} differs from call to call; expected the same; draw from a generator with a seed"
    targets = split.targets(table)
    assert isinstance(targets, dict), f"{name}: targets gave {type(targets).__name__}; expected fold name → target"
    for fold, target in targets.items():
        assert isinstance(fold, str), f"{name}: fold {fold!r} is no text; expected a name"
        assert isinstance(target, list), f"{name}: the target of fold {fold} is {target!r}; expected a list of values"


def _windows(lengths: NDArray[np.int64], window: int) -> Windows:
    """Windows that overlap by half, so that a split which cuts recordings has to leave a gap."""
    hop = max(1, window // 2)
    counts = np.maximum(0, (lengths - window) // hop + 1)
    recording = np.repeat(np.arange(len(lengths)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return Windows(recording, (np.arange(counts.sum()) - first) * hop)


def _check_sets(split: Any, name: str, given: Assignment, table: pd.DataFrame, windows: Windows) -> None:
    label = table["label"].to_numpy(dtype=object)[windows.recording]  # (N,)
    assert list(given.classes) == sorted(given.classes), f"{name}: classes {given.classes}; expected them sorted"
    seen = np.zeros(len(label), dtype=int)
    for field in ("train", "val", "test"):
        rows = getattr(given, field)
        assert rows.dtype.kind == "i", f"{name}: {field} is {rows.dtype}; expected rows of the window index"
        assert len(rows), f"{name}: {field} is empty; expected windows; raise DataError where that is impossible"
        assert (np.diff(rows) > 0).all(), f"{name}: {field} is not sorted or holds a window twice"
        assert rows[0] >= 0, f"{name}: {field} holds row {rows[0]}; expected rows of the window index"
        assert rows[-1] < len(label), f"{name}: {field} holds row {rows[-1]}; expected rows below {len(label)}"
        seen[rows] += 1
        other = set(label[rows]) - set(given.classes)
        assert not other, f"{name}: {field} holds windows of {sorted(map(str, other))}; expected {given.classes} alone"
    assert (seen <= 1).all(), f"{name}: {int((seen > 1).sum())} windows are in two sets; expected each in one at most"
    novel = set(given.target) if getattr(split, "novel", False) else set()
    absent = set(given.classes) - set(label[given.train]) - novel
    assert not absent, f"{name}: training has no window of {sorted(absent)}; expected all classes; raise DataError"
    assert given.level in LEVELS, f"{name}: level is {given.level!r}; expected one of {', '.join(LEVELS)}"
    assert given.validation_level in LEVELS, f"{name}: validation_level is {given.validation_level!r}; expected a level"
    _check_domains(name, given, len(label))


def _check_domains(name: str, given: Assignment, count: int) -> None:
    assert given.domain.shape == (count,), f"{name}: domain has the shape {given.domain.shape}; expected ({count},)"
    used = given.domain[np.concatenate([given.train, given.val])]  # in validation −1 where training lacks the domain
    assert len(given.domains), f"{name}: there is no source domain; expected one name at least"
    lowest = given.domain[given.train].min()
    assert lowest >= 0, f"{name}: a window of training has no domain; got {lowest}; expected an index into domains"
    assert used.max() < len(given.domains), f"{name}: domain {used.max()} has no name; got {given.domains}"
    rest = np.setdiff1d(np.arange(count), np.concatenate([given.train, given.val]))
    assert (given.domain[rest] == -1).all(), (
        f"{name}: windows outside of training and validation have a domain; expected −1"
    )


def _check_separation(name: str, given: Assignment, table: pd.DataFrame, windows: Windows, window: int) -> None:
    training = np.concatenate([given.train, given.val])
    _check_samples(name, "training or validation", training, "test", given.test, windows, window)
    _check_samples(name, "training", given.train, "validation", given.val, windows, window)
    for level in LEVELS[1 : LEVELS.index(given.level) + 1]:
        group = _groups(table, level)[windows.recording]  # (N,)
        shared = sorted(map(str, (set(group[training]) & set(group[given.test])) - {None}))
        assert not shared, (
            f"{name}: says that it separates each {given.level}, but {level} {shared[0]!r} is on both sides; "
            "expected none; separate it, or name the level that holds"
        )


def _groups(table: pd.DataFrame, level: str) -> NDArray[np.object_]:
    """Name of each recording's group, (R,); None where it is not known."""
    named = table[level].astype(object).where(table[level].notna(), None)
    if level == "condition":  # 900 rpm on one rig is not 900 rpm on another
        named = named.where(named.isna(), table["rig"].astype(str) + ", " + named.astype(str))
    groups: NDArray[np.object_] = named.to_numpy(dtype=object)
    return groups


def _check_samples(
    name: str,
    one: str,
    rows: NDArray[np.int64],
    other: str,
    others: NDArray[np.int64],
    windows: Windows,
    window: int,
) -> None:
    """No window of the one set begins less than a window before or after one of the other, in the same recording."""
    stride = int(windows.start.max()) + 2 * window  # puts all recordings on one axis, out of each other's reach
    at = windows.recording * stride + windows.start
    line = np.sort(at[others])
    place = np.searchsorted(line, at[rows])
    before = at[rows] - line[np.maximum(place - 1, 0)]
    after = line[np.minimum(place, len(line) - 1)] - at[rows]
    shared = int(np.count_nonzero(np.minimum(np.abs(before), np.abs(after)) < window))
    assert shared == 0, (
        f"{name}: {shared} windows of {one} overlap windows of {other}; expected none; leave a gap of one window"
    )
