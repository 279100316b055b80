"""Split by physical unit."""

import numpy as np
import pytest
from small_tables import WINDOW, cwru, hit_sm, mfpt, names_in, table_of, windows_of

from phmbench.data.splits.units import Units
from phmbench.errors import ConfigError, DataError


def units(*, target=None, val=0.2, test=0.2, seed=0):
    return Units(target=target, val=val, test=test, seed=seed)


def test_folds_of_cwru_are_its_fault_sizes():
    """Outer has three bearings, 0.007" to 0.021": three folds; the two bearings of 0.028" only train."""
    assert units().targets(cwru()) == {
        "0.007": ["cwru/DE_B007", "cwru/DE_IR007", "cwru/DE_OR007"],
        "0.014": ["cwru/DE_B014", "cwru/DE_IR014", "cwru/DE_OR014"],
        "0.021": ["cwru/DE_B021", "cwru/DE_IR021", "cwru/DE_OR021"],
    }


def test_folds_without_a_common_severity_are_numbered():
    """Healthy, level 0, has a unit per rig: two folds. Inner and outer give theirs of level 1, in order of name."""
    assert units().targets(hit_sm()) == {
        "1": ["hit_sm/self_built_IR2", "hit_sm/self_built_Normal", "hit_sm/self_built_OR2"],
        "2": ["hit_sm/spectraquest_IR2", "hit_sm/spectraquest_Normal", "hit_sm/spectraquest_OR2"],
    }


def test_a_class_with_one_unit_gives_no_folds():
    assert units().targets(mfpt()) == {}


def test_each_fold_of_cwru_tests_three_bearings_and_trains_on_the_rest():
    """Fold 0.021: test 3 bearings; left 3 + 3 + 2, of which validation takes one of each class: 2 + 2 + 1 train."""
    table, windows = cwru(), windows_of([7] * 60)
    split = units(target=["cwru/DE_B021", "cwru/DE_IR021", "cwru/DE_OR021"])(table, windows, WINDOW)
    assert names_in(split.test, windows, table, "unit") == {"cwru/DE_B021", "cwru/DE_IR021", "cwru/DE_OR021"}
    assert len(names_in(split.val, windows, table, "unit")) == 3
    assert len(names_in(split.train, windows, table, "unit")) == 5
    assert names_in(split.val, windows, table, "label") == {"inner", "outer", "rolling_element"}
    assert (split.level, split.validation_level, split.name) == ("unit", "unit", "units")
    assert split.domains == ("cwru",)
    assert split.target == ("cwru/DE_B021", "cwru/DE_IR021", "cwru/DE_OR021")
    assert not any("weak" in note for note in split.notes)


def test_a_random_choice_takes_its_share_of_each_class():
    """10 + 5 units: 20 % is 2 and 1; of the 8 and 4 that are left, 20 % is 2 and 1."""
    rows = [(f"r{i}", "rig", f"u{i}", "c", "a" if i < 10 else "b") for i in range(15)]
    table, windows = table_of(rows), windows_of([2] * 15)
    split = units()(table, windows, WINDOW)
    for rows, of_a, of_b in ((split.test, 2, 1), (split.val, 2, 1), (split.train, 6, 3)):
        chosen = names_in(rows, windows, table, "unit")
        assert sum(int(unit[1:]) < 10 for unit in chosen) == of_a
        assert sum(int(unit[1:]) >= 10 for unit in chosen) == of_b


