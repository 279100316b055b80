"""Splits of the real recordings: what is possible there, and at what level."""

import os
from pathlib import Path

import pandas as pd
import pytest

from phmbench.data.audit import audit
from phmbench.data.sources.bearing_datasets import BearingDatasets
from phmbench.data.splits.hold_out import HoldOut
from phmbench.data.splits.hold_out_rigs import HoldOutRigs
from phmbench.data.splits.possible import possible
from phmbench.data.splits.time_blocks import TimeBlocks
from phmbench.data.splits.units import Units
from phmbench.data.windows import index
from phmbench.errors import DataError

pytestmark = pytest.mark.realdata
WINDOW = 2048


def recordings_of(name, where=None):
    root = os.environ.get("PHMBENCH_DATA")
    if not root:
        pytest.skip("PHMBENCH_DATA is not set")
    table = BearingDatasets(name=name, root=Path(root), where=where).table().reset_index(drop=True)
    table["label"] = table["fault_type"]
    return table, index(table["n_samples"], window=WINDOW, hop=WINDOW)


def test_cwru_by_bearing_is_by_fault_size():
    table, windows = recordings_of("cwru", "fs == 12000")
    folds = Units(target=None, val=0.2, test=0.2, seed=0).targets(table)
    assert list(folds) == ["0.007", "0.014", "0.021"]
    assert folds["0.014"] == ["cwru/DE_B014", "cwru/DE_IR014", "cwru/DE_OR014"]
    for target in folds.values():
        split = Units(target=target, val=0.2, test=0.2, seed=0)(table, windows, WINDOW)
        found = audit(split, table=table, windows=windows, window=WINDOW, fingerprints=None)
        assert (split.level, split.validation_level) == ("unit", "unit")
        assert {name: counts["units"] for name, counts in found.counts.items()} == {"train": 5, "val": 3, "test": 3}
        assert (found.shared["samples"], found.shared["recordings"], found.shared["units"]) == (0, 0, 0)


def test_cwru_by_load_shares_all_bearings():
    table, windows = recordings_of("cwru", "fs == 12000")
    split = HoldOut(column="load", target=[3], val=0.2, seed=0)(table, windows, WINDOW)
    found = audit(split, table=table, windows=windows, window=WINDOW, fingerprints=None)
    assert (split.level, split.validation_level) == ("recording", "recording")
    assert (found.counts["test"]["recordings"], found.shared["units"]) == (15, 11)


def test_cwru_at_48_khz_has_one_healthy_recording_and_can_be_split_in_time_alone():
    table, windows = recordings_of("cwru", "fs == 48000")
    assert possible(table, windows, WINDOW) == ["time_blocks", "window_random"]
    split = TimeBlocks(val=0.2, test=0.2)(table, windows, WINDOW)
    assert split.classes == ("inner", "normal", "outer", "rolling_element")
    with pytest.raises(DataError, match=r"units: class 'normal' has one unit; .*; possible: task/split=time_blocks"):
        Units(target=None, val=0.2, test=0.2, seed=0)(table, windows, WINDOW)


def test_hit_sm_by_speed_rig_and_severity():
    table, windows = recordings_of("hit_sm")
    speed = HoldOut(column="speed", target=None, val=0.2, seed=0)
    assert list(speed.targets(table)) == ["600", "900", "1200"]
    split = speed(table, windows, WINDOW)
    assert (split.level, split.validation_level, split.target) == ("recording", "recording", ("1200",))
    rigs = HoldOutRigs(target=None, val=0.2, classes="shared", seed=0)(table, windows, WINDOW)
    assert (rigs.level, rigs.target, rigs.classes) == ("rig", ("hit_sm/spectraquest",), ("inner", "normal", "outer"))
    faults, _ = recordings_of("hit_sm", 'fault_type != "normal"')
    assert list(HoldOut(column="severity", target=None, val=0.2, seed=0).targets(faults)) == ["1", "2", "3"]


def test_mfpt_by_load():
    table, windows = recordings_of("mfpt")
    load = HoldOut(column="load", target=None, val=0.2, seed=0)
    assert list(load.targets(table)) == ["50", "100", "150", "200", "250", "300"]
    split = load(table, windows, WINDOW)
    assert (split.level, split.target) == ("recording", ("300",))
    assert "weak: the same physical units are on both sides" in split.notes


def test_each_rig_the_target_once():
    parts = [recordings_of("cwru", "fs == 12000")[0], recordings_of("mfpt")[0], recordings_of("hit_sm")[0]]
    table = pd.concat(parts, ignore_index=True)
    windows = index(table["n_samples"], window=WINDOW, hop=WINDOW)
    folds = HoldOutRigs(target=None, val=0.2, classes="shared", seed=0).targets(table)
    assert list(folds) == ["cwru", "hit_sm/self_built", "hit_sm/spectraquest", "mfpt"]
    for target in folds.values():
        split = HoldOutRigs(target=target, val=0.2, classes="shared", seed=0)(table, windows, WINDOW)
        assert (split.level, len(split.domains)) == ("rig", 3)
        assert {"inner", "outer"} <= set(split.classes)
