"""At which level two sides of a split are separate: measured on the recordings, not taken from the split's name."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phmbench.data.splits.columns import Mask, Texts, known, texts
from phmbench.types import LEVELS

CONDITION_OF = "\x1f"  # joins rig and condition: 900 rpm on one rig is not 900 rpm on another


def conditions(table: pd.DataFrame) -> Texts:
    """Nominal operating condition together with its rig, (R,); None where it is not known."""
    rig, condition = texts(table, "rig"), texts(table, "condition")
    joined = [None if c is None else f"{r}{CONDITION_OF}{c}" for r, c in zip(rig, condition, strict=True)]
    found = np.full(len(table), None, dtype=object)
    found[:] = joined
    return found


def shared_values(values: Texts, rig: Texts, one: Mask, other: Mask) -> int | None:
    """How many values occur on both sides; None where a missing value could be one of the other side.

    A missing value can only be one of the same rig: units and conditions belong to a rig.
    """
    missing = np.array([value is None for value in values], dtype=bool)
    for side, opposite in ((one, other), (other, one)):
        rigs = set(rig[side & missing])
        if rigs & set(rig[opposite]):
            return None
    return len(known(values[one]) & known(values[other]))


def shared(table: pd.DataFrame, one: Mask, other: Mask) -> dict[str, int | None]:
    """Recordings, units, conditions and rigs that both sides have, as counts; None where it cannot be known.

    Args:
        table: the recording table, R rows.
        one: recordings with a window on the one side, (R,).
        other: recordings with a window on the other side, (R,).
    """
    rig = texts(table, "rig")
    return {
        "recordings": int(np.count_nonzero(one & other)),
        "units": shared_values(texts(table, "unit"), rig, one, other),
        "conditions": shared_values(conditions(table), rig, one, other),
        "rigs": shared_values(rig, rig, one, other),
    }


def separated(table: pd.DataFrame, one: Mask, other: Mask) -> str:
    """Highest level at which, and below which, the two sides share nothing; what is not known counts as shared."""
    level = "sample"
    for name, count in zip(LEVELS[1:], shared(table, one, other).values(), strict=True):
        if count != 0:
            break
        level = name
    return level
