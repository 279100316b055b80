"""Hold out values of a column."""

import numpy as np
import pytest
from small_tables import WINDOW, cwru, hit_sm, mfpt, names_in, table_of, windows_of

from phmbench.data.splits.hold_out import HoldOut
from phmbench.errors import DataError

WEAK = "weak: the same physical units are on both sides"


def hold_out(column, target=None, *, val=0.2, seed=0):
    return HoldOut(column=column, target=target, val=val, seed=seed)


@pytest.mark.parametrize("target", [[3], [3.0], ["3"], None])
def test_load_of_cwru_separates_recordings_only(target):
    """The highest load is 3 hp, 15 recordings; the 11 bearings are on both sides, so the split is weak."""
    table, windows = cwru(), windows_of([3] * 60)
    split = hold_out("load", target)(table, windows, WINDOW)
    assert names_in(split.test, windows, table, "load") == {3.0}
    assert len(split.test) == 45
    assert (split.level, split.validation_level, split.target) == ("recording", "recording", ("3",))
    assert split.domains == ("0", "1", "2")
    assert WEAK in split.notes
    assert "held out: load = 3; no value of it is on both sides" in split.notes
    assert split.class_sources["outer"] == ("0", "1", "2")
    assert split.domain[split.test].max() == -1
    assert np.array_equal(split.domain[split.train], table["load"].to_numpy()[windows.recording[split.train]])


def test_severity_of_cwru_separates_bearings():
    """Level 4 has no outer, so 3 is the highest that can be the target; 4 stays in training."""
    table, windows = cwru(), windows_of([3] * 60)
    split = hold_out("severity")(table, windows, WINDOW)
    assert (split.level, split.validation_level, split.target) == ("unit", "unit", ("3",))
    assert split.domains == ("1", "2", "4")
    left = {c: set(sources) for c, sources in split.class_sources.items()}
    assert left["outer"] < {"1", "2"}  # one of its two bearings validates
    assert left["inner"] < {"1", "2", "4"}  # one of three
    assert set.union(*left.values()) == {"1", "2", "4"}
    assert not any("weak" in note for note in split.notes)


def test_every_domain_keeps_a_part_in_training():
    table, windows = mfpt(), windows_of([3] * 14)
    for seed in range(10):
        split = hold_out("load", seed=seed)(table, windows, WINDOW)
        assert split.target == ("300",)
        assert split.domains == ("0", "25", "50", "100", "150", "200", "250")
        assert set(split.domain[split.train].tolist()) == set(range(7))
        assert (split.domain[split.val] >= 0).all()


def test_a_domain_of_validation_alone_has_no_number():
    """By bearing each unit is a domain; validation by unit takes three of them, which training has not."""
    table, windows = cwru(), windows_of([3] * 60)
    target = ["cwru/DE_IR007", "cwru/DE_B007", "cwru/DE_OR007"]
    split = hold_out("bearing", target)(table, windows, WINDOW)
    assert (split.level, split.validation_level, len(split.domains)) == ("unit", "unit", 5)
    assert (split.domain[split.val] == -1).all()


def test_folds():
    assert hold_out("load").targets(cwru()) == {str(load): [str(load)] for load in range(4)}
    assert hold_out("severity").targets(cwru()) == {"1": ["1"], "2": ["2"], "3": ["3"]}
    assert hold_out("speed").targets(hit_sm()) == {"600": ["600"], "900": ["900"], "1200": ["1200"]}
    assert list(hold_out("load").targets(mfpt())) == ["50", "100", "150", "200", "250", "300"]
    assert hold_out("rig").targets(cwru()) == {}


def test_severity_folds_of_hit_sm_need_the_healthy_class_left_out():
    faults = hit_sm()[lambda table: table["label"] != "normal"].reset_index(drop=True)
    assert hold_out("severity").targets(hit_sm()) == {}
    assert hold_out("severity").targets(faults) == {"1": ["1"], "2": ["2"], "3": ["3"]}


def test_speed_is_the_nominal_one_where_it_is_known():
    """Measured speeds of CWRU differ from file to file; the recordings without a nominal speed give the measured."""
    table, windows = cwru(), windows_of([3] * 60)
    assert hold_out("speed")(table, windows, WINDOW).domains == ("1730", "1750", "1772")
    table["speed_nominal_rpm"] = table["speed_nominal_rpm"].where(table["load"] != 3)
    table.loc[table["load"] == 3, "speed_rpm"] = 900.0
    assert hold_out("speed")(table, windows, WINDOW).domains == ("900", "1750", "1772")


