"""Cut recordings in time: contiguous blocks with a gap of one window between, whatever the hop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phmbench.data.splits.columns import Rows
from phmbench.types import Windows


def blocks(windows: Windows, rows: Rows, window: int, shares: Sequence[float]) -> tuple[list[Rows], Rows]:
    """Cut the windows of each recording into contiguous blocks, in order of time.

    Between the last sample of a block and the first of the next lie at least `window` samples, so that neither overlap
    nor a transient that reaches over the border joins them. A recording too short for all blocks goes into the first.

    Args:
        windows: the window index, N windows.
        rows: rows of the index to cut, distinct.
        window: length of a window in samples.
        shares: part of the last block, then of the one before it of what is left, …: [test, val]; each 0 to 1.

    Returns:
        Rows of each block, first to last and each sorted, and the recordings that were too short to be cut.
    """
    order = rows[np.lexsort((windows.start[rows], windows.recording[rows]))]
    recording, start = windows.recording[order], windows.start[order]
    names, first, count = np.unique(recording, return_index=True, return_counts=True)
    step = np.diff(start, append=start[-1:])
    step[first + count - 1] = np.iinfo(np.int64).max  # the last window of a recording has no next
    hop = np.maximum(np.minimum.reduceat(step, first), 1) if len(first) else np.ones(0, dtype=np.int64)
    lost = np.maximum(-(-2 * window // hop) - 1, 0)  # windows that start within the gap
    left = count - lost * len(shares)
    usable = left >= len(shares) + 1
    sizes: list[Rows] = []
    for place, share in enumerate(shares):
        size = np.clip(np.rint(share * left).astype(np.int64), 1, np.maximum(left - (len(shares) - place), 1))
        sizes.append(size)
        left = left - size
    edges = [left, *reversed(sizes)]  # sizes of the blocks, in order of time
    rank = np.arange(len(order)) - np.repeat(first, count)
    block = np.full(len(order), -1)
    begin = np.zeros(len(names), dtype=np.int64)
    for index, size in enumerate(edges):
        inside = (rank >= np.repeat(begin, count)) & (rank < np.repeat(begin + size, count))
        block[inside] = index
        begin = begin + size + lost
    block[~np.repeat(usable, count)] = 0
    return [np.sort(order[block == index]) for index in range(len(edges))], names[~usable]
