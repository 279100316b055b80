"""Which windows of a target are adapted to and which are tested; batches of both; and what nobody may see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from phmbench import build
from phmbench.check import check
from phmbench.data.audit import audit, split_table
from phmbench.data.pair_batches import PairBatches
from phmbench.data.target import Target
from phmbench.errors import DataError, LeakageError
from phmbench.tasks.adaptation import Adaptation
from phmbench.types import Assignment, Windows
from tests.contract.composing import composed

WINDOW = 4


def small(units: list[str], *, windows: int = 4) -> tuple[Assignment, pd.DataFrame, Windows]:
    """Two source recordings (for training and validation) of each class, and target recordings of these units; classes
    take turns. Each has so many windows that do not overlap."""
    names = ["a", "b"] * (2 + len(units) // 2)
    table = pd.DataFrame(
        {
            "recording": [f"r{i}" for i in range(len(names))],
            "unit": [f"s{i}" for i in range(4)] + units,
            "rig": ["one"] * 4 + ["two"] * len(units),
            "condition": "c",
            "label": names,
        }
    )
    index = Windows(np.repeat(np.arange(len(names)), windows), np.tile(np.arange(windows) * WINDOW, len(names)))
    rows = np.arange(len(names) * windows)
    train, val, test = rows[: 2 * windows], rows[2 * windows : 4 * windows], rows[4 * windows :]
    assignment = Assignment(
        train=train, val=val, test=test, classes=("a", "b"), domain=np.zeros(len(rows), np.int64), domains=("one",),
        name="hold_out_rigs", level="rig", validation_level="unit", target=("two",),
    )  # fmt: skip
    return assignment, table, index


def cut(units: list[str], *, windows: int = 4) -> tuple[Assignment, pd.DataFrame, Windows]:
    assignment, table, index = small(units, windows=windows)
    return Target(share=0.5, seed=0)(assignment, table, index, WINDOW), table, index


def test_units_are_apart_where_each_class_has_two():
    """Two units a class: one each is adapted to, and the rig is no longer unseen."""
    found, table, index = cut(["t0", "t1", "t2", "t3"])
    units = [set(table["unit"].iloc[index.recording[rows]]) for rows in (found.adapt, found.test)]
    assert not units[0] & units[1]
    assert [len(rows) for rows in (found.adapt, found.test)] == [8, 8]
    assert found.level == "unit"
    assert "adapted to and tested are other units of the target" in found.notes


def test_recordings_are_apart_where_a_class_has_one_unit():
    found, _, index = cut(["t0", "t1", "t0", "t1"])
    assert not set(index.recording[found.adapt]) & set(index.recording[found.test])
    assert found.level == "recording"
    assert any("weak: target windows are not apart by unit: class 'a' has one unit" in note for note in found.notes)


def test_units_that_are_not_known_are_not_taken_for_apart():
    found, _, _ = cut(["t0", "t1", "t2", None])
    assert any("not apart by unit: of some recordings it is not known" in note for note in found.notes)


def test_time_is_cut_with_a_gap_where_a_class_has_one_recording():
    """Of six windows, two are adapted to and two tested at the most: one is lost to the gap of a window."""
    found, _, index = cut(["t0", "t1"], windows=6)
    assert found.level == "sample"
    for recording in (4, 5):
        ends = index.start[found.adapt][index.recording[found.adapt] == recording].max() + WINDOW
        begins = index.start[found.test][index.recording[found.test] == recording].min()
        assert begins - ends >= WINDOW


def test_recordings_that_are_too_short_and_other_label_spaces_are_refused():
    with pytest.raises(DataError, match="class 'a' of the target is too short to be cut in time"):
        cut(["t0", "t1"], windows=1)
    assignment, table, index = small(["t0", "t1", "t2", "t3"])
    for other, what in (
        (assignment._replace(classes=("a", "b", "z")), "a target that lacks z"),
        (assignment._replace(foreign=assignment.test[:1]), "a target that has classes of its own"),
    ):
        with pytest.raises(DataError, match=f"methods of adaptation are for one label space; got {what}"):
            Target(share=0.5, seed=0)(other, table, index, WINDOW)


def test_the_audit_takes_what_is_adapted_to_for_seen():
    found, table, index = cut(["t0", "t1", "t0", "t1"])
    table["content"] = [f"c{i}" for i in range(len(table))]
    said = audit(found, table=table, windows=index, window=WINDOW, fingerprints=None)
    assert said.shared["units"] == 2
    assert said.shared["rigs"] == 1
    assert said.counts["adapt"] == {"windows": 8, "recordings": 2, "units": 2}
    assert (split_table(found, table=table, windows=index, window=WINDOW)["set"] == "adapt").sum() == 2
    both = found._replace(adapt=np.sort(np.append(found.adapt, found.test[0])))
    name = table["recording"].iloc[index.recording[found.test[0]]]
    with pytest.raises(LeakageError, match=f"the test set with the windows that are adapted to; got 4 samples.*{name}"):
        audit(both, table=table, windows=index, window=WINDOW, fingerprints=None)
    table.loc[index.recording[found.test[0]], "content"] = table["content"].iloc[index.recording[found.adapt[0]]]
    with pytest.raises(LeakageError, match="under another name"):
        audit(found, table=table, windows=index, window=WINDOW, fingerprints=None)


def pairs(*, rank: int = 0, ranks: int = 1, epoch: int = 0, done: int = 0) -> list[tuple[list[int], list[int]]]:
    batches = PairBatches(40, 4, target=6, seed=3, rank=rank, ranks=ranks)
    batches.set_epoch(epoch)
    batches.done = (epoch, done)
    return [(one.tolist(), other.tolist()) for one, other in batches]


def test_the_target_is_gone_through_again_and_again_and_an_epoch_is_as_long_as_the_source():
    found = pairs()
    assert sorted(one for each, _ in found for one in each) == list(range(40))
    stream = [one for _, each in found for one in each]
    assert [sorted(stream[i : i + 6]) for i in range(0, 36, 6)] == [list(range(6))] * 6
    assert stream[:6] != stream[6:12]
    assert pairs(epoch=1) != found


def test_a_resumed_epoch_goes_on_with_the_same_pairs():
    assert pairs(done=4) == pairs()[4:]


def test_ranks_take_turns_and_together_see_what_one_would():
    one, other = pairs(rank=0, ranks=2), pairs(rank=1, ranks=2)
    assert [pair for both in zip(one, other, strict=True) for pair in both] == pairs()


QUICK = (
    "task=adapt", "model=wdcnn", "data.sources.simulated.rigs=[motor]", "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.25", "data.window=1024", "data.hop=1024", "trainer=cpu",
)  # fmt: skip


def test_labels_of_the_target_are_in_no_batch(tmp_path):
    """Every window that a method is given of the target is of class −1 and domain −1, and none of them is tested."""
    config = composed(*QUICK, f"paths.cache={tmp_path}", "data.normalise=train")
    data = build.data(config)
    data.setup()
    given = [pair.target for pair in data.train_dataloader()] + list(data.target_batches())
    assert given
    for batch in given:
        assert bool((batch.label == -1).all())
        assert bool((batch.domain == -1).all())
        assert set(batch.window.tolist()) <= set(data.adapt.tolist())
    assert not set(data.adapt) & {*data.assignment.train, *data.assignment.val, *data.assignment.test}
    raw = data._raw(data.assignment.train).astype(np.float64)  # statistics are of the sources' windows alone
    np.testing.assert_allclose(data.statistics.mean.ravel(), raw.mean((0, 2)), rtol=1e-4, atol=1e-6)
    task = build.task(config, data.facts)
    assert isinstance(task, Adaptation)
    assert all(torch.is_tensor(value) for value in task.losses(next(iter(data.train_dataloader()))).values())


def test_pairs_are_not_tried_for_how_many_fit():
    config = {**composed(*QUICK), "fit_memory": True}
    assert any("a batch is a pair, of sources and target" in str(finding) for finding in check(config))
