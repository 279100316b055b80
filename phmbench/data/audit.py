"""Measure what the sets of a split share, whatever the split says of itself; shared samples stop the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.data.splits.columns import Mask, Rows, counted, in_order, known, texts
from phmbench.data.splits.levels import CONDITION_OF, conditions, shared
from phmbench.errors import LeakageError
from phmbench.types import Assignment, Windows

SETS = ("train", "val", "test")
NAMED, LISTED = 3, 20  # recordings, units and so on that a message names, and the record; the rest is in split.csv


class Audit(NamedTuple):
    """What is in each set, and what train and val together share with test; plain values, ready for JSON."""

    counts: Mapping[
        str, Mapping[str, Any]
    ]  # set → {windows, recordings, units (None: unknown), classes: name → windows}
    shared: Mapping[str, int | None]  # samples, recordings, units, conditions, rigs, copies; None: not known
    findings: tuple[str, ...]  # sentences for the reader
    which: Mapping[str, tuple[str, ...]]  # recordings, units, conditions, rigs → the first of those that are shared


def audit(
    assignment: Assignment,
    *,
    table: pd.DataFrame,
    windows: Windows,
    window: int,
    fingerprints: NDArray[np.float32] | None,
) -> Audit:
    """Measure the split, and stop the run where a sample of the test set is in training or validation.

    Samples are compared by their range within a recording, and recordings by name and by content: a copy under another
    name, also rescaled, resampled, shifted or with noise, is the same recording (`phmbench.data.fingerprint`).
    Recordings, units, conditions and rigs on both sides are counted and named, for record and table; they do not stop
    a run. Windows of the target that are adapted to are on the side of training.

    Args:
        assignment: what the split decided.
        table: the store's recording table, R rows; `content` (hash of the signal) where copies are to be found.
        windows: the window index, N windows.
        window: length of a window in samples.
        fingerprints: the store's profiles, (R, P), or None: then copies are found by equal content alone.

    Raises:
        LeakageError: shared samples between training, validation and test, or copies of test recordings on the other
            side.
    """
    used = {name: recordings(windows, rows, len(table)) for name, rows in zip(SETS, _sets(assignment), strict=True)}
    adapt = adapted(assignment)
    source = used["train"] | used["val"] | recordings(windows, adapt, len(table))
    side = np.concatenate([assignment.train, assignment.val, adapt])
    pairs = copies(table, fingerprints, source, used["test"])
    found: dict[str, int | None] = {
        "samples": overlap(windows, side, assignment.test, window),
        **shared(table, source, used["test"]),
        "copies": None if pairs is None else len(pairs),
    }
    require(assignment, table=table, windows=windows, window=window)
    _require_no_copies(table, pairs)
    counts = {name: _counts(rows, table, windows) for name, rows in zip(SETS, _sets(assignment), strict=True)}
    if len(adapt):
        counts["adapt"] = {k: v for k, v in _counts(adapt, table, windows).items() if k != "classes"}
    within = copies(table, fingerprints, used["train"], used["val"])
    return Audit(counts, found, _findings(found, table, within, assignment), _which(found, table, source, used["test"]))


def require(assignment: Assignment, *, table: pd.DataFrame, windows: Windows, window: int) -> None:
    """Stop where samples are shared: by the test set with training or validation, or by these two.

    Args:
        assignment: what the split decided.
        table: the recording table, R rows.
        windows: the window index, N windows.
        window: length of a window in samples.

    Raises:
        LeakageError: samples are shared, with the recordings they are of.
    """
    advice = (
        f"a split by random window needs windows that do not overlap; set data.hop={window}, as data.window"
        if assignment.leaky
        else f"choose another task.split, or data.hop={window}, as data.window"
    )
    train, val, test = _sets(assignment)
    for one, other, sides in (
        (np.concatenate([train, val]), test, "the test set with training or validation"),
        (adapted(assignment), test, "the test set with the windows that are adapted to"),
        (train, val, "validation with training"),
    ):
        number = overlaps(windows, one, other, window)
        if number.any():
            raise LeakageError(
                f"split {assignment.name}: shares samples of {sides}; got {number.sum()} samples in both, of "
                f"{named(texts(table, 'recording')[np.flatnonzero(number)])}; expected 0; {advice}"
            )


def overlap(windows: Windows, one: Rows, other: Rows, window: int) -> int:
    """Count samples that lie in a window of the one side and in a window of the other, each counted once."""
    return int(overlaps(windows, one, other, window).sum())


def overlaps(windows: Windows, one: Rows, other: Rows, window: int) -> NDArray[np.int64]:
    """Count, of each recording, samples that lie in a window of the one side and in a window of the other.

    |A ∩ B| = |A| + |B| − |A ∪ B|, where the length of a union of windows is read off their sorted starts: linear in the
    number of windows, but for the sort.

    Shapes: (recordings,), up to the last that has a window.
    """
    count = int(windows.recording.max(initial=-1)) + 1
    if not len(one) or not len(other):
        return np.zeros(count, np.int64)
    both = np.concatenate([one, other])
    covered_by = (covered(windows, rows, window, count) for rows in (one, other, both))
    first, second, union = covered_by
    return first + second - union


def covered(windows: Windows, rows: Rows, window: int, count: int) -> NDArray[np.int64]:
    """Count, of each recording, samples that lie in at least one of these windows, (count,)."""
    place = int(windows.start.max()) + window + 1  # recordings one after the other, never touching
    ordered = np.sort(windows.recording[rows] * place + windows.start[rows])
    step = np.minimum(np.diff(ordered, append=ordered[-1:] + window), window)
    return np.bincount(ordered // place, step, count).astype(np.int64)  # float64 counts samples exactly, up to 2^53


def copies(
    table: pd.DataFrame, fingerprints: NDArray[np.float32] | None, one: Mask, other: Mask
) -> NDArray[np.int64] | None:
    """Pairs of recordings, one of each side, that are the same under two names, (M, 2).

    One pair for each found recording of `other`; None where nothing is known of the content.
    """
    if "content" not in table.columns:
        return None
    from phmbench.data.fingerprint import copies as find

    content = texts(table, "content")
    nothing = [value is None or value == "" for value in content]  # no hash: equal to nothing, not to each other
    content[nothing] = [f"row {row}" for row in np.flatnonzero(nothing)]
    if fingerprints is None:
        fingerprints = np.zeros((len(table), 1), np.float32)  # zeros match nothing
    return find(content, fingerprints, np.flatnonzero(one), np.flatnonzero(other))


def recordings(windows: Windows, rows: Rows, count: int) -> Mask:
    """Recordings that some windows lie in, (R,)."""
    used = np.zeros(count, dtype=bool)
    used[windows.recording[rows]] = True
    return used


def split_table(assignment: Assignment, *, table: pd.DataFrame, windows: Windows, window: int) -> pd.DataFrame:
    """Rows of split.csv: one for each recording and set that have windows in common, in the table's order.

    Columns: recording, rig, unit, condition, label, set (train, val, test, adapt), windows (number), first_sample and
    last_sample (positions in the store's recording, both included).
    """
    sets = (*_sets(assignment), *([adapted(assignment)] if len(adapted(assignment)) else []))
    rows = np.concatenate(sets)
    frame = pd.DataFrame(
        {
            "row": windows.recording[rows],
            "part": np.repeat(np.arange(len(sets)), [len(part) for part in sets]),
            "start": windows.start[rows],
        }
    )
    ranges = frame.groupby(["row", "part"])["start"].agg(["size", "min", "max"]).reset_index()
    at = ranges["row"].to_numpy()
    columns = {name: texts(table, name)[at] for name in ("recording", "rig", "unit", "condition", "label")}
    return pd.DataFrame(
        {
            **columns,
            "set": np.array([*SETS, "adapt"], dtype=object)[ranges["part"].to_numpy()],
            "windows": ranges["size"].to_numpy(),
            "first_sample": ranges["min"].to_numpy(),
            "last_sample": ranges["max"].to_numpy() + window - 1,
        }
    )


def adapted(assignment: Assignment) -> Rows:
    """Rows of the target that are adapted to; none in most splits."""
    return np.zeros(0, np.int64) if assignment.adapt is None else assignment.adapt


def _sets(assignment: Assignment) -> tuple[Rows, Rows, Rows]:
    return assignment.train, assignment.val, assignment.test


def _counts(rows: Rows, table: pd.DataFrame, windows: Windows) -> dict[str, Any]:
    per_recording = np.bincount(windows.recording[rows], minlength=len(table))
    used = per_recording > 0
    unit, label = texts(table, "unit"), texts(table, "label")
    return {
        "windows": len(rows),
        "recordings": int(used.sum()),
        "units": None if any(value is None for value in unit[used]) else len(known(unit[used])),
        "classes": {name: int(per_recording[label == name].sum()) for name in in_order(known(label[used]))},
    }


def _require_no_copies(table: pd.DataFrame, pairs: NDArray[np.int64] | None) -> None:
    if pairs is None or not len(pairs):
        return
    raise LeakageError(
        f"split: {counted(len(pairs), 'recording')} of the test set is in training or validation under another name; "
        f"got {_copied(table, pairs)}; expected no copies; leave one of each out with data.where or data.ids"
    )


def _copied(table: pd.DataFrame, pairs: NDArray[np.int64]) -> str:
    name = texts(table, "recording")
    more = ", …" if len(pairs) > NAMED else ""
    return ", ".join(f"{name[b]} is a copy of {name[a]}" for a, b in pairs[:NAMED]) + more


def named(values: Iterable[object]) -> str:
    """The first few, and that there are more."""
    distinct = in_order({str(value) for value in values})
    return ", ".join(distinct[:NAMED]) + (", …" if len(distinct) > NAMED else "")


def _findings(
    found: Mapping[str, int | None], table: pd.DataFrame, within: NDArray[np.int64] | None, assignment: Assignment
) -> tuple[str, ...]:
    findings = []
    for name, count in found.items():
        if count is None:
            what = "copies of the same recording" if name == "copies" else name
            findings.append(f"whether training and test share {what} is not known")
        elif count:
            findings.append(f"training and test share {counted(count, name.removesuffix('s'))}")
    if within is not None and len(within):
        copied = f"{counted(len(within), 'recording')} of validation is a copy of one of training"
        findings.append(f"{copied}: {_copied(table, within)}")
    if assignment.leaky:
        findings.append(f"split {assignment.name} is known to leak: its scores are for comparison with literature only")
    return tuple(findings)


def _which(
    found: Mapping[str, int | None], table: pd.DataFrame, source: Mask, test: Mask
) -> dict[str, tuple[str, ...]]:
    """Names of what both sides have, by kind; neither samples nor copies, which have stopped the run."""
    which = {}
    for name in ("recordings", "units", "conditions", "rigs"):
        if found[name]:
            values = conditions(table) if name == "conditions" else texts(table, name.removesuffix("s"))
            both = {value.replace(CONDITION_OF, " at ") for value in known(values[source]) & known(values[test])}
            which[name] = tuple(in_order(both)[:LISTED])
    return which
