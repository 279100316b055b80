"""Split by random window: leaks, and is here to show how much."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import (
    TEST,
    Cut,
    finish,
    generator,
    label_space,
    present,
    rigs,
    rows_of,
    without_windows,
)
from phmbench.data.splits.columns import Rows, Texts, in_order, labels, texts
from phmbench.data.splits.draw import SplitError, codes
from phmbench.data.splits.possible import explained
from phmbench.types import Assignment, Windows


class WindowRandom:
    """Windows of each class are dealt out at random: neighbours of each test window are in the training set.

    For reproducing the literature only (Vieira et al. 2026: macro AUROC 100 on CWRU that falls to 63 by bearing). The
    audit stops it where windows overlap.

    Args:
        val: share of what is not test for validation, 0 to 1, at least one window of each class.
        test: share of the windows of each class for the test set, 0 to 1, at least one.
        seed: of the choice.
    """

    level = "sample"

    def __init__(
        self, *, val: Annotated[float, Gt(0), Lt(1)], test: Annotated[float, Gt(0), Lt(1)], seed: Annotated[int, Ge(0)]
    ) -> None:
        self.val, self.test, self.seed = val, test, seed

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: one class only, or a class with fewer than three windows.
        """
        label = labels(table, windows)
        classes = label_space(label, "window_random")
        parts = zip(*self._deal(label, table, windows), strict=True)
        train, val, test = (np.sort(np.concatenate(part)) for part in parts)
        return finish(
            Cut(train, val, test, "sample"),
            table=table,
            label=label,
            windows=windows,
            name="window_random",
            classes=classes,
            domain=rigs(table),
            level="sample",
            notes=("leaky: windows of the same recording are dealt out at random", *without_windows(table, label)),
            leaky=True,
        )

    def _deal(self, label: Texts, table: pd.DataFrame, windows: Windows) -> list[tuple[Rows, Rows, Rows]]:
        """Training, validation and test rows of each class."""
        rows = rows_of(windows, present(label))
        name, _ = codes(texts(table, "recording"))
        rows = rows[np.lexsort((windows.start[rows], name[windows.recording[rows]]))]  # whatever the table's order
        rng = generator(self.seed, TEST)
        parts = []
        of_class = label[windows.recording[rows]]
        for class_name in in_order(set(of_class)):
            dealt = rng.permutation(rows[of_class == class_name])
            if len(dealt) < 3:
                raise SplitError(
                    f"window_random: class {class_name!r} has too few windows; got {len(dealt)}; expected three or "
                    "more (training, validation, test); choose a shorter data.window"
                )
            test = min(max(1, round(self.test * len(dealt))), len(dealt) - 2)
            val = min(max(1, round(self.val * (len(dealt) - test))), len(dealt) - test - 1)
            parts.append((dealt[test + val :], dealt[test : test + val], dealt[:test]))
        return parts

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """No folds: nothing is held out by value."""
        return {}
