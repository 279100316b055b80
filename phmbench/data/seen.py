"""What a checkpoint has seen of the recordings, and what a test set shares with it: the audit across runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from phmbench.errors import LeakageError
from phmbench.types import Windows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Seen = Sequence[Mapping[str, Any]]
"""A row a recording: recording, rig, unit (or None), content, rate_hz, and `runs` of samples [first, last]."""


def seen(rows: NDArray[np.int64], *, table: pd.DataFrame, windows: Windows, window: int) -> list[dict[str, Any]]:
    """What these windows show of the recordings, in plain values, for a checkpoint.

    Args:
        rows: of the window index.
        table: the recording table.
        windows: the window index.
        window: samples of a window.
    """
    order = np.lexsort((windows.start[rows], windows.recording[rows]))
    recording, start = windows.recording[rows][order], windows.start[rows][order]
    distinct, where = np.unique(recording, return_index=True)
    begins = np.diff(start, prepend=start[:1]) > window
    begins[where] = True
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(rows)) - 1
    spans: dict[int, list[list[int]]] = {r: [] for r in distinct.tolist()}
    for r, a, b in zip(recording[first].tolist(), start[first].tolist(), start[last].tolist(), strict=True):
        spans[r].append([a, b + window - 1])
    columns = [table[name].iloc[distinct] for name in ("recording", "rig", "unit", "content", "rate_hz")]
    return [
        {
            "recording": str(name),
            "rig": str(rig),
            "unit": None if unit is None or unit != unit else str(unit),
            "content": str(content),
            "rate_hz": float(rate),
            "runs": spans[r],
        }
        for r, name, rig, unit, content, rate in zip(spans, *columns, strict=True)
    ]


def overlap(
    rows: NDArray[np.int64],
    known: Seen,
    *,
    table: pd.DataFrame,
    windows: Windows,
    window: int,
    what: str = "init: the checkpoint",
) -> dict[str, int | None]:
    """What the windows of a test set share with what a checkpoint has seen; units are None where they are not known.

    Raises:
        LeakageError: samples are shared.
    """
    by_name, by_content = {one["recording"]: one for one in known}, {one["content"]: one for one in known}
    used = np.unique(windows.recording[rows])
    tested = table.iloc[used]
    samples = shared = 0
    where = []
    for r, name, content, rate in zip(used, tested["recording"], tested["content"], tested["rate_hz"], strict=True):
        one = by_name.get(str(name)) or by_content.get(str(content))
        if one is not None:
            shared += 1
            ratio = float(rate) / one["rate_hz"]
            mine = runs(windows.start[rows[windows.recording[rows] == r]], window)
            both = sum(common(a, b, [x * ratio for x in theirs]) for a, b in mine for theirs in one["runs"])
            samples += both
            where += [str(name)] if both else []
    if samples:
        raise LeakageError(
            f"{what} was trained or selected on {samples} samples of this test set; got {', '.join(where[:3])}"
            f"{', …' if len(where) > 3 else ''}; expected none; choose the split it was trained with, or recordings it "
            "has not seen"
        )
    units = {one["unit"] for one in known}
    unknown = None in units or bool(tested["unit"].isna().any())
    both = len({str(unit) for unit in tested["unit"].dropna()} & units)
    rigs = len({str(rig) for rig in tested["rig"]} & {one["rig"] for one in known})
    return {
        "samples": 0,
        "recordings": shared,
        "units": None if unknown and rigs and not both else both,
        "rigs": rigs,
    }


def separated(shared: Mapping[str, int | None]) -> str:
    """The highest level at which a test set and what a checkpoint has seen have nothing in common."""
    if shared["rigs"] == 0:
        return "rig"
    if shared["units"] == 0:
        return "unit"
    return "recording" if shared["recordings"] == 0 else "sample"


def runs(starts: NDArray[np.int64], window: int) -> list[list[int]]:
    """The samples that windows cover, as runs of [first, last], ascending and apart."""
    starts = np.unique(starts)
    begins = np.flatnonzero(np.diff(starts, prepend=starts[0] - window - 1) > window)
    ends = np.append(begins[1:], len(starts)) - 1
    return [[int(a), int(b) + window - 1] for a, b in zip(starts[begins], starts[ends], strict=True)]


def common(first: float, last: float, other: Sequence[float]) -> int:
    """Samples that two runs [first, last] share."""
    return max(0, int(min(last, other[1]) - max(first, other[0])) + 1)
