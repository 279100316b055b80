"""Windows over recordings: an index of numbers, and one vectorised read of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phmbench.errors import ConfigError
from phmbench.types import Windows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def counts(lengths: ArrayLike, window: int, hop: int) -> NDArray[np.int64]:
    """Give the windows of each recording, (R,); a recording shorter than a window has none.

    Args:
        lengths: samples of each recording, (R,).
        window: samples of a window, at least 1.
        hop: samples from one window's start to the next, at least 1.

    Raises:
        ConfigError: window or hop is below 1.
    """
    for name, value in (("window", window), ("hop", hop)):
        if value < 1:
            raise ConfigError(f"data.{name}: too small; got {value}; expected at least 1 sample; set data.{name}=2048")
    samples = np.asarray(lengths, dtype=np.int64)
    return np.where(samples >= window, (samples - window) // hop + 1, 0).astype(np.int64, copy=False)


def index(lengths: ArrayLike, window: int, hop: int) -> Windows:
    """List the windows of all recordings: the first starts at sample 0, the next `hop` samples later, none is padded.

    Shapes: lengths (R,) to two arrays (N,), ordered by recording, then by start.

    Args:
        lengths: samples of each recording, (R,).
        window: samples of a window, at least 1.
        hop: samples from one window's start to the next, at least 1.

    Raises:
        ConfigError: window or hop is below 1.
    """
    number = counts(lengths, window, hop)
    total = int(number.sum())
    before = np.cumsum(number) - number  # windows of all earlier recordings
    recording = np.repeat(np.arange(number.size, dtype=np.int64), number)
    start = (np.arange(total, dtype=np.int64) - np.repeat(before, number)) * hop
    return Windows(recording=recording, start=start)


def too_short(lengths: ArrayLike, window: int) -> NDArray[np.int64]:
    """Give the rows of the recordings that are shorter than a window and so have none."""
    return np.flatnonzero(np.asarray(lengths, dtype=np.int64) < window)


def gather(
    signals: NDArray[np.float32],
    offset: NDArray[np.int64],
    length: NDArray[np.int64],
    channels: int,
    windows: Windows,
    rows: NDArray[np.int64],
    window: int,
) -> NDArray[np.float32]:
    """Read a batch of windows, as a new array that the caller may change.

    All windows are rows of one view with overlapping rows, so that a single index copies them: whole windows at a time,
    which is ten times as fast as an index of single samples.

    Shapes: (B, C, L), float32.

    Args:
        signals: samples of all recordings in a row, (total,), C-contiguous float32: `Store.signals`. A plain array: the
            subclass `np.memmap` costs a factor of four here.
        offset: position in `signals` of each recording's first sample, (R,).
        length: samples of each recording, (R,); channel c begins at offset + c · length.
        channels: channels of every recording, C.
        windows: the index, as from `index`.
        rows: rows of the index that make the batch, (B,), in any order.
        window: samples of a window, L, as given to `index`.

    Raises:
        IndexError: a row is not in the index, or a window is not in `signals`.
    """
    recording = windows.recording.take(rows)
    starts = (offset.take(recording) + windows.start.take(rows))[:, None]  # (B, 1)
    if channels > 1:
        starts = starts + length.take(recording)[:, None] * np.arange(channels)  # (B, C)
    # What sliding_window_view gives, without its 20 µs of checks per call; NumPy checks the view against the buffer.
    if window > signals.size:
        raise IndexError(f"window: {window} samples; all signals together have {signals.size}; expected at most that")
    every: NDArray[np.float32] = np.ndarray(
        (signals.size - window + 1, window), signals.dtype, signals, strides=(signals.itemsize,) * 2
    )
    batch: NDArray[np.float32] = every[starts]  # (B, C, L)
    return batch
