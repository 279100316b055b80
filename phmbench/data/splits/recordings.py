"""Split by recording."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import TEST, Sides, divide, generator, label_space, present, rigs, without_windows
from phmbench.data.splits.columns import labels, texts
from phmbench.data.splits.draw import SplitError, draw
from phmbench.data.splits.possible import explained
from phmbench.types import Assignment, Windows


class Recordings:
    """Whole recordings go into one set each, a share of those of every class into the test set.

    Weak where a physical unit has several recordings: the same bearing is then on both sides.

    Args:
        val: share of the training side's recordings for validation, 0 to 1, at least one of each class.
        test: share of all recordings for the test set, 0 to 1, at least one of each class.
        seed: of the choice.
    """

    level = "recording"

    def __init__(
        self, *, val: Annotated[float, Gt(0), Lt(1)], test: Annotated[float, Gt(0), Lt(1)], seed: Annotated[int, Ge(0)]
    ) -> None:
        self.val, self.test, self.seed = val, test, seed

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: one class only, or a class with one recording; says what is possible instead.
        """
        label = labels(table, windows)
        classes = label_space(label, "recordings")
        used, rig = present(label), rigs(table)
        at = np.flatnonzero(used)
        try:
            drawn = draw(
                texts(table, "recording")[at],
                label[at],
                rig[at],
                share=self.test,
                rng=generator(self.seed, TEST),
                noun="recording",
            )
        except SplitError as error:
            raise SplitError(
                f"recordings: {error}; a split by recordings needs three (training, validation, test), "
                "or two with validation cut in time"
            ) from None
        held = np.zeros(len(table), dtype=bool)
        held[at[drawn]] = True
        sides = Sides(
            "recordings", classes, used & ~held, held, rig, highest="unit", notes=without_windows(table, label)
        )
        return divide(sides, table=table, label=label, windows=windows, window=window, val=self.val, seed=self.seed)

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """No folds: nothing is held out by value."""
        return {}
