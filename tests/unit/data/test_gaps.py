"""Samples that are NaN or infinite: by hand, through store, windows, audit and record."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phmbench.data import gaps
from phmbench.data.audit import audit
from phmbench.data.fingerprint import content_hash
from phmbench.data.store import prepare
from phmbench.data.windows import index
from phmbench.errors import DataError, LeakageError
from phmbench.types import Assignment
from tests.unit.data.test_datamodule import FOUR, Ramps, data_of

NAN, INF = np.nan, np.inf


def test_a_straight_line_between_neighbours_by_hand():
    """1 _ _ 4 → 1 2 3 4; before the first and behind the last known sample the line is level."""
    signal = np.array([[NAN, 1, NAN, INF, 4, NAN], [0, 0, 0, 0, 0, 0]])
    found = gaps.mend(signal, "a", "interpolate")
    np.testing.assert_array_equal(found.signal, [[1, 1, 2, 3, 4, 4], [0] * 6])
    assert (found.gaps, found.filled) == ([], 4)


def test_dropped_gaps_are_runs_over_all_channels():
    """Sample 0 of one channel, 2 of the other and 20 of both: 0 and 2 have no window between them."""
    signal = np.zeros((2, 30), np.float32)
    signal[0, [0, 20]], signal[1, [2, 20]] = NAN, -INF
    found = gaps.mend(signal, "a", "drop")
    assert found.gaps == [[0, 2], [20, 20]]
    assert found.filled == 0
    assert np.isfinite(found.signal).all()
    assert found.signal.dtype == np.float32


def test_long_gaps_are_not_bridged():
    signal = np.zeros((1, 300))
    signal[0, 10:74], signal[0, 100:165] = NAN, NAN  # 64 samples, and 65
    found = gaps.mend(signal, "a", "interpolate")
    assert (found.gaps, found.filled) == ([[100, 164]], 64)


def test_a_channel_without_a_number_is_all_gap():
    found = gaps.mend(np.array([[1.0, 2, 3], [NAN, NAN, NAN]]), "a", "interpolate")
    assert (found.gaps, found.filled) == ([[0, 2]], 0)
    assert np.isfinite(found.signal).all()


def test_a_value_that_float32_cannot_hold_is_infinite():
    assert gaps.mend(np.array([[0.0, 1e39, 0.0]]), "a", "drop").gaps == [[1, 1]]


@pytest.mark.parametrize("ratio", [Fraction(1, 3), Fraction(5, 2)])
def test_after_resampling_a_gap_is_as_wide_as_the_filter(ratio):
    """Samples outside it are what they would be whatever stood in the gap."""
    from phmbench.data.convert import resample

    rng = np.random.default_rng(0)
    signal = rng.standard_normal((1, 3000))
    other = signal.copy()
    other[0, 1500:1510] += [50, -50] * 5  # the mean stays, which the filter takes off first
    first, second = resample(signal, ratio), resample(other, ratio)
    ((a, b),) = gaps.resampled([[1500, 1509]], ratio, first.shape[1])
    differ = np.flatnonzero(np.abs(first - second)[0] > 0.05)
    assert a <= differ.min()
    assert differ.max() <= b
    assert b - a < 1.3 * (differ.max() - differ.min()) + 20
    assert gaps.resampled([[0, 5]], ratio, 10)[0][0] == 0


@given(st.lists(st.sampled_from([0.0, NAN]), min_size=8, max_size=120), st.integers(8, 20), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_a_window_is_left_out_exactly_where_it_holds_a_gap(values, window, hop):
    signal = np.array([values])
    windows = index([len(values), len(values)], window, hop)
    found = gaps.mend(signal, "a", "drop")
    kept = gaps.outside(windows, [found.gaps, []], window)
    whole = [not np.isnan(signal[0, s : s + window]).any() or r == 1 for r, s in zip(*windows, strict=True)]
    np.testing.assert_array_equal(kept.recording, windows.recording[whole])
    np.testing.assert_array_equal(kept.start, windows.start[whole])


# -- through the store -----------------------------------------------------------------------------------------------


class Holed:
    """Two recordings of noise, equal but for the hole in the second."""

    default_channels = None

    def fingerprint(self) -> dict[str, object]:
        return {"holed": 1}

    def table(self) -> pd.DataFrame:
        rows = {"recording": ["h/a", "h/b"], "unit": ["a", "b"], "fault_type": ["x", "y"], "channels": [("c",)] * 2}
        return pd.DataFrame(rows).assign(dataset="h", rig="h", condition="c", fs=1000.0, n_samples=4000)

    def signal(self, row: pd.Series, channels: object) -> np.ndarray:
        signal = np.random.default_rng(0).standard_normal((1, 4000))
        if row["recording"] == "h/b":
            signal[0, 100:110] = NAN
        return signal


def store(cache: Path, **how):
    return prepare({"h": Holed()}, where=None, ids=None, channels=None, sample_rate=None, cache=cache, **how)


def test_each_way_has_a_store_of_its_own_and_none_holds_nan(tmp_path):
    with pytest.raises(
        DataError, match=r"recording h/b: 10 samples are NaN or infinite; got nan first, at sample 100 of"
    ):
        store(tmp_path)
    dropped, bridged = store(tmp_path, nan="drop"), store(tmp_path, nan="interpolate")
    assert dropped.key != bridged.key
    assert [list(map(list, runs)) for runs in dropped.table["gaps"]] == [[], [[100, 109]]]
    assert list(dropped.table["interpolated"]) == [0, 0]
    assert list(map(len, bridged.table["gaps"])) == [0, 0]
    assert list(bridged.table["interpolated"]) == [0, 10]
    assert np.isfinite(dropped.signals).all()
    again = store(tmp_path, nan="drop")  # opened
    assert list(map(len, again.table["gaps"])) == [0, 1]


@pytest.mark.parametrize("how", ["drop", "interpolate"])
def test_a_hole_does_not_hide_a_copy_from_the_audit(tmp_path, how):
    found = store(tmp_path, nan=how)
    windows = index(found.table["length"], 500, 500)
    split = Assignment(
        train=np.flatnonzero(windows.recording == 0), val=np.zeros(0, int), test=np.flatnonzero(windows.recording == 1),
        classes=("x", "y"), domain=np.zeros(len(windows.start), int), domains=("all",), name="units", level="unit",
        validation_level="unit",
    )  # fmt: skip
    table = found.table.assign(label=found.table["fault_type"])
    with pytest.raises(LeakageError, match="h/b is a copy of h/a"):
        audit(split, table=table, windows=windows, window=500, fingerprints=found.fingerprints)
    assert found.table["content"][0] == content_hash(found.recording(0))


# -- through the data module -----------------------------------------------------------------------------------------


class Spoilt(Ramps):
    """Ramps, of which the second recording has a hole."""

    hole = slice(10, 12)

    def fingerprint(self) -> dict[str, object]:
        return {**super().fingerprint(), "hole": repr(self.hole)}

    def signal(self, row: pd.Series, channels: object) -> np.ndarray:
        signal = np.array(super().signal(row, channels), np.float64)
        if row["recording"] == self.table()["recording"].iloc[1]:
            signal[:, self.hole] = NAN
        return signal


def test_the_notes_say_what_was_left_out(tmp_path):
    whole = data_of(Ramps(FOUR), tmp_path)
    whole.open()
    data = data_of(Spoilt(FOUR), tmp_path, nan="drop")
    data.open()
    left = len(whole.windows.start) - len(data.windows.start)
    assert left >= 1
    assert (
        f"{left} of {len(whole.windows.start)} windows hold NaN or infinite samples and are left out, of 1 rec"
        in str(data.notes)
    )
    bridged = data_of(Spoilt(FOUR), tmp_path, nan="interpolate")
    bridged.open()
    assert len(bridged.windows.start) == len(whole.windows.start)
    assert any("of 1 recordings were NaN or infinite and are interpolated" in note for note in bridged.notes)


def test_nothing_but_gaps(tmp_path):
    class Empty(Ramps):
        def fingerprint(self) -> dict[str, object]:
            return {"empty": 1}

        def signal(self, row: pd.Series, channels: object) -> np.ndarray:
            return np.full_like(super().signal(row, channels), NAN)

    with pytest.raises(
        DataError, match=r"data\.nan: none of \d+ windows is free of NaN and infinite samples; got 8 rec"
    ):
        data_of(Empty(FOUR), tmp_path, nan="drop").open()