def test_the_choice_is_spread_over_rigs():
    """Five units of each class on each of two rigs: of the two of each class that are tested, one is of each rig."""
    rows = [(f"r{i}", f"rig{i % 2}", f"u{i}", "c", "ab"[i // 2 % 2]) for i in range(20)]
    table, windows = table_of(rows), windows_of([2] * 20)
    for seed in range(10):
        split = units(seed=seed)(table, windows, WINDOW)
        tested = table.iloc[windows.recording[split.test]].drop_duplicates("unit")
        assert sorted(tested["rig"] + tested["label"]) == ["rig0a", "rig0b", "rig1a", "rig1b"]


def test_a_unit_with_several_classes_stays_whole():
    """Runs to failure: each unit is healthy first, then worn. Both classes are in every set all the same."""
    rows = [(f"r{i}", "rig", f"u{i // 2}", "c", ("normal", "worn")[i % 2]) for i in range(12)]
    table, windows = table_of(rows), windows_of([3] * 12)
    split = units()(table, windows, WINDOW)
    sets = [names_in(rows, windows, table, "unit") for rows in (split.train, split.val, split.test)]
    assert [len(names) for names in sets] == [4, 1, 1]
    assert set.union(*sets) == {f"u{i}" for i in range(6)}
    assert names_in(split.test, windows, table, "label") == {"normal", "worn"}


def test_validation_goes_one_level_down_where_units_are_few():
    """Two healthy units: one is tested, so validation must be cut by recording, and the note says why."""
    table, windows = hit_sm(), windows_of([4] * 42)
    split = units()(table, windows, WINDOW)
    assert (split.level, split.validation_level) == ("unit", "recording")
    assert "validation is cut by recording: class 'normal' has one unit on the training side" in split.notes
    assert any("class 'normal' comes from rig" in note and "it can be told by the rig" in note for note in split.notes)


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_rows():
    table, windows = cwru(), windows_of([3] * 60)
    turned = table.iloc[::-1].reset_index(drop=True)
    one, other = units(seed=5)(table, windows, WINDOW), units(seed=5)(turned, windows, WINDOW)
    assert names_in(one.test, windows, table, "unit") == names_in(other.test, windows, turned, "unit")
    assert names_in(one.val, windows, table, "unit") == names_in(other.val, windows, turned, "unit")
    found = {tuple(units(seed=seed)(table, windows, WINDOW).test.tolist()) for seed in range(8)}
    assert len(found) > 1


def test_a_class_with_one_unit_says_what_is_possible():
    with pytest.raises(DataError, match=r"units: class 'inner' has one unit; a split by units needs three") as caught:
        units()(mfpt(), windows_of([30] * 14), WINDOW)
    assert str(caught.value).endswith(
        "possible: task/split=hold_out, task/split=load, task/split=recordings, task/split=time_blocks, "
        "task/split=window_random (leaky)"
    )


def test_an_unknown_unit_says_which():
    table = cwru()
    table.loc[[4, 9], "unit"] = None
    expected = r"unit: not known of 2 recordings; got missing values, first cwru/B007_0, cwru/OR007@3_0; .*unit == unit"
    with pytest.raises(DataError, match=expected):
        units()(table, windows_of([3] * 60), WINDOW)


def test_a_target_that_does_not_exist_lists_those_that_do():
    with pytest.raises(DataError, match=r"got cwru/DE_IR070; expected one of cwru/DE_B007, cwru/DE_B014, "):
        units(target=["cwru/DE_IR070"])(cwru(), windows_of([3] * 60), WINDOW)


def test_a_target_of_one_class_is_refused():
    with pytest.raises(DataError, match=r"target: it shares one class with the training side; got inner in the target"):
        units(target=["cwru/DE_IR007"])(cwru(), windows_of([3] * 60), WINDOW)


@pytest.mark.parametrize("target", ["cwru/DE_IR007", [], 7])
def test_a_target_is_a_list(target):
    with pytest.raises(ConfigError, match=r"target: a split by unit takes a list of values; got .*; expected"):
        units(target=target)


def test_a_target_without_a_value_is_refused():
    with pytest.raises(ConfigError, match=r"target: a split by unit takes values; got a missing one in \['a', None\]"):
        units(target=["a", None])


def test_recordings_without_label_or_windows_are_in_no_set():
    table = cwru()
    table.loc[0, "label"] = None
    windows = windows_of([0 if i == 1 else 3 for i in range(60)])
    split = units()(table, windows, WINDOW)
    used = np.concatenate([split.train, split.val, split.test])
    assert len(used) == len(set(used.tolist())) == 58 * 3
    assert not {0, 1} & set(windows.recording[used].tolist())


def test_folds_of_units_with_several_classes_test_each_unit_once():
    """Three runs, healthy at first and then worn: a fold each. A fold that has no other worn unit is none."""
    rows = [(f"r{i}", "rig", f"u{i // 2}", "c", ("normal", "worn")[i % 2]) for i in range(6)]
    assert units().targets(table_of(rows)) == {"1": ["u0"], "2": ["u1"], "3": ["u2"]}
    assert units().targets(table_of([*rows[:3], ("r9", "rig", "u2", "c", "normal")])) == {}
