"""The audit across runs, on tables made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phmbench.data.seen import common, overlap, seen, separated
from phmbench.data.windows import index
from phmbench.errors import LeakageError

TABLE = pd.DataFrame(
    {
        "recording": ["a/1", "a/2", "b/1"],
        "rig": ["a", "a", "b"],
        "unit": ["a/u", "a/v", None],
        "content": ["x", "y", "z"],
        "rate_hz": [10.0, 10.0, 10.0],
    }
)
WINDOWS = index([40, 40, 40], 10, 10)  # rows 0-3, 4-7, 8-11
FACTS = {"table": TABLE, "windows": WINDOWS, "window": 10}


def test_what_was_seen_is_kept_as_runs():
    """Windows 0, 1 and 3 of the first recording: samples 0 to 19 and 30 to 39."""
    (one,) = seen(np.array([3, 0, 1]), **FACTS)
    assert one["runs"] == [[0, 19], [30, 39]]
    assert (one["recording"], one["rig"], one["unit"], one["content"], one["rate_hz"]) == ("a/1", "a", "a/u", "x", 10.0)


def test_samples_that_were_seen_stop_the_run():
    """Windows 1 and 2 against samples 0 to 19: ten are shared."""
    with pytest.raises(LeakageError, match="was trained or selected on 10 samples of this test set"):
        overlap(np.array([1, 2]), seen(np.array([0, 1]), **FACTS), **FACTS)


def test_samples_are_found_under_another_name_and_rate():
    """The same content at half the rate: its samples 0 to 9 are ours 0 to 18 (9 × 2)."""
    known = [{**seen(np.array([0]), **FACTS)[0], "recording": "elsewhere", "rate_hz": 5.0}]
    with pytest.raises(LeakageError, match="was trained or selected on"):
        overlap(np.array([1]), known, **FACTS)


@pytest.mark.parametrize(
    ("rows", "known", "expected", "level"),
    [
        ([2, 3], [0, 1], {"recordings": 1, "units": 1, "rigs": 1}, "sample"),
        ([4], [0], {"recordings": 0, "units": 0, "rigs": 1}, "unit"),
        ([8], [0], {"recordings": 0, "units": 0, "rigs": 0}, "rig"),
        ([8], [8 + 1], {"recordings": 1, "units": None, "rigs": 1}, "sample"),  # units of rig b are not known
    ],
)
def test_what_is_shared_and_the_level_that_follows(rows, known, expected, level):
    shared = overlap(np.array(rows), seen(np.array(known), **FACTS), **FACTS)
    assert shared == {"samples": 0, **expected}
    assert separated(shared) == level


def test_common_samples():
    assert common(0, 9, [5, 20]) == 5
    assert common(0, 9, [10, 20]) == 0
