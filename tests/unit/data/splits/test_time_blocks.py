"""Split in time, and the cut itself."""

import numpy as np
import pytest
from small_tables import WINDOW, cwru, table_of, windows_of

from phmbench.data.splits.blocks import blocks
from phmbench.data.splits.time_blocks import TimeBlocks
from phmbench.errors import DataError


def time_blocks(*, val=0.2, test=0.2):
    return TimeBlocks(val=val, test=test)


def two_classes(count):
    return table_of([(f"r{i}", "rig", f"u{i}", "c", "ab"[i % 2]) for i in range(count)])


def test_train_then_validation_then_test_with_a_window_between():
    """12 windows without overlap, 2 lost in gaps: 10, of them 2 test, of the other 8 round(1.6) = 2 validate."""
    split = time_blocks()(two_classes(2), windows_of([12, 12]), WINDOW)
    assert split.train.tolist() == [*range(6), *range(12, 18)]
    assert split.val.tolist() == [7, 8, 19, 20]
    assert split.test.tolist() == [10, 11, 22, 23]
    assert (split.name, split.level, split.validation_level) == ("time_blocks", "sample", "sample")
    assert "weak: the same physical units are on both sides" in split.notes
    assert time_blocks().targets(cwru()) == {}


def test_overlapping_windows_get_the_same_gap():
    """Hop 50, window 100: starts 200 apart leave a gap of 100, which costs 3 windows; 14 − 6 = 8 = 5 + 1 + 2."""
    windows = windows_of([14, 14], hop=50)
    split = time_blocks()(two_classes(2), windows, WINDOW)
    first = [rows[rows < 14].tolist() for rows in (split.train, split.val, split.test)]
    assert first == [[0, 1, 2, 3, 4], [8], [12, 13]]
    assert windows.start[8] - (windows.start[4] + WINDOW) == WINDOW


def test_a_hop_of_two_windows_is_gap_enough():
    (train, val), short = blocks(windows_of([5], hop=200), np.arange(5), WINDOW, [0.2])
    assert (train.tolist(), val.tolist(), len(short)) == ([0, 1, 2, 3], [4], 0)


def test_short_recordings_train_alone():
    """4 windows cannot be cut into three blocks with two gaps: 5 are needed."""
    table, windows = two_classes(3), windows_of([5, 5, 4])
    split = time_blocks()(table, windows, WINDOW)
    assert split.train.tolist() == [0, 5, 10, 11, 12, 13]
    assert split.val.tolist() == [2, 7]
    assert split.test.tolist() == [4, 9]
    assert "one recording too short for three blocks, used for training alone" in split.notes


def test_a_class_of_short_recordings_is_refused():
    with pytest.raises(DataError, match=r"time_blocks: class 'b' has no recording that is long enough; .*data.window"):
        time_blocks()(two_classes(2), windows_of([5, 4]), WINDOW)


def test_large_shares_leave_a_window_for_each_block():
    split = time_blocks(val=0.99, test=0.99)(two_classes(2), windows_of([12, 12]), WINDOW)
    assert [len(rows) for rows in (split.train, split.val, split.test)] == [2, 2, 16]


def test_nothing_to_cut_gives_nothing():
    parts, short = blocks(windows_of([5]), np.arange(0), WINDOW, [0.2, 0.2])
    assert [len(part) for part in parts] == [0, 0, 0]
    assert len(short) == 0
