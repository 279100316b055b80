"""Hold out classes: those of the test that training has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import (
    TEST,
    Cut,
    Sides,
    divide,
    finish,
    generator,
    label_space,
    present,
    rigs,
    rows_of,
    without_windows,
)
from phmbench.data.splits.columns import Mask, Texts, among, in_order, known, labels, listed, texts
from phmbench.data.splits.draw import SplitError, draw
from phmbench.data.splits.held import as_texts
from phmbench.data.splits.levels import separated
from phmbench.data.splits.possible import explained
from phmbench.types import LEVELS, Assignment, Windows


class HoldOutClasses:
    """All recordings of the target classes are tested, and of each other class some units.

    For few-shot tasks, which learn the target classes from a few of their windows.

    Args:
        target: names of the novel classes; null: the last by name.
        test: share of the units of each base class that are tested, 0 to 1, at least one; by recording where a class
            has one unit.
        val: share of the training side, for validation, 0 to 1.
        seed: of both choices.
    """

    level = "unit"
    novel = True
    """Whether the test has classes that training lacks."""

    def __init__(
        self,
        *,
        target: Sequence[str] | None,
        test: Annotated[float, Gt(0), Lt(1)],
        val: Annotated[float, Gt(0), Lt(1)],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.target, self.test, self.val, self.seed = as_texts(target, "a split by class"), test, val, seed

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: no such class, or fewer than two base classes.
        """
        label = labels(table, windows)
        classes = label_space(label, "hold_out_classes")
        novel = tuple(classes[-1:]) if self.target is None else self.target
        if strangers := [name for name in novel if name not in classes]:
            raise SplitError(
                f"target: no such class; got {', '.join(strangers)}; expected one of {listed(set(classes))}; set "
                "task.split.target to it"
            )
        base = tuple(name for name in classes if name not in novel)
        if len(base) < 2:
            raise SplitError(
                f"target: fewer than two classes are left to train on; got {listed(set(base))}; expected two or more; "
                "name fewer in task.split.target, or choose another data.label"
            )
        held, noun = self._held(table, label, base)
        used, of_novel = present(label), among(label, novel)
        train, rig = used & ~of_novel & ~held, rigs(table)
        notes = (
            *without_windows(table, label),
            f"novel classes, which training has none of: {', '.join(novel)}",
            f"of base classes ({', '.join(base)}) some are tested, cut by {noun}",
        )
        test = held | (used & of_novel)
        # training and validation are of base classes alone: what is shared with the test is measured over all
        sides = Sides("hold_out_classes", base, train, held, rig, "unit", novel, notes)
        cut = divide(sides, table=table, label=label, windows=windows, window=window, val=self.val, seed=self.seed)
        level = min(separated(table, train, test), "unit", key=LEVELS.index)
        return finish(
            Cut(cut.train, cut.val, rows_of(windows, test), cut.validation_level),
            table=table, label=label, windows=windows, name="hold_out_classes", classes=classes, domain=rig,
            level=level, target=novel, notes=cut.notes,
        )  # fmt: skip

    def _held(self, table: pd.DataFrame, label: Texts, base: tuple[str, ...]) -> tuple[Mask, str]:
        """Recordings of base classes that are tested, (R,): whole units where each class has three or more."""
        at, last = np.flatnonzero(among(label, base)), SplitError("")
        for noun in ("unit", "recording"):
            group = texts(table, noun)[at]
            if any(value is None for value in group):
                continue
            try:
                anywhere = np.full(len(at), "", dtype=object)
                drawn = draw(group, label[at], anywhere, share=self.test, rng=generator(self.seed, TEST), noun=noun)
            except SplitError as error:
                last = error
                continue
            held = np.zeros(len(table), dtype=bool)
            held[at[drawn]] = True
            return held, noun
        raise SplitError(f"hold_out_classes: {last}; a base class needs recordings for training and for the test")

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """Each class the novel one once, if three or more are there."""
        classes = in_order(known(texts(table, "label")))
        return {name: [name] for name in classes} if len(classes) > 2 else {}
