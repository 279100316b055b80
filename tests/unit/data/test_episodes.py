"""Episodes: what keeps support and query apart, that they are the same again, and what the audit finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from phmbench.data.episode_batches import EpisodeNumbers
from phmbench.data.episode_sets import EpisodeSets
from phmbench.data.episodes import Episodes, from_table, to_table
from phmbench.errors import ConfigError, DataError, LeakageError
from phmbench.types import Assignment, Windows

WINDOW, CLASSES = 100, ("a", "b", "c")
SETTINGS: dict[str, Any] = {
    "n_way": None, "k_shot": 2, "n_query": 3, "disjoint": "unit", "base_shot": None, "train": 5, "val": 5, "test": 20,
    "file": None, "learn_from": "episodes", "seed": 0,
}  # fmt: skip


def recordings(
    *, units: int = 3, per_unit: int = 2, windows: int = 8, classes: tuple[str, ...] = CLASSES
) -> pd.DataFrame:
    """Of each class so many units, recorded so many times."""
    rows = [
        {"recording": f"{c}{u}-{r}", "unit": f"{c}{u}", "rig": "rig", "condition": f"{r}", "label": c}
        for c in CLASSES for u in range(units) for r in range(per_unit)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(length=windows * WINDOW)


def sets(table: pd.DataFrame, *, hop: int = WINDOW, trained: tuple[str, ...] = (), **settings: Any) -> EpisodeSets:
    """All windows are test windows, but those of the units whose name begins with what is `trained`."""
    counts = (table["length"].to_numpy() - WINDOW) // hop + 1
    windows = Windows(np.repeat(np.arange(len(table)), counts), np.concatenate([np.arange(n) * hop for n in counts]))
    code = {name: i for i, name in enumerate(CLASSES)}
    label = np.array([code[name] for name in table["label"]])[windows.recording]
    trains = np.array([str(unit).startswith(trained) if trained else False for unit in table["unit"]])
    rows, none = np.arange(len(label)), np.zeros(0, np.int64)
    of = trains[windows.recording]
    assignment = Assignment(
        train=rows[of], val=none, test=rows[~of], classes=CLASSES, domain=np.zeros(len(rows), np.int64),
        domains=("rig",), name="units", level="unit", validation_level="unit",
    )  # fmt: skip
    episodes = Episodes(**{**SETTINGS, **settings})
    return EpisodeSets(
        episodes, assignment, label=label, table=table, windows=windows, window=WINDOW, fingerprints=None
    )


def units_of(drawn: EpisodeSets, rows: np.ndarray) -> set[str]:
    return set(drawn.table["unit"].iloc[drawn.windows.recording[rows]])


def test_support_and_query_share_no_unit():
    drawn = sets(recordings())
    assert len(drawn.fixed("test")) == 20
    for one in drawn.fixed("test"):
        assert not units_of(drawn, one.support) & units_of(drawn, one.query)
        assert len(units_of(drawn, one.support)) == 3  # each class is taught by one unit
        assert one.support_way.tolist() == [0, 0, 1, 1, 2, 2]
        assert one.query_way.tolist() == [0] * 3 + [1] * 3 + [2] * 3
        assert (drawn.label[one.support] == one.ways[one.support_way]).all()
        assert (drawn.label[one.query] == one.ways[one.query_way]).all()
        assert len(set(one.support) | set(one.query)) == 15  # no window twice
    found = drawn.audit()
    assert (found.level, found.recordings, found.units) == ("unit", 0, 0)
    assert found.notes == ("support and query of the test episodes are apart by unit",)
    assert len({tuple(one.support) for one in drawn.fixed("test")}) > 15


def test_the_same_seed_gives_the_same_episodes_and_each_epoch_others():
    one, again, other = sets(recordings()), sets(recordings()), sets(recordings(), seed=1)
    assert all((a.support == b.support).all() for a, b in zip(one.fixed("test"), again.fixed("test"), strict=True))
    assert any((a.support != b.support).any() for a, b in zip(one.fixed("test"), other.fixed("test"), strict=True))
    trained = sets(recordings(), trained=("a", "b", "c"))
    first, second = (trained.draw("train", 0, epoch) for epoch in (0, 1))
    assert (first.support != second.support).any()
    assert (trained.draw("train", 0, 1).support == second.support).all()


@pytest.mark.parametrize(
    ("table", "level", "apart", "why"),
    [
        (recordings(units=1), "recording", "recording", "not by unit: a, b, c has too few"),
        (
            recordings(units=1, per_unit=1, windows=12),
            "sample",
            "time",
            "not by recording: a, b, c has too few recordings",
        ),
        (recordings().assign(unit=None), "recording", "recording", "not by unit: a, b, c has too few"),
    ],
)
def test_where_units_are_too_few_it_is_the_next_lower_level_and_said_so(table, level, apart, why):
    drawn = sets(table)
    assert drawn.audit().level == level
    assert drawn.pool("test").apart == apart
    assert any(note.startswith(why) for note in drawn.audit().notes)


def test_halves_of_a_recording_have_a_gap_of_a_window():
    drawn = sets(recordings(units=1, per_unit=1, windows=12), disjoint="time", hop=50)
    start = drawn.windows.start
    for one in drawn.fixed("test"):
        assert (start[one.support] + WINDOW).max() + WINDOW <= start[one.query].min()
    assert drawn.audit().level == "sample"


def test_what_leaks_is_said_to():
    drawn = sets(recordings(), disjoint="window")
    shared = [units_of(drawn, one.support) & units_of(drawn, one.query) for one in drawn.fixed("test")]
    assert sum(map(bool, shared)) > 10
    assert drawn.audit().level == "sample"
    assert "known to leak" in drawn.audit().notes[0]


def test_windows_that_overlap_are_no_support_and_query():
    with pytest.raises(LeakageError, match=r"share samples; got \d+ query windows that overlap a support window"):
        sets(recordings(), disjoint="window", hop=50).audit()


def test_a_copy_under_another_name_is_the_same_recording():
    table = recordings()
    table["content"] = [f"hash {i}" for i in range(len(table))]
    table.loc[table["unit"] == "a1", "content"] = table.loc[table["unit"] == "a0", "content"].to_numpy()
    with pytest.raises(LeakageError, match=r"is in its support under another name; got a[01]-\d, a copy of a[01]-\d"):
        sets(table).audit()


def test_a_unit_of_two_classes_is_on_one_side():
    """A bearing recorded before and after it fails teaches one class where another is asked: never both."""
    table = recordings()
    table["unit"] = [f"u{name[1]}" for name in table["recording"]]
    drawn = sets(table)
    for one in drawn.fixed("test"):
        assert not units_of(drawn, one.support) & units_of(drawn, one.query)
    table = recordings(units=2, per_unit=1)
    table["unit"] = [{"a": "xy", "b": "yz", "c": "zx"}[name[0]][int(name[1])] for name in table["recording"]]
    with pytest.raises(DataError, match="support and query share a unit whatever is drawn"):
        sets(table).fixed("test")


def test_fewer_ways_and_too_many():
    drawn = sets(recordings(), n_way=2)
    assert {len(one.ways) for one in drawn.fixed("test")} == {2}
    assert len({tuple(one.ways) for one in drawn.fixed("test")}) == 3
    with pytest.raises(DataError, match="an episode tells two classes or more apart, and the set has"):
        sets(recordings(), n_way=4).fixed("test")


def test_too_few_windows_are_refused():
    with pytest.raises(DataError, match="too few windows for an episode of 50 support and 3 query windows"):
        sets(recordings(), k_shot=50).fixed("test")


def test_classes_that_training_has_are_not_asked_where_there_are_novel_ones():
    drawn = sets(recordings(), trained=("a0", "a1"))
    assert {tuple(one.ways) for one in drawn.fixed("test")} == {(1, 2)}
    assert all(one.novel.all() for one in drawn.fixed("test"))


def test_base_classes_join_by_windows_of_training():
    """Classes a and b are trained on two of three units; c is novel; what is asked of a and b is the third unit."""
    drawn = sets(recordings(), trained=("a0", "a1", "b0", "b1"), base_shot=4)
    for one in drawn.fixed("test"):
        assert one.ways.tolist() == [0, 1, 2]
        assert one.novel.tolist() == [False, False, True]
        assert np.bincount(one.support_way).tolist() == [4, 4, 2]
        base = one.support[one.support_way < 2]
        assert units_of(drawn, base) <= {"a0", "a1", "b0", "b1"}
        assert units_of(drawn, one.query[one.query_way < 2]) == {"a2", "b2"}
    assert drawn.audit().level == "unit"


def test_training_takes_some_classes_for_novel_and_teaches_none_by_what_is_asked():
    drawn = sets(recordings(), trained=("a0", "a1", "b0", "b1"), base_shot=4)
    kinds = set()
    for number in range(20):
        one = drawn.draw("train", number, 0)
        kinds.add(tuple(one.ways[one.novel]))
        assert not units_of(drawn, one.support) & units_of(drawn, one.query)
    assert kinds == {(0,), (1,)}


def test_generalised_few_shot_needs_training():
    with pytest.raises(ConfigError, match="base classes join an episode by windows of training; got none"):
        sets(recordings(), base_shot=4).fixed("test")
    with pytest.raises(DataError, match="asks about base classes beside novel ones; got 0 base classes"):
        sets(recordings(), trained=("a",), base_shot=4).fixed("test")


def test_a_saved_list_is_loaded_as_it_was(tmp_path):
    drawn = sets(recordings(), trained=("a0", "a1", "b0", "b1"), base_shot=4)
    drawn.listed().to_csv(tmp_path / "episodes.csv", index=False)
    again = sets(
        recordings(), trained=("a0", "a1", "b0", "b1"), base_shot=4, seed=7, file=str(tmp_path / "episodes.csv")
    )
    for one, other in zip(drawn.fixed("test"), again.fixed("test"), strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert again.audit().notes == (f"episodes are those of {tmp_path / 'episodes.csv'}",)


def test_a_list_that_does_not_fit_is_refused(tmp_path):
    drawn, file = sets(recordings()), tmp_path / "episodes.csv"
    frame = to_table(drawn.fixed("test"), classes=CLASSES, table=drawn.table, windows=drawn.windows, window=WINDOW)
    given = {"classes": CLASSES, "table": drawn.table, "windows": drawn.windows, "allowed": drawn.assignment.test}
    with pytest.raises(DataError, match=r"is not to be opened; got .*No such file"):
        from_table(str(file), window=WINDOW, **given)
    frame.drop(columns="part").to_csv(file, index=False)
    with pytest.raises(DataError, match="is no list of episodes; got no column part"):
        from_table(str(file), window=WINDOW, **given)
    frame.to_csv(file, index=False)
    with pytest.raises(DataError, match=r"has windows of \[100\] samples; got data.window=64"):
        from_table(str(file), window=64, **given)
    given["allowed"] = drawn.assignment.test[:1]
    with pytest.raises(DataError, match="are none of this run's test"):
        from_table(str(file), window=WINDOW, **given)


def test_what_the_record_says():
    assert sets(recordings()).facts(np.full(18, 50.0)) == {
        "number": 20, "n_way": 3, "k_shot": 2, "n_query": 3, "labelled_seconds": 4.0, "base_shot": None,
        "disjoint": "unit", "level": "unit", "learn_from": "episodes",
    }  # fmt: skip


def test_ranks_get_as_many_episodes_in_training_and_each_one_once_in_a_test():
    test = [[n.tolist() for n in EpisodeNumbers(7, rank=rank, ranks=2, training=False)] for rank in (0, 1)]
    assert sorted(test[0] + test[1]) == [[0, n] for n in range(7)]
    for rank in (0, 1):
        numbers = EpisodeNumbers(7, rank=rank, ranks=2, training=True)
        numbers.set_epoch(3)
        assert [n.tolist() for n in numbers] == [[3, rank], [3, rank + 2], [3, rank + 4]]
        assert len(numbers) == 3
        numbers.done = (3, 2)  # resumed within the epoch
        assert [n.tolist() for n in numbers] == [[3, rank + 4]]
    assert len(EpisodeNumbers(7, rank=0, ranks=1, training=True, step=2)) == 6
