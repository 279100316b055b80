"""Leaks that are planted in splits, statistics, choices, episodes and earlier stages, and what the audit says of each.

The store is the simulator's, the code that is fitted the project's own or scikit-learn's; nothing is imitated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.data.apart import audit_episode, audit_selection, audit_stage, audit_statistics
from phmbench.data.audit import Audit, audit
from phmbench.data.datamodule import VibrationData
from phmbench.data.normalise import TrainStatistics
from phmbench.data.seen import seen
from phmbench.data.sources.simulated import Simulated
from phmbench.data.splits.hold_out import HoldOut
from phmbench.data.splits.recordings import Recordings
from phmbench.data.splits.time_blocks import TimeBlocks
from phmbench.data.splits.units import Units
from phmbench.data.splits.window_random import WindowRandom
from phmbench.data.store import Store
from phmbench.errors import LeakageError
from phmbench.features import moments
from phmbench.features.kurtogram import best_band, kurtogram
from phmbench.types import Assignment

WINDOW = 1024
Rows = NDArray[np.int64]


class Leak(NamedTuple):
    """A leak, and what must be said of it."""

    kind: str
    variant: str
    said: Callable[[Path], str]  # given a folder for stores: the error's message, or what the record holds
    expected: tuple[str, ...]
    stops: bool  # an error ends the run; else it stands in the record


@cache
def opened(cache_folder: Path, split: Any, hop: int = WINDOW) -> VibrationData:
    """Two simulated rigs, split."""
    source = Simulated(rigs=["motor", "pump"], bearings=1, conditions=2, seconds=0.75, snr_db=10.0, seed=0)
    data = VibrationData(
        sources={"simulated": source}, split=split, cache=str(cache_folder), seed=0, where=None, ids=None,
        channels=None, sample_rate=12000.0, view="time", per_revolution=None, band=None, whiten=None, nan="refuse",
        label="fault_type", window=WINDOW, hop=hop, normalise="none", noise_db=None, augment=None, balance="none",
        batch_size=8, num_workers=0,
    )  # fmt: skip
    data.assign()
    return data


def clean(folder: Path) -> VibrationData:
    """By recording: no sample, and no recording, is on both sides."""
    return opened(folder, RECORDINGS)


RECORDINGS = Recordings(val=0.2, test=0.2, seed=0)
UNITS = Units(val=0.2, test=0.2, target=None, seed=0)


def stopped(call: Callable[[], object]) -> str:
    """The message of the error, or nothing where there is none."""
    try:
        call()
    except LeakageError as error:
        return str(error)
    return ""


def audited(data: VibrationData, assignment: Assignment, store: Store | None = None) -> Audit:
    assert data.store is not None
    held = data.store if store is None else store
    return audit(assignment, table=data.table, windows=data.windows, window=WINDOW, fingerprints=held.fingerprints)


def moved(data: VibrationData, *, to: str, of: str = "train", number: int = 1) -> Assignment:
    """Windows of one set are in another as well."""
    rows = getattr(data.assignment, of)[:number]
    return data.assignment._replace(**{to: np.union1d(getattr(data.assignment, to), rows)})


def late_by(samples: int) -> Callable[[Path], str]:
    """Half of the windows of every recording are tested, and begin before the last one of training has ended."""

    def said(folder: Path) -> str:
        data = clean(folder)
        start = data.windows.start.copy()
        first, last = start < 4 * WINDOW, start >= 4 * WINDOW
        start[last] -= samples
        rows = np.arange(len(start))
        shifted = replace_windows(data, start)
        split = data.assignment._replace(train=rows[first], val=rows[:0], test=rows[last], name="by hand")
        return stopped(lambda: audited(shifted, split))

    return said


def replace_windows(data: VibrationData, start: Rows) -> Any:
    """The same recordings under another index of windows."""
    from types import SimpleNamespace

    return SimpleNamespace(store=data.store, table=data.table, windows=data.windows._replace(start=start))


def recorded(split: Any) -> Callable[[Path], str]:
    """What the record holds of a split that the audit lets pass."""

    def said(folder: Path) -> str:
        found = opened(folder, split).audit
        return " · ".join([*found.findings, *(f"{kind}: {', '.join(names)}" for kind, names in found.which.items())])

    return said


def one_recording(folder: Path) -> str:
    """Of all, one recording has its last window in the test set."""
    data = clean(folder)
    last = data.assignment.train[-1:]
    split = data.assignment._replace(
        train=data.assignment.train[:-1], test=np.union1d(data.assignment.test, last), name="by hand"
    )
    found = audited(data, split)
    return " · ".join([*found.findings, *(f"{kind}: {', '.join(names)}" for kind, names in found.which.items())])


def one_unit(folder: Path) -> str:
    """Of units that are apart, one has a recording on either side."""
    data = opened(folder, UNITS)
    unit = data.table["unit"].to_numpy()[data.windows.recording]
    mine = data.assignment.train[unit[data.assignment.train] == unit[data.assignment.train[0]]]
    of = data.windows.recording[mine]
    given = mine[of == of[0]]
    split = data.assignment._replace(
        train=np.setdiff1d(data.assignment.train, given), test=np.union1d(data.assignment.test, given), name="by hand"
    )
    found = audited(data, split)
    return " · ".join([*found.findings, *(f"{kind}: {', '.join(names)}" for kind, names in found.which.items())])


def read_by(fit: Callable[[VibrationData, Rows], object], *, sets: tuple[str, ...]) -> Callable[[Path], str]:
    """Fit on the windows of these sets; what was read is watched."""

    def said(folder: Path) -> str:
        data = clean(folder)
        rows = np.concatenate([getattr(data.assignment, name) for name in sets])
        with data.reading() as read:
            fit(data, rows)
        held = {"table": data.table, "windows": data.windows}
        return stopped(lambda: audit_statistics(np.concatenate(read), data.assignment, what=fit.__name__, **held))

    return said


def normaliser(data: VibrationData, rows: Rows) -> object:
    return TrainStatistics.fit(data.batch(part).signal.numpy() for part in np.array_split(rows, 3))


def feature_selection(data: VibrationData, rows: Rows) -> object:
    from sklearn.feature_selection import SelectKBest

    batch = data.batch(rows)
    return SelectKBest(k=3).fit(moments.moments(batch.signal).flatten(1).numpy(), batch.label.numpy())


def kurtogram_band(data: VibrationData, rows: Rows) -> object:
    return best_band(kurtogram(data.batch(rows).signal, levels=5), levels=5)


def chosen_by(*sets: str) -> Callable[[Path], str]:
    """Early stopping looks at these sets."""

    def said(folder: Path) -> str:
        data = clean(folder)
        with data.reading() as read:
            for name in sets:
                for batch in getattr(data, f"{name}_dataloader")():
                    assert len(batch.label)
        held = {"what": "early stopping", "table": data.table, "windows": data.windows}
        return stopped(lambda: audit_selection(np.concatenate(read), data.assignment, **held))

    return said


def episode(support: Callable[[VibrationData], Rows], query: Callable[[VibrationData], Rows]) -> Callable[[Path], str]:
    def said(folder: Path) -> str:
        data = clean(folder)
        assert data.store is not None
        held = {"table": data.table, "windows": data.windows, "window": WINDOW}
        found: dict[str, int | None] = {}
        text = stopped(
            lambda: found.update(
                audit_episode(support(data), query(data), fingerprints=data.store.fingerprints, **held)  # type: ignore[union-attr]
            )
        )
        return text or ", ".join(f"{kind} {count}" for kind, count in found.items())

    return said


def of_recording(number: int, *windows: int) -> Callable[[VibrationData], Rows]:
    """Some windows of one recording."""
    return lambda data: np.flatnonzero(data.windows.recording == number)[list(windows)]


def copied_query(folder: Path) -> str:
    """The query recording is the support's, under another name."""
    data = clean(folder)
    assert data.store is not None
    table = data.table.copy()
    table.loc[5, "content"] = table.loc[2, "content"]
    held = {"table": table, "windows": data.windows, "window": WINDOW, "fingerprints": data.store.fingerprints}
    return stopped(lambda: audit_episode(of_recording(2, 0)(data), of_recording(5, 0)(data), **held))


