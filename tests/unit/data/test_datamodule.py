"""From a source to batches: labels, windows, the order of batches over ranks, and what a checkpoint carries."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phmbench.data.balance import weights
from phmbench.data.batches import Batches
from phmbench.data.datamodule import VibrationData
from phmbench.data.seen import runs
from phmbench.data.splits.recordings import Recordings
from phmbench.errors import DataError
from phmbench.types import Assignment, Windows


class Ramps:
    """Recordings of known samples: recording r is r + 0, 1, 2, … thousandths in each channel, channel c ten higher."""

    def __init__(self, labels: list[Any], *, lengths: list[int] | None = None, channels: int = 1) -> None:
        self.labels, self.lengths = labels, lengths or [400] * len(labels)
        self.names = tuple("abc"[:channels])
        self.default_channels = self.names

    def fingerprint(self) -> dict[str, object]:
        return {"labels": [str(x) for x in self.labels], "lengths": self.lengths, "channels": list(self.names)}

    def table(self) -> pd.DataFrame:
        rows = range(len(self.labels))
        return pd.DataFrame(
            {
                "dataset": "ramps",
                "rig": [f"rig{r % 2}" for r in rows],
                "recording": [f"ramps/{r:02d}" for r in rows],
                "unit": [f"unit{r}" for r in rows],
                "condition": "c",
                "channels": [self.names] * len(rows),
                "fs": 1000.0,
                "n_samples": self.lengths,
                "fault_type": self.labels,
                "speed_rpm": [600.0 if r else np.nan for r in rows],
            }
        )

    def signal(self, row: pd.Series, channels: Any) -> np.ndarray:
        r = int(row["recording"][-2:])
        line = np.random.default_rng(r).standard_normal(int(row["n_samples"])) * 0.1 + r
        return np.stack([line + 10 * self.names.index(c) for c in channels])


FOUR = ["inner"] * 4 + ["outer"] * 4


def data_of(source: Ramps, tmp_path: Path, **changes: Any) -> VibrationData:
    """Data of one source, split by recording, with windows of 100 samples."""
    given = {
        "sources": {"ramps": source},
        "split": Recordings(val=0.25, test=0.25, seed=0),
        "cache": str(tmp_path),
        "seed": 0,
        "where": None,
        "ids": None,
        "channels": None,
        "sample_rate": None,
        "view": "time",
        "per_revolution": None,
        "band": None,
        "whiten": None,
        "balance": "none",
        "label": "fault_type",
        "window": 100,
        "hop": 100,
        "normalise": "none",
        "nan": "refuse",
        "noise_db": None,
        "augment": None,
        "batch_size": 4,
        "num_workers": 0,
    }
    return VibrationData(**{**given, **changes})


# -- labels and windows ----------------------------------------------------------------------------------------------


def test_a_label_that_is_no_column(tmp_path):
    with pytest.raises(
        DataError, match=r"data\.label: no column 'fault' in the recording table; expected one of .*unit"
    ):
        data_of(Ramps(FOUR), tmp_path, label="fault").open()


def test_a_label_that_no_recording_has(tmp_path):
    with pytest.raises(DataError, match=r"data\.label: no recording has a 'fault_type'; expected at least two classes"):
        data_of(Ramps([None] * 4), tmp_path).open()


def test_one_class_only(tmp_path):
    with pytest.raises(DataError, match=r"data\.label: one class only \('inner'\); expected at least two"):
        data_of(Ramps(["inner"] * 3 + [None]), tmp_path).open()


def test_what_cannot_be_classified_is_refused_before_a_signal_is_read(tmp_path):
    class Unread(Ramps):
        def signal(self, row, channels):
            raise AssertionError("a signal was read")

    with pytest.raises(DataError, match="no recording has a 'fault_type'"):
        data_of(Unread([None] * 4), tmp_path).open()
    with pytest.raises(DataError, match=r"data\.window: 401 samples"):
        data_of(Unread(FOUR), tmp_path, window=401).open()


def test_recordings_without_a_label_are_noted_and_in_no_set(tmp_path):
    data = data_of(Ramps([*FOUR, None]), tmp_path)
    data.setup()
    assert "1 recordings have no fault_type and are left out" in data.notes
    used = np.concatenate([data.assignment.train, data.assignment.val, data.assignment.test])
    assert 8 not in data.windows.recording[used]


def test_numbers_as_labels_are_one_class_whatever_their_type(tmp_path):
    """3 and 3.0 are class "3"; 2.5 stays "2.5"."""
    data = data_of(Ramps(["x"] * 4), tmp_path)
    table = pd.DataFrame({"fault_type": [3.0, 3, 2.5, np.nan], "length": 400}, dtype=object)
    assert data._labels(table) == ["3", "3", "2.5", None]


def test_a_window_as_long_as_the_recording_is_the_recording(tmp_path):
    data = data_of(Ramps(FOUR), tmp_path, window=400, hop=400)
    data.open()
    assert data.windows.start.tolist() == [0] * 8


def test_a_window_longer_than_every_recording(tmp_path):
    """One sample too long."""
    message = "data.window: 401 samples; the longest of 8 recordings has 400; expected at most that"
    with pytest.raises(DataError, match=message):
        data_of(Ramps(FOUR), tmp_path, window=401).open()


def test_recordings_shorter_than_a_window_are_noted(tmp_path):
    data = data_of(Ramps(FOUR, lengths=[99, *[400] * 7]), tmp_path)
    data.open()
    (note,) = [note for note in data.notes if "shorter" in note]
    assert note.startswith("1 recordings are shorter than a window of 100 samples and left out: ")
    assert 0 not in data.windows.recording


def test_a_hop_longer_than_the_window_skips_samples(tmp_path):
    """400 samples, window 100, hop 150: windows begin at 0, 150 and 300."""
    data = data_of(Ramps(FOUR), tmp_path, hop=150)
    data.open()
    assert data.windows.start[data.windows.recording == 0].tolist() == [0, 150, 300]


class OnlyTests:
    """A split that leaves nothing to train on, as one of a user's own may."""

    level = "recording"

    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        rows, none = np.arange(len(windows.start)), np.zeros(0, np.int64)
        return Assignment(
            train=none, val=none, test=rows, classes=("inner", "outer"), domain=np.full(len(rows), -1), domains=("x",),
            name="only_tests", level="recording", validation_level="recording",
        )  # fmt: skip

    def targets(self, table: pd.DataFrame) -> dict[str, list[Any]]:
        return {}


