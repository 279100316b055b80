"""Hold out whole rigs."""

import pandas as pd
import pytest
from small_tables import WINDOW, cwru, hit_sm, mfpt, names_in, windows_of

from phmbench.data.splits.hold_out_rigs import HoldOutRigs
from phmbench.errors import DataError


def four_rigs():
    table = pd.concat([cwru(), mfpt(), hit_sm()], ignore_index=True)
    return table, windows_of([7] * len(table))


def hold_out_rigs(target=None, *, classes="shared", seed=0):
    return HoldOutRigs(target=target, val=0.2, classes=classes, seed=seed)


def test_the_last_rig_by_name_is_the_target_where_none_is_named():
    """mfpt has inner and outer; the other three train, with these two classes alone."""
    table, windows = four_rigs()
    split = hold_out_rigs()(table, windows, WINDOW)
    assert split.target == ("mfpt",)
    assert split.classes == ("inner", "outer")
    assert split.domains == ("cwru", "hit_sm/self_built", "hit_sm/spectraquest")
    assert (split.level, split.validation_level, split.name) == ("rig", "unit", "hold_out_rigs")
    assert "dropped from training, because the target lacks them: normal, rolling_element" in split.notes
    assert split.class_sources == {"inner": split.domains, "outer": split.domains}
    assert set(split.domain[split.val].tolist()) == {0, 1, 2}


def test_a_data_option_means_all_of_its_rigs():
    """hit_sm is two rigs; of their classes, cwru and mfpt lack normal."""
    table, windows = four_rigs()
    split = hold_out_rigs(["hit_sm"])(table, windows, WINDOW)
    assert split.target == ("hit_sm/self_built", "hit_sm/spectraquest")
    assert names_in(split.test, windows, table, "rig") == set(split.target)
    assert "dropped from the test set, because no source has them: normal" in split.notes


def test_a_class_of_one_rig_alone_is_told():
    """Target spectraquest: normal is otherwise on the self-built rig alone."""
    table, windows = four_rigs()
    split = hold_out_rigs(["hit_sm/spectraquest"])(table, windows, WINDOW)
    assert split.classes == ("inner", "normal", "outer")
    assert split.class_sources["normal"] == ("hit_sm/self_built",)
    assert "class 'normal' comes from rig 'hit_sm/self_built' alone: it can be told by the rig" in split.notes


def test_each_rig_is_a_fold():
    table, _ = four_rigs()
    rigs = ["cwru", "hit_sm/self_built", "hit_sm/spectraquest", "mfpt"]
    assert hold_out_rigs().targets(table) == {rig: [rig] for rig in rigs}


def test_a_rig_that_shares_fewer_than_two_classes_is_no_fold():
    table = pd.concat([cwru(), hit_sm()[lambda t: t["label"].isin(["normal"])]], ignore_index=True)
    assert hold_out_rigs().targets(table) == {}
    with pytest.raises(DataError, match=r"target: it shares one class with the training side; got normal in the"):
        hold_out_rigs()(table, windows_of([3] * len(table)), WINDOW)


def test_one_rig_alone_says_what_to_do():
    with pytest.raises(
        DataError, match=r"hold_out_rigs: nothing is left to train on; got one rig, cwru; .*data=bearing"
    ):
        hold_out_rigs()(cwru(), windows_of([3] * 60), WINDOW)


def test_a_rig_that_does_not_exist_lists_those_that_do():
    table, windows = four_rigs()
    with pytest.raises(DataError, match=r"got hit; expected one of cwru, hit_sm/self_built, hit_sm/spectraquest, mfpt"):
        hold_out_rigs(["hit"])(table, windows, WINDOW)


def test_all_rigs_as_target_leave_nothing():
    with pytest.raises(DataError, match=r"nothing is left to train on; got all values of rig: hit_sm/self_built, "):
        hold_out_rigs(["hit_sm"])(hit_sm(), windows_of([3] * 42), WINDOW)


def test_the_same_condition_of_another_rig_is_another_condition():
    split = hold_out_rigs()(hit_sm(), windows_of([3] * 42), WINDOW)
    assert split.level == "rig"


def test_validation_by_recording_where_units_are_not_known():
    table, windows = four_rigs()
    table["unit"] = None
    split = hold_out_rigs()(table, windows, WINDOW)
    assert (split.level, split.validation_level) == ("rig", "recording")
    note = "validation is cut by recording: the unit is not known of every recording on the training side"
    assert note in split.notes


def test_all_classes_of_the_sources_may_be_called():
    """Target mfpt has inner and outer: normal and rolling elements stay classes, in training too."""
    table, windows = four_rigs()
    split = hold_out_rigs(classes="sources")(table, windows, WINDOW)
    assert split.classes == ("inner", "normal", "outer", "rolling_element")
    assert names_in(split.train, windows, table, "label") == set(split.classes)
    assert names_in(split.test, windows, table, "label") == {"inner", "outer"}
    assert "may be called, though the target lacks them: normal, rolling_element" in split.notes
    assert not len(split.foreign)


def test_what_the_target_alone_has_is_called_and_not_scored():
    """Rolling elements are of cwru alone."""
    table, windows = four_rigs()
    split = hold_out_rigs(["cwru"], classes="sources")(table, windows, WINDOW)
    assert "rolling_element" not in split.classes
    assert names_in(split.foreign, windows, table, "label") == {"rolling_element"}
    assert names_in(split.foreign, windows, table, "rig") == {"cwru"}
    assert not set(split.foreign) & {*split.train, *split.val, *split.test}
    assert "called, not scored, because no source has them: rolling_element" in split.notes
    assert hold_out_rigs(["cwru"])(table, windows, WINDOW).foreign is None