def stage(what: str, *, of: str, number: int | None, split: Any = UNITS, **changed: Any) -> Callable[[Path], str]:
    """An earlier stage has seen windows of the test set, or others of the same recordings or units."""

    def said(folder: Path) -> str:
        data = opened(folder, split)
        held = {"table": data.table, "windows": data.windows, "window": WINDOW}
        tested = data.assignment.test
        if of == "units":  # the unit's other condition alone
            tested = tested[data.windows.recording[tested] == data.windows.recording[tested[0]]]
            unit = data.table["unit"].to_numpy()[data.windows.recording]
            rows = np.flatnonzero(
                (unit == unit[tested[0]]) & (data.windows.recording != data.windows.recording[tested[0]])
            )
        elif of == "recordings":  # windows of the same recording that are not tested
            own = tested[data.windows.recording[tested] == data.windows.recording[tested[0]]]
            rows, tested = np.array_split(own, 2)
        else:
            rows = tested
        known = [{**one, **changed} for one in seen(rows[:number], **held)]
        assignment = data.assignment._replace(test=tested)
        return stopped(lambda: audit_stage(known, assignment, what=what, **held))

    return said


SHARES = "shares samples of the test set with training or validation"
LEAKS = [
    Leak("overlapping windows", "hop half a window, split at random", lambda folder: stopped(
        lambda: opened(folder, WindowRandom(val=0.2, test=0.2, seed=0), WINDOW // 2)), (SHARES, "simulated/"), True),
    Leak("overlapping windows", "hop one sample short of a window, split at random", lambda folder: stopped(
        lambda: opened(folder, WindowRandom(val=0.2, test=0.2, seed=0), WINDOW - 1)), (SHARES, "simulated/"), True),
    Leak("overlapping windows", "a cut in time, 512 samples", late_by(512), (SHARES, "got 30720 samples"), True),
    Leak("overlapping windows", "a cut in time, one sample", late_by(1), (SHARES, "simulated/"), True),
    Leak("overlapping windows", "one window in training and test", lambda folder: stopped(
        lambda: audited(clean(folder), moved(clean(folder), to="test"))), (SHARES, "got 1024 samples", "simulated/"),
        True),
    Leak("overlapping windows", "one window in validation and test", lambda folder: stopped(
        lambda: audited(clean(folder), moved(clean(folder), to="test", of="val"))), (SHARES, "simulated/"), True),
    Leak("overlapping windows", "one window in training and validation", lambda folder: stopped(
        lambda: audited(clean(folder), moved(clean(folder), to="val"))),
        ("shares samples of validation with training", "simulated/"), True),
    Leak("one recording on both sides", "its end is tested", recorded(TimeBlocks(val=0.2, test=0.2)),
         ("training and test share 60 recordings", "recordings: simulated/"), False),
    Leak("one recording on both sides", "its windows at random", recorded(WindowRandom(val=0.2, test=0.2, seed=0)),
         ("training and test share 48 recordings", "recordings: simulated/"), False),
    Leak("one recording on both sides", "one of 60", one_recording,
         ("training and test share one recording", "recordings: simulated/"), False),
    Leak("one physical unit", "recordings at random", recorded(RECORDINGS),
         ("training and test share 10 units", "units: simulated/"), False),
    Leak("one physical unit", "by load, each bearing at all loads", recorded(
        HoldOut(column="load", target=[800.0, 2500.0], val=0.2, seed=0)),
        ("training and test share 30 units", "units: simulated/"), False),
    Leak("one physical unit", "one of 30", one_unit, ("training and test share one unit", "units: simulated/"), False),
    Leak("one condition", "units at random", recorded(UNITS),
         ("training and test share 4 conditions", "conditions: simulated/motor at "), False),
    Leak("one condition", "recordings at random", recorded(RECORDINGS),
         ("training and test share 4 conditions", "conditions: simulated/motor at "), False),
    *(Leak(kind, variant, read_by(fit, sets=sets), (f"{fit.__name__}: fitted on", said, "simulated/"), True)
      for kind, fit in (("a normaliser", normaliser), ("a feature selection", feature_selection),
                        ("a kurtogram's band", kurtogram_band))
      for variant, sets, said in (("fitted on all", ("train", "val", "test"), "of the test set"),
                                  ("fitted on training and validation", ("train", "val"), "got 0 of the test set"),
                                  ("fitted on training and test", ("train", "test"), "0 of validation"))),
    Leak("the target chooses", "early stopping on the test set", chosen_by("test"),
         ("early stopping: chosen by", "of the test set", "simulated/"), True),
    Leak("the target chooses", "early stopping on validation and test", chosen_by("val", "test"),
         ("early stopping: chosen by", "of the test set", "simulated/"), True),
    Leak("support and query", "one recording, other windows", episode(of_recording(3, 0, 1), of_recording(3, 4, 5)),
         ("support and query share one recording; got 0 samples in both", "simulated/"), True),
    Leak("support and query", "the same window", episode(of_recording(3, 0, 1), of_recording(3, 1, 2)),
         ("support and query share one recording; got 1024 samples in both", "simulated/"), True),
    Leak("support and query", "a copy under another name", copied_query,
         ("one query recording is in the support set under another name", "is a copy of simulated/"), True),
    Leak("support and query", "one unit at two conditions", episode(of_recording(0, 0), of_recording(1, 0)),
         ("units 1",), False),
    *(leak for what in ("pretraining", "generator") for leak in (
        Leak(f"{what} has seen", "samples of the test set", stage(what, of="samples", number=None),
             (f"{what} was trained or selected on", "samples of this test set; got simulated/"), True),
        Leak(f"{what} has seen", "one window of it", stage(what, of="samples", number=1),
             (f"{what} was trained or selected on 1024 samples", "got simulated/"), True),
        Leak(f"{what} has seen", "the same, under another name", stage(what, of="samples", number=1, recording="other"),
             (f"{what} was trained or selected on 1024 samples", "got simulated/"), True),
        Leak(f"{what} has seen", "other windows of a recording", stage(what, of="recordings", number=2),
             (f"{what}: has seen one unit of the test set", "keeps apart; got simulated/"), True),
        Leak(f"{what} has seen", "other windows of a recording, units not known", stage(
            what, of="recordings", number=2, unit=None, recording="other"),
             (f"{what}: has seen one recording of the test set", "keeps apart; got simulated/"), True),
        Leak(f"{what} has seen", "a test unit at another condition", stage(what, of="units", number=None),
             (f"{what}: has seen one unit of the test set", "keeps apart; got simulated/"), True))),
]  # fmt: skip
