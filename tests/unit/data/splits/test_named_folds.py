"""Folds that are listed by name."""

import re

import pytest
from small_tables import WINDOW, cwru, names_in, windows_of

from phmbench.data.splits.named_folds import NamedFolds
from phmbench.errors import ConfigError, DataError
from phmbench.testing import check_split

FOLDS = {
    "one": ["cwru/DE_B014", "cwru/DE_IR007", "cwru/DE_OR014"],
    "two": ["cwru/DE_B021", "cwru/DE_IR021", "cwru/DE_OR007"],
}


def split_of(target=None, *, folds=FOLDS, column="bearing", validate_by="unit", seed=0):
    return NamedFolds(column=column, folds=folds, target=target, validate_by=validate_by, val=0.2, seed=seed)


@pytest.mark.parametrize(("target", "tested"), [(None, "one"), (["one"], "one"), (["two"], "two")])
def test_a_fold_tests_what_it_lists(target, tested):
    table, windows = cwru(), windows_of([3] * 60)
    split = split_of(target)(table, windows, WINDOW)
    assert names_in(split.test, windows, table, "unit") == set(FOLDS[tested])
    assert not names_in(split.train, windows, table, "unit") & set(FOLDS[tested])
    assert (split.level, split.validation_level, split.target) == ("unit", "unit", (tested,))
    assert not names_in(split.train, windows, table, "unit") & names_in(split.val, windows, table, "unit")


def test_validation_by_recording_keeps_every_unit_in_training():
    table, windows = cwru(), windows_of([3] * 60)
    split = split_of(["two"], validate_by="recording")(table, windows, WINDOW)
    left = set(table["unit"]) - set(FOLDS["two"])
    assert names_in(split.train, windows, table, "unit") == left
    assert names_in(split.val, windows, table, "unit") <= left
    assert not names_in(split.train, windows, table, "recording") & names_in(split.val, windows, table, "recording")
    assert (split.level, split.validation_level) == ("unit", "recording")
    assert "validation is cut by recording, so that no unit of training is lost: it is too hopeful" in split.notes


def test_several_folds_are_tested_together():
    table, windows = cwru(), windows_of([3] * 60)
    split = split_of(["one", "two"])(table, windows, WINDOW)
    assert names_in(split.test, windows, table, "unit") == {*FOLDS["one"], *FOLDS["two"]}


def test_contract():
    folds = {str(unit): [f"{rig}/{fault}-{unit}" for rig in ("alpha", "beta") for fault in ("inner", "normal", "outer")]
             for unit in range(4)}  # fmt: skip
    check_split(split_of(folds=folds))
    check_split(split_of(folds=folds, validate_by="recording"))
    check_split(split_of(folds={"slow": [600]}, column="speed_rpm"))


def test_folds_are_those_whose_values_are_there():
    strange = {**FOLDS, "fan end": ["cwru/FE_B007"]}
    assert split_of(folds=strange).targets(cwru()) == {"one": ["one"], "two": ["two"]}


def test_a_fold_that_the_recordings_lack_says_what_is_there():
    with pytest.raises(DataError, match=r"folds: no recording has a value that a fold tests; got unit = cwru/FE_B007"):
        split_of(folds={"fan end": ["cwru/FE_B007", "cwru/DE_B007"]})(cwru(), windows_of([3] * 60), WINDOW)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": {}}, "folds: a split by named folds needs some; got none"),
        ({"target": ["three"]}, "target: no fold has that name; got three; expected one of one, two"),
        ({"folds": {"one": []}}, "target: fold one takes a list of values; got []"),
    ],
)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        split_of(**given)
