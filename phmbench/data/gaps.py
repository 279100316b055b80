"""Samples that are NaN or infinite: where they are, and what becomes of them. Pure NumPy.

A sensor that fell out, an empty cell of a table, a value that overflowed. By default they stop the run. Where the user
has chosen otherwise, no window holds such a sample, or a long stretch that was made up: the store keeps, beside each
recording, the runs of samples that no window may touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.errors import DataError
from phmbench.types import Windows

How = Literal["refuse", "drop", "interpolate"]
Runs = Sequence[Sequence[int]]
"""Runs of samples [first, last], ascending."""

BRIDGED = 64
"""Samples of the longest gap that is interpolated. A straight line says nothing of vibration: over more it is silence,
by which a model could learn to know the recording."""
APART = 8
"""Samples of the shortest window that there is: between gaps closer than that fits none."""
TAPS = 10  # of resample_poly's filter on either side, for each unit of the larger number of the ratio


class Mended(NamedTuple):
    """A recording without holes."""

    signal: NDArray[Any]  # (C, n), finite
    gaps: list[list[int]]  # runs that no window may touch
    filled: int  # samples that were interpolated


def mend(signal: NDArray[Any], name: str, how: How) -> Mended:
    """Refuse samples that are no numbers, or put a straight line in their place and say where no window may be.

    A recording has a gap where any of its channels has. What stands in a gap is for the audit, which then still knows a
    copy of the recording; nothing is trained on it. A channel without any number is all zeros, and all gap.

    Shapes: (C, n) to (C, n).

    Args:
        signal: as read.
        name: of the recording, for the message.
        how: "refuse"; "drop": every gap is kept out of windows; "interpolate": those of more than BRIDGED samples are.

    Raises:
        DataError: samples are NaN or infinite, and are refused.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = ~np.isfinite(signal.astype(np.float32, copy=False))
    if not wrong.any():
        return Mended(signal, [], 0)
    if how == "refuse":
        row, at = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"recording {name}: {int(wrong.sum())} samples are NaN or infinite; got {signal[row, at]} first, at "
            f"sample {at} of channel {row}; expected finite numbers within ±3.4e38; mend the file, leave out "
            f"the windows that hold them (data.nan=drop), bridge up to {BRIDGED} in a row (data.nan=interpolate), "
            "or leave it out with data.where"
        )
    whole = np.where(wrong, 0, signal)
    shut = np.zeros(signal.shape[1], bool)
    filled = 0
    for channel in np.flatnonzero(wrong.any(axis=1)).tolist():
        known = np.flatnonzero(~wrong[channel])
        if not known.size:
            return Mended(whole, [[0, signal.shape[1] - 1]], 0)
        lost = np.flatnonzero(wrong[channel])
        whole[channel, lost] = np.interp(lost, known, signal[channel, known])
        for first, last in _runs(wrong[channel]):
            if how == "drop" or last - first >= BRIDGED:
                shut[first : last + 1] = True
            else:
                filled += last - first + 1
    return Mended(whole, _joined(_runs(shut)), filled)


def resampled(gaps: Runs, ratio: Fraction, length: int, *, before: int = 0) -> list[list[int]]:
    """Where gaps lie after resampling: as far as filters have carried what stood in them.

    Args:
        gaps: runs of samples as recorded.
        ratio: output samples per input sample.
        length: samples after resampling.
        before: samples as recorded, on either side, that a filter before it has reached.
    """
    if ratio == 1 and not before:
        return [list(run) for run in gaps]
    reach = before * ratio
    if ratio != 1:
        reach += Fraction(TAPS * max(ratio.numerator, ratio.denominator), ratio.denominator) + 1
    widened = [(int(first * ratio - reach), int(last * ratio + reach) + 1) for first, last in gaps]
    return _joined([(max(0, first), min(length - 1, last)) for first, last in widened])


def outside(windows: Windows, gaps: Sequence[Runs], window: int) -> Windows:
    """The windows that touch no gap, in their order.

    Args:
        windows: the index.
        gaps: of each recording, R sequences.
        window: samples of a window.
    """
    keep = np.ones(len(windows.start), bool)
    for recording in (row for row, runs in enumerate(gaps) if len(runs)):
        rows = slice(*np.searchsorted(windows.recording, [recording, recording + 1]))
        first, last = np.array(gaps[recording], np.int64).T
        start = windows.start[rows]
        following = np.searchsorted(last, start)  # the first gap that does not end before the window begins
        reached = np.append(first, np.iinfo(np.int64).max)[following]
        keep[rows] = reached >= start + window
    return windows if keep.all() else Windows(windows.recording[keep], windows.start[keep])


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _joined(runs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Runs with fewer than APART samples between them, as one."""
    found: list[list[int]] = []
    for first, last in runs:
        if found and first - found[-1][1] <= APART:
            found[-1][1] = max(last, found[-1][1])
        else:
            found.append([first, last])
    return found
