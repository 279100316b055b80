"""The audit: what two sides share is measured, and shared samples stop the run."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phmbench.data.apart import audit_statistics
from phmbench.data.audit import audit, overlap, split_table
from phmbench.data.fingerprint import content_hash, profile
from phmbench.data.splits.recordings import Recordings
from phmbench.data.splits.time_blocks import TimeBlocks
from phmbench.data.splits.window_random import WindowRandom
from phmbench.errors import DataError, LeakageError
from phmbench.types import Assignment, Windows


def rows(*values):
    return np.array(values, dtype=np.int64)


def assignment_of(train, val, test, *, count, leaky=False, name="by hand"):
    return Assignment(
        train=rows(*train),
        val=rows(*val),
        test=rows(*test),
        classes=("a", "b"),
        domain=np.zeros(count, dtype=np.int64),
        domains=("rig",),
        name=name,
        level="recording",
        validation_level="recording",
        leaky=leaky,
    )


def small():
    """Six recordings of four units, three windows of 100 samples each."""
    table = pd.DataFrame(
        {
            "recording": [f"r{i}" for i in range(6)],
            "rig": ["x", "x", "x", "x", "y", "y"],
            "unit": ["u0", "u0", "u1", "u1", "u2", "u3"],
            "condition": ["slow", "fast", "slow", "fast", "slow", "slow"],
            "label": ["a", "a", "b", "b", "a", "b"],
        }
    )
    return table, Windows(np.repeat(np.arange(6), 3), np.tile(rows(0, 100, 200), 6))


def test_counts_and_what_is_shared():
    """train r0 r2, val r4, test r1 r3 r5: units u0, u1 and rigs x, y on both sides, and one condition, (y, slow)."""
    table, windows = small()
    assignment = assignment_of([0, 1, 2, 6, 7, 8], [12, 13, 14], [3, 4, 5, 9, 10, 15], count=18)
    found = audit(assignment, table=table, windows=windows, window=100, fingerprints=None)
    assert found.counts["train"] == {"windows": 6, "recordings": 2, "units": 2, "classes": {"a": 3, "b": 3}}
    assert found.counts["val"] == {"windows": 3, "recordings": 1, "units": 1, "classes": {"a": 3}}
    assert found.counts["test"] == {"windows": 6, "recordings": 3, "units": 3, "classes": {"a": 3, "b": 3}}
    assert found.shared == {"samples": 0, "recordings": 0, "units": 2, "conditions": 1, "rigs": 2, "copies": None}
    assert found.findings == (
        "training and test share 2 units",
        "training and test share one condition",
        "training and test share 2 rigs",
        "whether training and test share copies of the same recording is not known",
    )
    assert found.which == {"units": ("u0", "u1"), "conditions": ("y at slow",), "rigs": ("x", "y")}
    assert json.loads(json.dumps([found.counts, found.shared])) == [found.counts, found.shared]


def test_what_is_not_known_is_none():
    """Of r0 (training, rig x) the unit is missing: it may be one of r1, r3 (test, rig x)."""
    table, windows = small()
    table.loc[[0, 1], "unit"] = None
    assignment = assignment_of([0, 1, 2], [], [3, 4, 5], count=18)
    found = audit(assignment, table=table, windows=windows, window=100, fingerprints=None)
    assert found.shared["units"] is None
    assert found.counts["train"]["units"] is None
    assert "whether training and test share units is not known" in found.findings
    other = audit(
        assignment_of([0, 1, 2], [], [12, 15], count=18), table=table, windows=windows, window=100, fingerprints=None
    )
    assert other.shared["units"] == 0  # units belong to a rig, and the rigs differ


def test_overlap_counts_each_sample_once():
    """[0, 100) ∪ [100, 200) against [150, 250) ∪ [160, 260): 150 to 199 is in both, 50 samples."""
    windows = Windows(rows(0, 0, 0, 0, 1), rows(0, 100, 150, 160, 150))
    assert overlap(windows, rows(0, 1), rows(2, 3), 100) == 50
    assert overlap(windows, rows(0, 1), rows(4), 100) == 0  # the same range of another recording
    assert overlap(windows, rows(0, 1), rows(), 100) == 0
    assert overlap(windows, rows(0), rows(1), 100) == 0  # neighbours do not overlap
    assert overlap(windows, rows(0), rows(0), 100) == 100


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.booleans()), min_size=1, max_size=20),
    st.integers(1, 20),
)
def test_overlap_equals_counting_samples_one_by_one(drawn, window):
    windows = Windows(rows(*(d[0] for d in drawn)), rows(*(d[1] for d in drawn)))
    side = np.array([d[2] for d in drawn])
    sets = [{(r, s + i) for r, s, on in drawn if on == chosen for i in range(window)} for chosen in (True, False)]
    assert overlap(windows, np.flatnonzero(side), np.flatnonzero(~side), window) == len(sets[0] & sets[1])


def test_shared_samples_stop_the_run():
    """Window 2 begins at sample 200; a test window at 250 shares 50 samples with it."""
    table, _ = small()
    windows = Windows(rows(0, 0, 0, 1), rows(0, 200, 250, 0))
    expected = (
        r"split by hand: shares samples of the test set with training or validation; "
        r"got 50 samples in both, of r0; expected 0; choose another task.split, or data.hop=100"
    )
    with pytest.raises(LeakageError, match=expected):
        audit(assignment_of([0, 1], [3], [2], count=4), table=table, windows=windows, window=100, fingerprints=None)
    with pytest.raises(LeakageError, match=r"shares samples of validation with training; got 50 samples"):
        audit(assignment_of([0, 1], [2], [3], count=4), table=table, windows=windows, window=100, fingerprints=None)


def test_a_window_in_two_sets_stops_the_run():
    table, windows = small()
    with pytest.raises(LeakageError, match=r"got 100 samples in both"):
        audit(assignment_of([0, 1], [2], [1], count=18), table=table, windows=windows, window=100, fingerprints=None)


def test_random_windows_that_overlap_say_how_to_set_the_hop():
    table, _ = small()
    windows = Windows(np.repeat(np.arange(6), 10), np.tile(np.arange(10) * 50, 6))
    split = WindowRandom(val=0.2, test=0.2, seed=0)
    with pytest.raises(LeakageError, match=r"needs windows that do not overlap; set data.hop=100, as data.window"):
        audit(split(table, windows, 100), table=table, windows=windows, window=100, fingerprints=None)
    apart = Windows(windows.recording, windows.start * 2)
    found = audit(split(table, apart, 100), table=table, windows=apart, window=100, fingerprints=None)
    assert found.shared["samples"] == 0
    assert found.shared["recordings"] == 6
    assert found.findings[-1] == (
        "split window_random is known to leak: its scores are for comparison with literature only"
    )


def test_blocks_of_overlapping_windows_pass():
    table, _ = small()
    windows = Windows(np.repeat(np.arange(6), 30), np.tile(np.arange(30) * 25, 6))
    split = TimeBlocks(val=0.2, test=0.2)(table, windows, 100)
    assert audit(split, table=table, windows=windows, window=100, fingerprints=None).shared["samples"] == 0


def with_signals(signals, rates):
    """Six recordings with these signals."""
    table, windows = small()
    table["content"] = [content_hash(signal[None]) for signal in signals]
    return table, windows, np.stack([profile(signal[None], rate) for signal, rate in zip(signals, rates, strict=True)])


def noise(count, *, seed=0):
    return list(np.random.default_rng(seed).standard_normal((count, 24000)))


def test_different_recordings_are_no_copies():
    table, windows, fingerprints = with_signals(noise(6), [12000.0] * 6)
    assignment = assignment_of([0, 1, 2, 6], [12], [3, 9, 15], count=18)
    assert audit(assignment, table=table, windows=windows, window=100, fingerprints=fingerprints).shared["copies"] == 0


@pytest.mark.parametrize("by_profile", [True, False])
def test_a_rescaled_copy_under_another_name_stops_the_run(by_profile):
    signals = noise(6)
    signals[3] = signals[0] * -2.5 + 7
    table, windows, fingerprints = with_signals(signals, [12000.0] * 6)
    with pytest.raises(LeakageError, match=r"one recording of the test set is in training or validation under another "
                       r"name; got r3 is a copy of r0; expected no copies; .*data.where or data.ids"):  # fmt: skip
        audit(
            assignment_of([0, 1, 2, 6], [12], [9, 15], count=18),
            table=table,
            windows=windows,
            window=100,
            fingerprints=fingerprints if by_profile else None,
        )


def test_a_resampled_copy_stops_the_run():
    from scipy.signal import resample_poly

    signals = noise(6)
    signals[3] = resample_poly(signals[0], 2, 1)
    table, windows, fingerprints = with_signals(signals, [12000.0, 12000.0, 12000.0, 24000.0, 12000.0, 12000.0])
    with pytest.raises(LeakageError, match=r"got r3 is a copy of r0"):
        audit(
            assignment_of([0, 6], [12], [9, 15], count=18),
            table=table,
            windows=windows,
            window=100,
            fingerprints=fingerprints,
        )


def test_a_copy_in_validation_is_reported():
    signals = noise(6)
    signals[4] = signals[0] * 2
    table, windows, fingerprints = with_signals(signals, [12000.0] * 6)
    assignment = assignment_of([0, 6], [12], [9, 15], count=18)
    found = audit(assignment, table=table, windows=windows, window=100, fingerprints=fingerprints)
    assert "one recording of validation is a copy of one of training: r4 is a copy of r0" in found.findings


def test_signals_without_content_are_not_copies_of_each_other():
    """Constant signals have no hash; that two have none does not make them equal."""
    table, windows, fingerprints = with_signals([np.zeros(24000)] * 6, [12000.0] * 6)
    assert list(table["content"]) == [""] * 6
    assignment = assignment_of([0, 6], [12], [9, 15], count=18)
    assert audit(assignment, table=table, windows=windows, window=100, fingerprints=fingerprints).shared["copies"] == 0


def test_statistics_of_training_windows_only():
    table, windows = small()
    assignment = assignment_of([0, 1, 2], [3, 4], [5, 6], count=9)
    facts = {"what": "data.normalise", "table": table, "windows": windows}
    audit_statistics(rows(2, 0), assignment, **facts)
    expected = (
        r"data.normalise: fitted on 4 windows outside of the training set; got 2 of the test set, 1 of validation, 1 "
        r"of no set, of r1, r2; expected training windows only; fit after the split"
    )
    with pytest.raises(LeakageError, match=expected):
        audit_statistics(rows(0, 1, 3, 5, 6, 8), assignment, **facts)
    assert issubclass(LeakageError, DataError)
    assert LeakageError.exit_code == 4


def test_split_table_has_a_row_for_each_recording_and_set():
    """r0 has windows 0, 1 in train and 2 in test; r2 its windows 6 and 8 in val; the last sample is included."""
    table, windows = small()
    frame = split_table(assignment_of([0, 1], [6, 8], [2], count=18), table=table, windows=windows, window=100)
    assert list(frame.columns) == [
        "recording", "rig", "unit", "condition", "label", "set", "windows", "first_sample", "last_sample",
    ]  # fmt: skip
    assert frame.to_numpy().tolist() == [
        ["r0", "x", "u0", "slow", "a", "train", 2, 0, 199],
        ["r0", "x", "u0", "slow", "a", "test", 1, 200, 299],
        ["r2", "x", "u1", "slow", "b", "val", 2, 0, 299],
    ]


def test_split_table_adds_up():
    table, windows = small()
    split = TimeBlocks(val=0.2, test=0.2)
    many = Windows(np.repeat(np.arange(6), 12), np.tile(np.arange(12) * 100, 6))
    assignment = split(table, many, 100)
    frame = split_table(assignment, table=table, windows=many, window=100)
    assert frame.groupby("set")["windows"].sum().to_dict() == {
        "train": len(assignment.train),
        "val": len(assignment.val),
        "test": len(assignment.test),
    }
    assert len(windows.start) == 18


def test_a_split_by_recording_shares_units_but_no_samples():
    """Eight recordings of two units: 'a' and 'b' each give one of four to the test set."""
    table = pd.DataFrame({"recording": [f"r{i}" for i in range(8)], "rig": "x", "unit": [f"u{i % 2}" for i in range(8)],
                          "condition": "c", "label": ["ab"[i % 2] for i in range(8)]})  # fmt: skip
    windows = Windows(np.repeat(np.arange(8), 5), np.tile(np.arange(5) * 60, 8))
    split = Recordings(val=0.25, test=0.25, seed=0)(table, windows, 100)
    found = audit(split, table=table, windows=windows, window=100, fingerprints=None)
    assert found.shared == {"samples": 0, "recordings": 0, "units": 2, "conditions": 1, "rigs": 1, "copies": None}
