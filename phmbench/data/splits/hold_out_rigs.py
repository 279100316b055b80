"""Hold out whole rigs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import pandas as pd
from annotated_types import Ge, Gt, Lt

from phmbench.data.splits.assign import divide, present, rows_of
from phmbench.data.splits.columns import among, in_order, known, labels, texts
from phmbench.data.splits.draw import SplitError
from phmbench.data.splits.held import as_texts, complete, hold, table_by_value
from phmbench.data.splits.possible import explained
from phmbench.types import Assignment, Windows


class HoldOutRigs:
    """All recordings of the target rigs are the test set; each other rig is a source domain.

    Args:
        target: names of rigs, or the part before the stroke: hit_sm is hit_sm/self_built and hit_sm/spectraquest;
            null: the last rig by name.
        val: share of the training side for validation, 0 to 1. By unit where every class has two: a validation set
            by rig would cost a whole one.
        classes: "shared": those that the target and a source have; "sources": all of the sources, as of a machine that
            nobody has seen, where a fault of any kind may be called; what the target alone has is called, not scored.
        seed: of the choice of validation.
    """

    level = "rig"

    def __init__(
        self,
        *,
        target: Sequence[str] | None,
        val: Annotated[float, Gt(0), Lt(1)],
        classes: Literal["shared", "sources"],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.target, self.val, self.seed = as_texts(target, "a split by rig"), val, seed
        self.classes: Literal["shared", "sources"] = classes

    @explained
    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        """Assign the windows.

        Raises:
            DataError: no such rig, one rig only, or fewer than two classes on both sides; says what is
                possible instead.
        """
        label, rig = labels(table, windows), texts(table, "rig")
        complete(rig, label, table, "rig")
        names = in_order(known(rig[[value is not None for value in label]]))
        if len(names) < 2:
            raise SplitError(
                f"hold_out_rigs: nothing is left to train on; got one rig, {names[0]}; expected two or more; "
                "combine several with data=bearings data.rigs=[…]"
            )
        target = tuple(names[-1:]) if self.target is None else _spelt_out(self.target, names)
        sides = hold(
            rig, target, name="hold_out_rigs", column="rig", domain=rig, label=label, table=table, classes=self.classes
        )
        found = divide(sides, table=table, label=label, windows=windows, window=window, val=self.val, seed=self.seed)
        if self.classes == "shared":
            return found
        other = present(label) & among(rig, target) & ~among(label, found.classes)
        return found._replace(foreign=rows_of(windows, other))

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        """Each rig the target once, if the others have at least two of its classes."""
        by_rig = table_by_value(texts(table, "rig"), texts(table, "label"))
        found = {}
        for rig, classes in by_rig.items():
            others = [there for other, there in by_rig.items() if other != rig]
            if len(classes & set().union(*others)) >= 2:
                found[rig] = [rig]
        return found


def _spelt_out(target: tuple[str, ...], rigs: list[str]) -> tuple[str, ...]:
    """Rigs that the names mean; a name that means none stays, for the error to list."""
    found: list[str] = []
    for name in target:
        meant = [rig for rig in rigs if rig == name or rig.startswith(f"{name}/")]
        found += meant or [name]
    return tuple(dict.fromkeys(found))
