"""Split by random window, which leaks and says so."""

import pytest
from small_tables import WINDOW, cwru, names_in, table_of, windows_of

from phmbench.data.splits.window_random import WindowRandom
from phmbench.errors import DataError


def window_random(*, val=0.2, test=0.2, seed=0):
    return WindowRandom(val=val, test=test, seed=seed)


def test_each_class_gives_its_share_of_windows():
    """80 windows of a, 20 of b: 16 + 4 test; of 64 + 16, 13 + 3 validate."""
    table = table_of([("r0", "rig", "u0", "c", "a"), ("r1", "rig", "u1", "c", "b")])
    split = window_random()(table, windows_of([80, 20]), WINDOW)
    assert [(int((rows < 80).sum()), int((rows >= 80).sum())) for rows in (split.test, split.val)] == [(16, 4), (13, 3)]
    assert len(split.train) == 100 - 20 - 16


def test_it_is_marked():
    table, windows = cwru(), windows_of([5] * 60)
    split = window_random()(table, windows, WINDOW)
    assert split.leaky
    assert (split.name, split.level) == ("window_random", "sample")
    assert split.notes[0].startswith("leaky: ")
    assert "weak: the same physical units are on both sides" in split.notes
    assert names_in(split.test, windows, table, "unit") & names_in(split.train, windows, table, "unit")
    assert window_random().targets(table) == {}


def test_the_same_seed_gives_the_same_windows_whatever_the_order_of_recordings():
    table, windows = cwru(), windows_of([5] * 60)
    turned = table.iloc[::-1].reset_index(drop=True)
    one, other = (window_random(seed=3)(t, windows, WINDOW).test for t in (table, turned))
    names = [
        {(t["recording"].iloc[windows.recording[row]], windows.start[row]) for row in rows}
        for t, rows in ((table, one), (turned, other))
    ]
    assert names[0] == names[1]
    assert window_random(seed=4)(table, windows, WINDOW).test.tolist() != one.tolist()


def test_too_few_windows_are_refused():
    table = table_of([("r0", "rig", "u0", "c", "a"), ("r1", "rig", "u1", "c", "b")])
    with pytest.raises(DataError, match=r"window_random: class 'b' has too few windows; got 2; expected three or more"):
        window_random()(table, windows_of([5, 2]), WINDOW)
