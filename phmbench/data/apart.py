"""What must not have seen the test set, besides training: statistics, selection, support sets, earlier stages.

Each check is told which windows were read, and names those that should not have been. Where it can be, that is measured
(`VibrationData.reading`), not declared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phmbench.data.audit import copies, named, overlaps, recordings
from phmbench.data.seen import Seen, overlap
from phmbench.data.splits.columns import Rows, counted, text, texts
from phmbench.data.splits.levels import shared
from phmbench.errors import LeakageError
from phmbench.types import LEVELS, Assignment, Windows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def audit_statistics(rows: Rows, assignment: Assignment, *, what: str, table: pd.DataFrame, windows: Windows) -> None:
    """See that what is fitted (a normaliser, a choice of features, a band) has seen training windows only.

    Args:
        rows: of the window index, which it has read.
        assignment: what the split decided.
        what: was fitted, for the message.
        table: the recording table.
        windows: the window index.

    Raises:
        LeakageError: a window that is not of the training set was among them.
    """
    strangers = np.setdiff1d(rows, assignment.train)
    if len(strangers):
        of_test, of_val = (int(np.isin(strangers, part).sum()) for part in (assignment.test, assignment.val))
        raise LeakageError(
            f"{what}: fitted on {counted(len(strangers), 'window')} outside of the training set; got {of_test} of "
            f"the test set, {of_val} of validation, {len(strangers) - of_test - of_val} of no set, of "
            f"{_recordings(table, windows, strangers)}; expected training windows only; fit after the split, on its "
            "training windows"
        )


def audit_selection(rows: Rows, assignment: Assignment, *, what: str, table: pd.DataFrame, windows: Windows) -> None:
    """See that what is chosen (an epoch, a setting, a threshold) was not chosen by windows of the test set.

    Args:
        rows: of the window index, by which it was chosen.
        assignment: what the split decided.
        what: was chosen, for the message.
        table: the recording table.
        windows: the window index.

    Raises:
        LeakageError: a test window was among them.
    """
    tested = np.intersect1d(rows, assignment.test)
    if len(tested):
        raise LeakageError(
            f"{what}: chosen by {counted(len(tested), 'window')} of the test set; got "
            f"{_recordings(table, windows, tested)}; expected none; choose by validation windows"
        )


def audit_episode(
    support: Rows,
    query: Rows,
    *,
    table: pd.DataFrame,
    windows: Windows,
    window: int,
    fingerprints: NDArray[np.float32] | None,
) -> dict[str, int | None]:
    """See that the windows which teach an episode and those it is asked about are of different recordings.

    Args:
        support: rows of the window index, S.
        query: rows of the window index, Q.
        table: the store's recording table.
        windows: the window index.
        window: length of a window in samples.
        fingerprints: the store's profiles, or None.

    Returns:
        What the two share of units, conditions and rigs, as the audit of a split counts it.

    Raises:
        LeakageError: they share a recording, or one of them has a copy of a recording of the other.
    """
    one, other = (recordings(windows, rows, len(table)) for rows in (support, query))
    if (one & other).any():
        number = int(overlaps(windows, support, query, window).sum())
        raise LeakageError(
            f"episode: support and query share {counted(int((one & other).sum()), 'recording')}; got {number} samples "
            f"in both, and {named(texts(table, 'recording')[one & other])}; expected other recordings; draw them by "
            "recording, or by unit"
        )
    pairs = copies(table, fingerprints, one, other)
    if pairs is not None and len(pairs):
        name = texts(table, "recording")
        raise LeakageError(
            f"episode: {counted(len(pairs), 'query recording')} is in the support set under another name; got "
            f"{named(f'{name[b]} is a copy of {name[a]}' for a, b in pairs)}; expected none; leave one of each out "
            "with data.where or data.ids"
        )
    return {name: count for name, count in shared(table, one, other).items() if name != "recordings"}


def audit_stage(
    known: Seen, assignment: Assignment, *, what: str, table: pd.DataFrame, windows: Windows, window: int
) -> dict[str, int | None]:
    """See that an earlier stage (pretraining, a generator of signals) has not seen what the split keeps apart.

    Below its own level a split has training and test share things anyway: what a stage has seen of these is counted.

    Args:
        known: what it has seen, as its checkpoint keeps it (`phmbench.data.seen`).
        assignment: what the split decided.
        what: the stage is, for the message.
        table: the recording table.
        windows: the window index.
        window: length of a window in samples.

    Returns:
        What it shares with the test set: counts, units None where they are not known.

    Raises:
        LeakageError: it has seen samples of the test set, or a recording, unit or rig, where the split separates them.
    """
    found = overlap(assignment.test, known, table=table, windows=windows, window=window, what=what)
    tested = recordings(windows, assignment.test, len(table))
    for name in ("rigs", "units", "recordings"):
        level = name.removesuffix("s")
        if found[name] and LEVELS.index(assignment.level) >= LEVELS.index(level):
            seen = {text(one[level]) for one in known} | {one["content"] for one in known}
            columns = (texts(table, level), texts(table, "content"))
            which = [str(a) for a, b in zip(*(c[tested] for c in columns), strict=True) if {a, b} & seen]
            raise LeakageError(
                f"{what}: has seen {counted(int(found[name] or 0), level)} of the test set, which split "
                f"{assignment.name} keeps apart; got {named(which)}; expected none; make it from the training windows "
                "of this split"
            )
    return found


def _recordings(table: pd.DataFrame, windows: Windows, rows: Rows) -> str:
    return named(texts(table, "recording")[np.unique(windows.recording[rows])])