def test_a_split_that_leaves_nothing_to_train_on(tmp_path):
    with pytest.raises(DataError, match=r"task\.split: no window is left for training or validation; choose another"):
        data_of(Ramps(FOUR), tmp_path, split=OnlyTests()).setup()


# -- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_holds_its_windows_and_what_is_known_of_them(tmp_path):
    data = data_of(Ramps(FOUR, channels=2), tmp_path)
    data.setup()
    rows = np.array([5, 0, 31])  # recordings 1, 0 and 7; windows 1, 0 and 3 of them
    batch = data.batch(rows)
    assert batch.signal.shape == (3, 2, 100)
    for i, (r, start) in enumerate(((1, 100), (0, 0), (7, 300))):
        row = data.table.iloc[r]
        expected = data.sources["ramps"].signal(row, ("a", "b"))[:, start : start + 100]
        torch.testing.assert_close(batch.signal[i], torch.tensor(expected, dtype=torch.float32))
    assert [data.classes[k] for k in batch.label] == ["inner", "inner", "outer"]
    assert batch.window.tolist() == rows.tolist()
    assert batch.context.rate_hz.tolist() == [1000.0] * 3
    assert batch.context.speed_hz[0] == 10
    assert batch.context.speed_hz[1].isnan()
    assert batch.context.orders.isnan().all()
    assert data.facts.channels == 2
    assert data.facts.rate_hz == 1000


