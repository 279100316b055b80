"""Split by recording."""

import pytest
from small_tables import WINDOW, cwru, recordings_in, table_of, windows_of

from phmbench.data.splits.recordings import Recordings
from phmbench.errors import DataError


def recordings(*, val=0.2, test=0.2, seed=0):
    return Recordings(val=val, test=test, seed=seed)


def test_each_class_gives_its_share():
    """16 + 16 + 28 recordings: 3 + 3 + 6 test; 13 + 13 + 22 left, 3 + 3 + 4 validate."""
    table, windows = cwru(), windows_of([5] * 60)
    split = recordings()(table, windows, WINDOW)
    counts = [table["label"].iloc[recordings_in(rows, windows)].value_counts() for rows in (split.test, split.val)]
    assert counts[0].to_dict() == {"inner": 3, "rolling_element": 3, "outer": 6}
    assert counts[1].to_dict() == {"inner": 3, "rolling_element": 3, "outer": 4}
    assert len(split.train) == (60 - 12 - 10) * 5
    assert (split.name, split.level, split.validation_level) == ("recordings", "recording", "recording")
    assert "weak: the same physical units are on both sides" in split.notes
    assert recordings().targets(table) == {}


def test_units_with_one_recording_each_are_separate():
    table = table_of([(f"r{i}", "rig", f"u{i}", "c", "ab"[i % 2]) for i in range(12)])
    split = recordings()(table, windows_of([2] * 12), WINDOW)
    assert (split.level, split.validation_level) == ("unit", "unit")
    assert split.notes == ()


def test_one_recording_of_a_class_says_what_is_possible():
    table = table_of([("n", "rig", "h", "c", "normal"), *((f"r{i}", "rig", "u", "c", "inner") for i in range(5))])
    expected = (
        r"recordings: class 'normal' has one recording; a split by recordings needs three .*; "
        r"possible: task/split=time_blocks, task/split=window_random \(leaky\)$"
    )
    with pytest.raises(DataError, match=expected):
        recordings()(table, windows_of([6] * 6), WINDOW)


def test_where_nothing_is_possible_the_message_says_so():
    table = table_of([("n", "rig", "h", "c", "normal"), ("r", "rig", "u", "c", "inner")])
    with pytest.raises(DataError, match=r"no split is possible with these recordings$"):
        recordings()(table, windows_of([2, 2]), WINDOW)


def test_two_recordings_of_a_class_are_enough_with_validation_in_time():
    table = table_of([(f"r{i}", "rig", "u", "c", "ab"[i % 2]) for i in range(4)])
    split = recordings()(table, windows_of([6] * 4), WINDOW)
    assert (split.level, split.validation_level) == ("recording", "sample")
    assert (len(split.train), len(split.val), len(split.test)) == (8, 2, 12)


def test_one_class_is_refused():
    table = table_of([(f"r{i}", "rig", "u", "c", "normal") for i in range(5)])
    with pytest.raises(DataError, match=r"recordings: nothing to tell apart; got one class, 'normal'; expected two"):
        recordings()(table, windows_of([6] * 5), WINDOW)


def test_no_labels_at_all():
    table, windows = cwru(), windows_of([2] * 60)
    with pytest.raises(DataError, match=r"label: the recording table has no labels; got no column 'label'"):
        recordings()(table.drop(columns="label"), windows, WINDOW)
    with pytest.raises(DataError, match=r"label: no recording has one; got only missing values; choose another"):
        recordings()(table.assign(label=None), windows, WINDOW)


def test_no_window_at_all():
    with pytest.raises(DataError, match=r"window: no recording with a label is as long as one window; got 0 windows"):
        recordings()(cwru(), windows_of([0] * 60), WINDOW)


def test_a_class_without_windows_is_named():
    table = cwru()
    windows = windows_of([0 if label == "outer" else 2 for label in table["label"]])
    split = recordings()(table, windows, WINDOW)
    assert split.classes == ("inner", "rolling_element")
    assert "dropped, because no recording of them is as long as one window: outer" in split.notes
