"""What splits a set of recordings allows: found out by trying them, for messages that say what to do instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import pandas as pd

from phmbench.data.splits.draw import SplitError
from phmbench.errors import DataError
from phmbench.types import Assignment, Windows

Decide = Callable[[Any, pd.DataFrame, Windows, int], Assignment]


def options() -> dict[str, Any]:
    """Option of task/split → a split of that kind, from the strongest to the weakest."""
    from phmbench.data.splits.hold_out import HoldOut  # these modules use `explained`, so they come later
    from phmbench.data.splits.hold_out_rigs import HoldOutRigs
    from phmbench.data.splits.recordings import Recordings
    from phmbench.data.splits.time_blocks import TimeBlocks
    from phmbench.data.splits.units import Units
    from phmbench.data.splits.window_random import WindowRandom

    columns = {"bearing": "bearing", "severity": "severity", "hold_out": "condition", "load": "load", "speed": "speed"}
    return {
        "hold_out_rigs": HoldOutRigs(val=0.2, seed=0, target=None, classes="shared"),
        "units": Units(val=0.2, test=0.2, seed=0, target=None),
        **{option: HoldOut(column=column, val=0.2, seed=0, target=None) for option, column in columns.items()},
        "recordings": Recordings(val=0.2, test=0.2, seed=0),
        "time_blocks": TimeBlocks(val=0.2, test=0.2),
        "window_random": WindowRandom(val=0.2, test=0.2, seed=0),
    }


def possible(table: pd.DataFrame, windows: Windows, window: int) -> list[str]:
    """Options of task/split that these recordings allow as they stand, from the strongest to the weakest."""
    found = []
    for option, split in options().items():
        try:
            inspect.unwrap(type(split).__call__)(split, table, windows, window)
        except DataError:
            continue  # the answer "no" is what was asked for
        found.append(option)
    return found


def explained(decide: Decide) -> Decide:
    """Add to the error of a split that is impossible what is possible."""

    @wraps(decide)
    def call(split: Any, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        try:
            return decide(split, table, windows, window)
        except SplitError as error:
            names = possible(table, windows, window)
            leaky = [f"task/split={name}" + " (leaky)" * (name == "window_random") for name in names]
            advice = "possible: " + ", ".join(leaky) if leaky else "no split is possible with these recordings"
            raise DataError(f"{error}; {advice}") from None

    return call
