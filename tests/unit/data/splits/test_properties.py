"""Properties of every clean split, over random tables."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import windows_of

from phmbench.data.audit import audit, overlap, split_table
from phmbench.data.splits.possible import options
from phmbench.errors import DataError
from phmbench.types import LEVELS

WINDOW = 10
CLEAN = sorted(set(options()) - {"window_random"})


@st.composite
def tables(draw):
    """Recording tables with 4 to 30 recordings, and an index of windows that may overlap."""
    count = draw(st.integers(4, 30))
    column = st.lists(st.integers(0, draw(st.integers(0, 6))), min_size=count, max_size=count)
    unit, load, label, size = draw(column), draw(column), draw(column), draw(column)
    table = pd.DataFrame(
        {
            "recording": [f"r{i}" for i in range(count)],
            "unit": [f"u{u}" if u != 5 else None for u in unit],
            "rig": [f"rig{0 if u is None else u % 2}" for u in unit],
            "condition": [str(value) for value in load],
            "load": [float(value) for value in load],
            "speed_rpm": [600.0 * value for value in size],
            "fault_severity_level": size,
            "label": [None if value == 6 else "abc"[value % 3] for value in label],
        }
    )
    return table, windows_of(
        draw(st.lists(st.integers(0, 20), min_size=count, max_size=count)), hop=draw(st.integers(3, 25))
    )


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(CLEAN))
def test_a_clean_split_separates_what_it_says(drawn, option):
    table, windows = drawn
    try:
        split = options()[option](table, windows, WINDOW)
    except DataError:
        return  # a table that does not allow the split; the messages have tests of their own
    sets = {"train": split.train, "val": split.val, "test": split.test}
    everything = np.concatenate(list(sets.values()))
    assert len(everything) == len(np.unique(everything))
    label = table["label"].to_numpy()[windows.recording]
    for rows in sets.values():
        assert (np.diff(rows) > 0).all()
        assert set(label[rows]) == set(split.classes)
    assert overlap(windows, split.train, split.val, WINDOW) == 0
    found = audit(split, table=table, windows=windows, window=WINDOW, fingerprints=None)
    shared = list(found.shared.values())[:5]
    assert shared[: LEVELS.index(split.level) + 1] == [0] * (LEVELS.index(split.level) + 1)
    assert LEVELS.index(split.validation_level) <= LEVELS.index("unit")
    assert (LEVELS.index(split.level) < LEVELS.index("unit")) == any(note.startswith("weak") for note in split.notes)
    assert set(split.domain[split.train].tolist()) == set(range(len(split.domains)))
    outside = np.setdiff1d(np.arange(len(windows.start)), np.concatenate([split.train, split.val]))
    assert (split.domain[outside] == -1).all()
    assert split_table(split, table=table, windows=windows, window=WINDOW)["windows"].sum() == len(everything)


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(sorted(options())))
def test_the_same_arguments_give_the_same_split(drawn, option):
    table, windows = drawn
    try:
        one, other = (options()[option](table, windows, WINDOW) for _ in range(2))
    except DataError:
        return
    for field in ("train", "val", "test", "domain"):
        assert np.array_equal(getattr(one, field), getattr(other, field))
    assert one.notes == other.notes
    assert one.domains == other.domains


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(sorted(set(options()) - {"time_blocks", "window_random"})))
def test_each_fold_can_be_run(drawn, option):
    """A value that `targets` names is one that the split can hold out, unless recordings are too short for windows."""
    table, windows = drawn
    windows = windows_of([20] * len(table))
    split = options()[option]
    table["unit"] = table["unit"].fillna("u5")
    for target in split.targets(table).values():
        split.target = tuple(target)
        assert split(table, windows, WINDOW).target == tuple(target)
