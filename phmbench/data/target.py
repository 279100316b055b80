"""Which windows of the target are adapted to, and which are left for the test."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import generator
from phmbench.data.splits.blocks import blocks
from phmbench.data.splits.columns import Mask, Rows, texts
from phmbench.data.splits.draw import SplitError, draw
from phmbench.data.splits.levels import separated
from phmbench.errors import DataError
from phmbench.types import LEVELS, Assignment, Windows

ADAPTATION = 2  # stream of randomness, beside those of test and validation


class Target:
    """A part of the test set is adapted to, without labels, and is no longer tested.

    Other units of each class where each has two or more, else other recordings, else another part of each recording's
    time with a gap of a window: marked in the notes, and by the level.

    Args:
        share: of the units, recordings or time of each class that is adapted to, 0 to 1, at least one.
        seed: of the choice.
    """

    def __init__(self, *, share: Annotated[float, Gt(0), Lt(1)], seed: Annotated[int, Ge(0)]) -> None:
        self.share, self.seed = share, seed

    def __call__(self, assignment: Assignment, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """The same with `adapt`, and a smaller test set.

        Raises:
            DataError: target and sources do not have the same classes, or a class is too short to be cut.
        """
        _require_closed(assignment, table, windows)
        adapt, test, noun, notes = self._cut(assignment, table, windows, window)
        seen = np.concatenate([assignment.train, assignment.val, adapt])
        sides = [_recordings(windows, rows, len(table)) for rows in (seen, test)]
        level = min(assignment.level, separated(table, *sides), key=LEVELS.index)
        apart = f"adapted to and tested are other {noun} of the target"
        return assignment._replace(
            adapt=adapt, test=test, level=level, notes=(*assignment.notes, *notes, apart), foreign=None
        )

    def _cut(
        self, assignment: Assignment, table: pd.DataFrame, windows: Windows, window: int
    ) -> tuple[Rows, Rows, str, tuple[str, ...]]:
        """Rows that are adapted to, rows that are tested, what tells them apart, and why it is no more than that."""
        rows = assignment.test
        at = np.unique(windows.recording[rows])
        label, anywhere = texts(table, "label")[at], np.full(len(at), "", dtype=object)
        notes: tuple[str, ...] = ()
        for noun in ("unit", "recording"):
            group = texts(table, noun)[at]
            try:
                if any(value is None for value in group):
                    raise SplitError("of some recordings it is not known")
                rng = generator(self.seed, ADAPTATION)
                drawn = draw(group, label, anywhere, share=self.share, rng=rng, noun=noun)
            except SplitError as error:
                notes = (*notes, f"weak: target windows are not apart by {noun}: {error} in the target")
                continue
            taken = np.isin(windows.recording[rows], at[drawn])
            return rows[taken], rows[~taken], f"{noun}s", notes
        (adapt, test), _ = blocks(windows, rows, window, [1 - self.share])
        missing = {str(name) for name in label} - set(texts(table, "label")[windows.recording[test]])
        if missing:
            raise DataError(
                f"task.target: class {min(missing)!r} of the target is too short to be cut in time; got fewer than "
                "two windows and a gap; expected other recordings, or a longer one; choose a shorter data.window"
            )
        return adapt, test, "parts in time", notes


def _recordings(windows: Windows, rows: Rows, count: int) -> Mask:
    used = np.zeros(count, dtype=bool)
    used[windows.recording[rows]] = True
    return used


def _require_closed(assignment: Assignment, table: pd.DataFrame, windows: Windows) -> None:
    """That sources and target have the same classes, as the methods here expect."""
    foreign = assignment.foreign
    there = set(texts(table, "label")[windows.recording[assignment.test]])
    lacking = [name for name in assignment.classes if name not in there]
    if lacking or (foreign is not None and len(foreign)):
        what = f"lacks {', '.join(lacking)}" if lacking else "has classes of its own"
        raise DataError(
            f"task.target: methods of adaptation are for one label space; got a target that {what}; expected the same "
            "classes in sources and target; choose task.split.classes=shared, or another task/split"
        )