def test_level_is_measured():
    """By speed, the units of hit_sm are shared; a column that happens to part the units separates units."""
    table, windows = hit_sm(), windows_of([3] * 42)
    assert hold_out("speed")(table, windows, WINDOW).level == "recording"
    assert hold_out("condition", ["900 rpm"])(table, windows, WINDOW).level == "recording"
    assert hold_out("rig")(table, windows, WINDOW).level == "rig"
    table["batch"] = np.where(table["rig"] == "hit_sm/spectraquest", "x", "y")
    assert hold_out("batch")(table, windows, WINDOW).level == "rig"


def test_a_unit_that_is_not_known_is_not_taken_for_another():
    table, windows = cwru(), windows_of([3] * 60)
    table["unit"] = None
    split = hold_out("severity")(table, windows, WINDOW)
    assert split.level == "recording"
    expected = "weak: of some recordings the physical unit is not known; the same one may be on both sides"
    assert expected in split.notes


def test_classes_of_one_side_are_dropped_and_named():
    """Severity 3 of hit_sm has inner and outer; normal is at level 0 alone."""
    table, windows = hit_sm(), windows_of([3] * 42)
    split = hold_out("severity", [3])(table, windows, WINDOW)
    assert split.classes == ("inner", "outer")
    assert "dropped from training, because the target lacks them: normal" in split.notes
    used = np.concatenate([split.train, split.val, split.test])
    assert names_in(used, windows, table, "label") == {"inner", "outer"}
    assert (split.domain[np.setdiff1d(np.arange(126), used)] == -1).all()


def test_classes_of_the_target_alone_are_dropped_and_named():
    rows = [("1", "a"), ("1", "b"), ("1", "a"), ("1", "b"), ("2", "a"), ("2", "b"), ("2", "c")]
    table = table_of([(f"r{i}", "rig", f"u{i}", *row) for i, row in enumerate(rows)])
    split = hold_out("condition", ["2"])(table, windows_of([3] * 7), WINDOW)
    assert split.classes == ("a", "b")
    assert "dropped from the test set, because no source has them: c" in split.notes
    assert len(split.test) == 6


def test_no_value_with_every_class_says_what_is_where():
    expected = (
        r"target: no value of fault_severity_level can be held out with every class; got 0: normal; 1: inner, outer; .*"
        r"name one with task\.split\.target=\[…\].*; possible: task/split=hold_out_rigs, task/split=units"
    )
    with pytest.raises(DataError, match=expected):
        hold_out("severity")(hit_sm(), windows_of([3] * 42), WINDOW)


def test_a_value_that_does_not_occur_lists_those_that_do():
    with pytest.raises(
        DataError, match=r"target: load has no such value .*; got 5; expected one of 0, 1, 2, 3; set task"
    ):
        hold_out("load", [3, 5])(cwru(), windows_of([3] * 60), WINDOW)


def test_nothing_left_to_train_on():
    with pytest.raises(DataError, match=r"target: nothing is left to train on; got all values of load: 0, 1, 2, 3"):
        hold_out("load", [0, 1, 2, 3])(cwru(), windows_of([3] * 60), WINDOW)


def test_a_column_that_does_not_exist_lists_those_that_do():
    with pytest.raises(DataError, match=r"column: the recordings have no such column; got 'lod'; expected one of rec"):
        hold_out("lod")(cwru(), windows_of([3] * 60), WINDOW)
    with pytest.raises(DataError, match=r"no such column; got 'speed'; expected"):
        hold_out("speed")(mfpt(), windows_of([3] * 14), WINDOW)


def test_missing_values_of_the_column_are_refused():
    table = cwru()
    table.loc[0, "load"] = np.nan
    with pytest.raises(DataError, match=r'load: not known of one recording; .*data.where="load == load"'):
        hold_out("load")(table, windows_of([3] * 60), WINDOW)


def test_validation_in_time_leaves_a_gap_of_one_window():
    """Two recordings on the training side, 7 windows each: 6 without the gap, of which 20 % is 1; ranks 0–4 | 6."""
    table = table_of([(f"r{i}", "rig", "u", str(i // 2), "ab"[i % 2]) for i in range(4)])
    windows = windows_of([7] * 4)
    split = hold_out("condition", ["1"])(table, windows, WINDOW)
    assert split.validation_level == "sample"
    assert split.train.tolist() == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert split.val.tolist() == [6, 13]
    assert split.test.tolist() == list(range(14, 28))
    assert "validation is cut in time: class 'a' has one recording on the training side" in split.notes


def test_recordings_too_short_for_a_cut_in_time_say_so():
    table = table_of([(f"r{i}", "rig", "u", str(i // 2), "ab"[i % 2]) for i in range(4)])
    with pytest.raises(DataError, match=r"val: class 'a' has no recording that is long enough to cut validation off"):
        hold_out("condition", ["1"])(table, windows_of([2] * 4), WINDOW)