def test_each_window_normalised_by_itself(tmp_path):
    data = data_of(Ramps(FOUR, channels=2), tmp_path, normalise="window")
    data.setup()
    signal = data.batch(np.arange(8)).signal
    torch.testing.assert_close(signal.mean(-1), torch.zeros(8, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(signal.std(-1, correction=0), torch.ones(8, 2), atol=1e-4, rtol=0)


def test_statistics_are_of_training_windows_alone(tmp_path):
    """Training windows together have mean 0 and variance 1; all windows together do not."""
    data = data_of(Ramps(FOUR), tmp_path, normalise="train")
    data.setup()
    train = data.batch(data.assignment.train).signal
    assert float(train.mean()) == pytest.approx(0, abs=1e-4)
    assert float(train.std(correction=0)) == pytest.approx(1, abs=1e-3)
    assert abs(float(data.batch(np.arange(32)).signal.mean())) > 1e-3


def test_noise_is_added_to_test_windows_alone_and_is_the_same_each_time(tmp_path):
    data = data_of(Ramps(FOUR), tmp_path, noise_db=0.0)
    data.setup()
    clean = data.batch(data.assignment.test).signal
    first, again = (torch.cat([b.signal for b in data.test_dataloader()]) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, clean)
    val = torch.cat([b.signal for b in data.val_dataloader()])
    assert torch.equal(val, data.batch(data.assignment.val).signal)


sizes = {"windows": st.integers(1, 200), "size": st.integers(1, 40), "ranks": st.integers(1, 8)}


@given(**sizes)
def test_every_window_is_tested_once_over_all_ranks(windows: int, size: int, ranks: int):
    """All ranks have equally many batches, none empty, and of sizes that differ by one at most."""
    if windows < ranks:
        return
    each = [list(Batches(windows, size, rank=rank, ranks=ranks, seed=None)) for rank in range(ranks)]
    assert sorted(int(i) for batches in each for batch in batches for i in batch) == list(range(windows))
    assert {len(batches) for batches in each} == {len(Batches(windows, size, rank=0, ranks=ranks, seed=None))}
    lengths = [len(batch) for batches in each for batch in batches]
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= max(size, 2)


@given(**sizes, seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_a_training_epoch_draws_no_window_twice(windows: int, size: int, ranks: int, seed: int, epoch: int):
    """Full batches, equally many on every rank; the same again for the same seed and epoch, as after a resume."""
    if windows < ranks:
        return

    def drawn(rank: int) -> list[list[int]]:
        batches = Batches(windows, size, rank=rank, ranks=ranks, seed=seed)
        batches.set_epoch(epoch)
        assert len(batches) == len(list(batches))
        return [batch.tolist() for batch in batches]

    each = [drawn(rank) for rank in range(ranks)]
    flat = [i for batches in each for batch in batches for i in batch]
    assert len(flat) == len(set(flat))
    assert set(flat) <= set(range(windows))
    assert {len(batch) for batches in each for batch in batches} == {min(size, windows // ranks)}
    assert len({len(batches) for batches in each}) == 1
    assert windows - len(flat) < size * ranks
    assert each == [drawn(rank) for rank in range(ranks)]


@given(**sizes, step=st.integers(1, 6))
def test_batches_in_parts_make_the_same_steps(windows: int, size: int, ranks: int, step: int):
    """Of batches of `size`, and of `step` parts of each: the same windows in each step, over all ranks, and no more."""
    if windows < size * step * ranks:
        return

    def steps(size: int, step: int) -> list[set[int]]:
        each = [list(Batches(windows, size, rank=rank, ranks=ranks, seed=1, step=step)) for rank in range(ranks)]
        return [
            {int(i) for batches in each for batch in batches[start : start + step] for i in batch}
            for start in range(0, len(each[0]), step)
        ]

    assert steps(size, step) == steps(size * step, 1)


@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=6), epoch=st.integers(0, 5), seed=st.integers(0, 5))
def test_what_is_balanced_comes_equally_often(counts: list[int], epoch: int, seed: int):
    """Each window comes as often as its weight says, to one; the same again for the same seed and epoch; over epochs
    groups of any sizes fill equal shares."""
    group = np.repeat(np.arange(len(counts)), counts)
    weight = weights(group, np.zeros_like(group))

    def drawn() -> np.ndarray:
        batches = Batches(len(group), 1, rank=0, ranks=1, seed=seed, weights=weight)
        batches.set_epoch(epoch)
        return np.concatenate(list(batches))

    order = drawn()
    assert len(order) == len(group)
    times = np.bincount(order, minlength=len(group))
    assert (np.abs(times - weight) < 1 + 1e-9).all()
    np.testing.assert_array_equal(order, drawn())
    many = np.concatenate([np.bincount(group[drawn_in(weight, e)], minlength=len(counts))[None] for e in range(200)])
    np.testing.assert_allclose(many.mean(0), len(group) / len(counts), rtol=0.15)


def drawn_in(weight: np.ndarray, epoch: int) -> np.ndarray:
    batches = Batches(len(weight), 1, rank=0, ranks=1, seed=0, weights=weight)
    batches.set_epoch(epoch)
    return np.concatenate(list(batches))


def test_an_epoch_too_short_for_a_step_has_all_its_batches():
    """10 windows in batches of 4: two, although a step would have five."""
    assert [len(batch) for batch in Batches(10, 4, rank=0, ranks=1, seed=0, step=5)] == [4, 4]


def test_each_epoch_and_seed_has_its_own_order():
    def order(seed: int, epoch: int) -> list[int]:
        batches = Batches(64, 64, rank=0, ranks=1, seed=seed)
        batches.set_epoch(epoch)
        return next(iter(batches)).tolist()

    orders = {tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(orders) == 6


def test_a_loader_leaves_the_random_numbers_of_the_network_alone(tmp_path):
    """An epoch that is resumed makes one iterator less than one that follows another: dropout must not notice."""
    data = data_of(Ramps(FOUR), tmp_path, batch_size=3)
    before = torch.get_rng_state()
    for loader in (data.train_dataloader(), data.val_dataloader()):
        assert len(list(loader))
    assert torch.equal(torch.get_rng_state(), before)


def test_fewer_windows_than_processes():
    with pytest.raises(
        DataError, match="trainer: 4 processes for a set of 3 windows; expected one for each at least; choose"
    ):
        Batches(3, 8, rank=0, ranks=4, seed=None)


def test_loaders_give_every_window_of_their_set(tmp_path):
    data = data_of(Ramps(FOUR), tmp_path, batch_size=3)
    data.setup()
    for name in ("val", "test"):
        seen = torch.cat([batch.window for batch in getattr(data, f"{name}_dataloader")()])
        assert sorted(seen.tolist()) == getattr(data.assignment, name).tolist()
    trained = torch.cat([batch.window for batch in data.train_dataloader()])
    assert set(trained.tolist()) <= set(data.assignment.train.tolist())


@pytest.mark.slow
def test_loader_processes_give_what_none_give(tmp_path):
    alone, helped = (data_of(Ramps(FOUR), tmp_path, num_workers=n) for n in (0, 2))
    for data in (alone, helped):
        data.setup()
    for one, other in zip(alone.test_dataloader(), helped.test_dataloader(), strict=True):
        assert torch.equal(one.signal, other.signal)
        assert torch.equal(one.window, other.window)


# -- what a checkpoint carries ---------------------------------------------------------------------------------------


@given(starts=st.lists(st.integers(0, 300), min_size=1, max_size=30), window=st.integers(1, 40))
def test_runs_cover_the_samples_of_their_windows(starts: list[int], window: int):
    """Exactly those, in runs that are ascending and do not touch."""
    found = runs(np.array(starts), window)
    covered = {s + i for s in starts for i in range(window)}
    assert {i for first, last in found for i in range(first, last + 1)} == covered
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(found))


def test_windows_that_touch_are_one_run():
    """Windows of 10 at 0, 10 and 25: samples 0–19 and 25–34."""
    assert runs(np.array([25, 0, 10]), 10) == [[0, 19], [25, 34]]


def test_a_checkpoint_says_what_it_was_trained_on(tmp_path):
    data = data_of(Ramps(FOUR), tmp_path, normalise="train")
    data.setup()
    state = data.state_dict()
    assert state["classes"] == ["inner", "outer"]
    trained = {one["recording"] for one in state["trained_on"]}
    side = np.concatenate([data.assignment.train, data.assignment.val])
    assert trained == {f"ramps/{r:02d}" for r in np.unique(data.windows.recording[side])}
    assert all(one["runs"] == [[0, 399]] for one in state["trained_on"])
    torch.save(state, tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True) == state


def state_of(data: VibrationData) -> dict[str, Any]:
    data.setup()
    return data.state_dict()


def test_adopted_classes_rigs_and_statistics_are_the_checkpoints(tmp_path):
    """Trained with three classes on rig0 alone, tested on two of them: labels keep the checkpoint's numbers."""
    one = state_of(data_of(Ramps(["cage", "inner", "outer"] * 6), tmp_path, normalise="train"))
    one = {**one, "rigs": ["rig0"], "trained_on": []}
    data = data_of(Ramps(FOUR), tmp_path, normalise="train")
    data.adopt(one)
    assert data.classes == ("cage", "inner", "outer")
    assert data.facts.classes == ("cage", "inner", "outer")
    batch = data.batch(data.assignment.test)
    assert set(batch.label.tolist()) == {1, 2}
    rigs = data.table["rig"].iloc[data.windows.recording[data.assignment.test]]
    assert batch.context.rig.tolist() == [0 if rig == "rig0" else -1 for rig in rigs]
    assert data.statistics is not None
    assert data.statistics.mean.ravel().tolist() == pytest.approx(one["mean"])


def test_classes_that_the_checkpoint_does_not_know_are_left_out_and_noted(tmp_path):
    one = {**state_of(data_of(Ramps(FOUR), tmp_path)), "trained_on": []}
    data = data_of(Ramps(["cage", "inner", "outer"] * 4), tmp_path)
    data.adopt(one)
    assert "called, not scored, because the checkpoint does not know them: cage" in data.assignment.notes
    tested = data.table["label"].iloc[data.windows.recording[data.assignment.test]]
    assert set(tested) == {"inner", "outer"}


def test_none_of_the_classes_is_known(tmp_path):
    one = state_of(data_of(Ramps(FOUR), tmp_path))
    data = data_of(Ramps(["cage"] * 4 + ["ball"] * 4), tmp_path)
    with pytest.raises(
        DataError, match=r"init: the checkpoint tells inner, outer; the test set has none of them \(ball"
    ):
        data.adopt(one)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 80, "hop": 80}, "data.window: the checkpoint was trained with 100; got 80; set data.window=100"),
        ({"normalise": "window"}, "data.normalise: the checkpoint was trained with none; got window"),
        ({"sample_rate": 500.0}, "data.sample_rate: the checkpoint was trained with 1000.0; got 500.0"),
        ({"channels": ["a"]}, "data.channels: the checkpoint was trained with 2; got 1"),
    ],
)
def test_data_that_do_not_fit_the_checkpoint(changes: dict[str, Any], message: str, tmp_path):
    one = state_of(data_of(Ramps(FOUR, channels=2), tmp_path))
    with pytest.raises(DataError) as caught:
        data_of(Ramps(FOUR, channels=2), tmp_path, **changes).adopt(one)
    assert message in str(caught.value)
