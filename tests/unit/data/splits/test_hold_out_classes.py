"""Classes that are novel to training, and units of the others that are tested beside them."""

from __future__ import annotations

import numpy as np
import pytest

from phmbench.data.splits.hold_out_classes import HoldOutClasses
from phmbench.errors import DataError
from phmbench.testing.splits import check_split, example_table
from phmbench.types import Assignment, Windows

TABLE = example_table()
WINDOWS = Windows(np.arange(len(TABLE)), np.zeros(len(TABLE), np.int64))  # one of each recording
CLASSES = sorted(set(TABLE["label"]))


def split(target: list[str] | None, *, test: float = 0.3, seed: int = 0) -> Assignment:
    return HoldOutClasses(target=target, test=test, val=0.2, seed=seed)(TABLE, WINDOWS, 1024)


def of(rows: np.ndarray, column: str) -> set[str]:
    return set(TABLE[column].iloc[WINDOWS.recording[rows]])


def test_it_obeys_the_contract_of_splits():
    check_split(HoldOutClasses(target=None, test=0.3, val=0.2, seed=0))


def test_training_has_none_of_the_novel_class_and_no_tested_unit():
    given = split([CLASSES[0]])
    assert of(given.train, "label") == of(given.val, "label") == set(CLASSES[1:])
    assert of(given.test, "label") == set(CLASSES)
    novel = set(TABLE["unit"][TABLE["label"] == CLASSES[0]])
    assert novel <= of(given.test, "unit")
    assert not (of(given.train, "unit") | of(given.val, "unit")) & of(given.test, "unit")
    assert (given.level, given.target, given.classes) == ("unit", (CLASSES[0],), tuple(CLASSES))
    assert any("novel classes" in note for note in given.notes)


def test_the_last_class_is_novel_where_none_is_named_and_each_is_once():
    assert split(None).target == (CLASSES[-1],)
    assert HoldOutClasses(target=None, test=0.3, val=0.2, seed=0).targets(TABLE) == {name: [name] for name in CLASSES}


def test_more_of_the_units_where_more_are_asked_for():
    few, many = (len(split(None, test=share).test) for share in (0.1, 0.7))
    assert few < many


def test_what_is_not_there_is_refused():
    with pytest.raises(DataError, match="target: no such class; got cracked"):
        split(["cracked"])
    with pytest.raises(DataError, match="fewer than two classes are left to train on"):
        split(CLASSES[1:])
