"""The window index and the read of a batch, against counting by hand and naive slicing."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phmbench.data.windows import counts, gather, index, too_short
from phmbench.errors import ConfigError
from phmbench.types import Windows

LENGTHS = st.lists(st.integers(0, 60), min_size=0, max_size=12)


def test_windows_of_three_recordings():
    """Window 4, hop 3: 10 samples have windows at 0, 3, 6 (6 + 4 = 10); 3 samples have none; 4 samples have one."""
    windows = index([10, 3, 4], 4, 3)
    assert windows.recording.tolist() == [0, 0, 0, 2]
    assert windows.start.tolist() == [0, 3, 6, 0]
    assert counts([10, 3, 4], 4, 3).tolist() == [3, 0, 1]
    assert too_short([10, 3, 4], 4).tolist() == [1]


def test_no_recordings_have_no_windows():
    windows = index([], 4, 4)
    assert windows.recording.shape == windows.start.shape == (0,)
    assert windows.start.dtype == np.int64


def test_recordings_that_are_all_too_short_have_no_windows():
    assert index([3, 2], 4, 1).start.shape == (0,)


@given(LENGTHS, st.integers(1, 20), st.integers(1, 30))
def test_every_window_lies_in_its_recording_and_none_is_missing(lengths, window, hop):
    expected = [(r, s) for r, n in enumerate(lengths) for s in range(0, n - window + 1, hop)]
    windows = index(lengths, window, hop)
    assert list(zip(windows.recording.tolist(), windows.start.tolist(), strict=True)) == expected
    assert counts(lengths, window, hop).sum() == len(expected)
    assert np.all(windows.start + window <= np.asarray(lengths, np.int64)[windows.recording])


@given(st.lists(st.integers(5, 40), min_size=1, max_size=6), st.integers(1, 3), st.integers(1, 5), st.data())
def test_gather_is_what_slicing_gives(lengths, channels, window, data):
    rng = np.random.default_rng(0)
    recordings = [rng.standard_normal((channels, n)).astype(np.float32) for n in lengths]
    signals = np.concatenate([r.ravel() for r in recordings])
    length = np.array(lengths, np.int64)
    offset = (np.cumsum(length) - length) * channels
    windows = index(lengths, window, 1)
    rows = np.array(data.draw(st.lists(st.integers(0, len(windows.start) - 1), max_size=9)), np.int64)
    batch = gather(signals, offset, length, channels, windows, rows, window)
    assert batch.shape == (len(rows), channels, window)
    assert batch.dtype == np.float32
    for got, row in zip(batch, rows, strict=True):
        start = windows.start[row]
        assert np.array_equal(got, recordings[windows.recording[row]][:, start : start + window])


def test_a_batch_is_a_copy_that_may_be_changed():
    signals = np.arange(8, dtype=np.float32)
    signals.flags.writeable = False
    one, eight = np.zeros(1, np.int64), np.full(1, 8)
    batch = gather(signals, one, eight, 1, Windows(one, one), np.zeros(1, np.int64), 4)
    batch += 1
    assert batch.tolist() == [[[1, 2, 3, 4]]]
    assert signals[0] == 0


def test_a_window_beyond_the_signals_is_an_error_and_not_other_memory():
    signals, one, eight = np.arange(8, dtype=np.float32), np.zeros(1, np.int64), np.full(1, 8)
    with pytest.raises(IndexError, match="out of bounds"):
        gather(signals, one, eight, 1, Windows(one, one + 5), np.zeros(1, np.int64), 4)
    with pytest.raises(IndexError, match=r"window: 9 samples; all signals together have 8; expected at most that"):
        gather(signals, one, eight, 1, Windows(one, one), np.zeros(1, np.int64), 9)


@pytest.mark.parametrize(("name", "window", "hop"), [("window", 0, 1), ("hop", 1, 0), ("hop", 1, -3)])
def test_a_window_or_hop_below_one_says_what_to_do(name, window, hop):
    with pytest.raises(ConfigError, match=rf"data\.{name}: too small; got -?\d; expected at least 1 sample; set data"):
        index([10], window, hop)


def test_a_million_windows_are_listed_in_well_under_a_second():
    """100,000 recordings of 5632 samples, window 2048, hop 384: (5632 − 2048) // 384 + 1 = 10 windows each."""
    begin = time.perf_counter()
    windows = index(np.full(100_000, 5632), 2048, 384)
    assert len(windows.start) == 1_000_000
    assert time.perf_counter() - begin < 1.0  # measured: 0.02 s
