"""Split each recording in time."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from annotated_types import Gt, Lt

from phmbench.data.splits.assign import Cut, finish, label_space, present, rigs, rows_of, without_windows
from phmbench.data.splits.blocks import blocks
from phmbench.data.splits.columns import counted, in_order, known, labels
from phmbench.data.splits.draw import SplitError
from phmbench.data.splits.possible import explained
from phmbench.types import Assignment, Windows


class TimeBlocks:
    """The beginning of each recording trains, then comes validation, the end is the test, with a window between.

    Weak: the same recordings, and so the same units, are in all sets. It shows what can be told within a recording.
    Nothing is drawn at random.

    Args:
        val: share of what is not test for validation, 0 to 1, at least one window of each recording.
        test: share of each recording's windows for the test set, 0 to 1, at least one.
    """

    level = "sample"

    def __init__(self, *, val: Annotated[float, Gt(0), Lt(1)], test: Annotated[float, Gt(0), Lt(1)]) -> None:
        self.val, self.test = val, test

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: one class only, or a class without a recording long enough for three blocks and two gaps.
        """
        label = labels(table, windows)
        classes = label_space(label, "time_blocks")
        used = rows_of(windows, present(label))
        (train, val, test), short = blocks(windows, used, window, [self.test, self.val])
        missing = set(classes) - known(label[windows.recording[test]])
        if missing:
            raise SplitError(
                f"time_blocks: class {in_order(missing)[0]!r} has no recording that is long enough; got fewer windows "
                "than three blocks with a gap of one window between need; expected 5 windows that do not overlap; "
                "choose a shorter data.window"
            )
        notes = without_windows(table, label)
        if len(short):
            notes += (f"{counted(len(short), 'recording')} too short for three blocks, used for training alone",)
        return finish(
            Cut(train, val, test, "sample"),
            table=table,
            label=label,
            windows=windows,
            name="time_blocks",
            classes=classes,
            domain=rigs(table),
            level="sample",
            notes=notes,
        )

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """No folds: nothing is held out by value."""
        return {}
