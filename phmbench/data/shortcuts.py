"""How much of a label facts give away that are no fault physics: gain, offset, value grid, length, rate, mains.

A shallow tree on one such fact is fitted on the training windows of a split and scored on the others. What it reaches,
a network can reach without having learnt anything of faults.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.data.store import Store
from phmbench.types import Assignment, Windows

VERSION = 2  # of what is computed; in the name of what is kept beside the store
RECORDINGS, WINDOWS = 200, 8  # of each set that are looked at, spread evenly; and of each recording
LOOKED_AT = 2**15  # samples of a recording, from its start, by which it is known
DEPTHS = (1, 2, 3, 4)  # of the trees that validation chooses among
MAINS_HZ = (50.0, 60.0)
Floats = NDArray[np.float64]


class Facts(NamedTuple):
    """Facts of windows by name, each (N, columns), and their classes (N,)."""

    values: Mapping[str, Floats]
    label: NDArray[np.int64]


def shortcuts(
    assignment: Assignment,
    *,
    table: pd.DataFrame,
    windows: Windows,
    window: int,
    store: Store,
    test: bool,
) -> dict[str, Any]:
    """Macro F1 of a shallow tree on each fact alone, of validation and, where it may be looked at, of the test set.

    Validation chooses the depth, 1 to 4. Nothing is chosen by the test set: what it gives is a property of the split.

    Args:
        assignment: what the split decided.
        table: the recording table, with `label`.
        windows: the window index.
        window: length of a window in samples.
        store: the recordings, in their unit.
        test: whether the test set may be looked at.

    Returns:
        `facts`: name → {"val": …, "test": …, "classes": F1 of each class, of the last of these}; `chance`: what a guess
        by the classes' shares reaches; `constant`: facts that are the same in all windows, and left out; `windows`: how
        many were looked at.
    """
    kept = store.path.with_name(f"{store.key}.shortcuts")
    file = kept / f"{_digest(assignment, table, windows, window, test)}.json"
    if (found := _read(file)) is not None:
        return found
    sets = ("train", "val", "test") if test else ("train", "val")
    classes = {name: code for code, name in enumerate(assignment.classes)}
    label = np.array([classes.get(str(one), -1) for one in table["label"]])
    facts = {}
    for name in sets:
        rows = _some(getattr(assignment, name), windows)
        facts[name] = Facts(_facts(rows, table, windows, window, store), label[windows.recording[rows]])
    found = _scored(facts, assignment.classes)
    _write(file, found)
    return found


def _scored(facts: Mapping[str, Facts], classes: Sequence[str]) -> dict[str, Any]:
    from sklearn.tree import DecisionTreeClassifier  # not needed where the result is kept beside the store

    others, train = [name for name in facts if name != "train"], facts["train"]
    result: dict[str, Any] = {"facts": {}, "constant": [], "windows": sum(len(one.label) for one in facts.values())}
    shares = np.bincount(train.label, minlength=len(classes)) / max(1, len(train.label))
    result["chance"] = {name: _guessed(shares, facts[name].label) for name in others}
    for fact in train.values:
        every = np.concatenate([one.values[fact] for one in facts.values()])
        if np.all(every == every[:1]):
            result["constant"].append(fact)
            continue
        chosen: dict[str, dict[int, float]] = {}
        for depth in DEPTHS:
            tree = DecisionTreeClassifier(max_depth=depth, class_weight="balanced", random_state=0)
            tree.fit(train.values[fact], train.label)
            found = {name: _f1(facts[name].label, tree.predict(facts[name].values[fact])) for name in others}
            if not chosen or _mean(found["val"]) > _mean(chosen["val"]):
                chosen = found
        of_class = {classes[code]: value for code, value in chosen[others[-1]].items()}
        result["facts"][fact] = {**{name: _mean(chosen[name]) for name in others}, "classes": of_class}
    return result


def _some(rows: NDArray[np.int64], windows: Windows) -> NDArray[np.int64]:
    """Of these windows those of some recordings, spread evenly over all, and of each some windows."""
    recording = windows.recording[rows]
    used = np.unique(recording)
    chosen = used[np.unique(np.linspace(0, len(used) - 1, min(RECORDINGS, len(used))).astype(np.int64))]
    rows = rows[np.isin(recording, chosen)]
    recording = windows.recording[rows]
    number = np.arange(len(rows)) - np.searchsorted(recording, recording)  # of the window in its recording's
    count = np.bincount(recording)[recording]
    kept: NDArray[np.bool_] = number % np.maximum(1, -(-count // WINDOWS)) == 0
    return np.asarray(rows[kept])


def _facts(
    rows: NDArray[np.int64], table: pd.DataFrame, windows: Windows, window: int, store: Store
) -> dict[str, Floats]:
    """Facts of these windows: amplitude by window, all else by recording, since a file has one grid and one rate."""
    used, where = np.unique(windows.recording[rows], return_inverse=True)
    rate = table["rate_hz"].to_numpy(np.float64)[used]
    heads = [store.recording(int(r))[:, :LOOKED_AT].astype(np.float64) for r in used]
    of_recording = {
        "offset": np.stack([head.mean(axis=1) for head in heads]),
        "value step": np.stack([[_step(line) for line in head] for head in heads]),
        "duration": (table["length"].to_numpy(np.float64)[used] / rate)[:, None],
        "sampling rate": table["fs"].to_numpy(np.float64)[used][:, None],
        "electrical line": np.stack([_mains(head[0], hertz) for head, hertz in zip(heads, rate, strict=True)]),
    }
    amplitude = np.empty((len(rows), len(store.channels)))
    for number, row in enumerate(rows):
        start = int(windows.start[row])
        signal = store.recording(int(windows.recording[row]))[:, start : start + window]
        amplitude[number] = signal.std(axis=1, dtype=np.float64)
    return {"amplitude": amplitude, **{name: values[where] for name, values in of_recording.items()}}


def _step(line: Floats) -> float:
    """The step of the grid that the values of a channel lie on; 0 where they lie on none."""
    values = np.unique(line)
    gap = np.diff(values)
    fine = gap[gap > 4 * np.finfo(np.float32).eps * np.maximum(np.abs(values[1:]), np.abs(values[:-1]))]
    if fine.size < 2:
        return 0.0
    step = float(np.quantile(fine, 0.02))
    near = fine[fine < 6.5 * step] / step
    on_grid = np.abs(near - np.rint(near)) < 0.15
    return float(f"{step:.2g}") if near.size > 10 and on_grid.mean() > 0.95 else 0.0


def _mains(line: Floats, rate_hz: float) -> Floats:
    """The strongest line at a multiple of 50 or 60 Hz: its frequency, and by how many dB it stands out of its
    neighbours. Both are free of the signal's gain."""
    power = np.abs(np.fft.rfft((line - line.mean()) * np.hanning(len(line)))) ** 2
    width = rate_hz / len(line)
    hertz = np.unique(np.concatenate([np.arange(f, 0.45 * rate_hz, f) for f in MAINS_HZ]))
    at = np.rint(hertz / width).astype(np.int64)
    around = max(4, round(20 / width))
    hertz, at = (values[(at > around) & (at + around < len(power))] for values in (hertz, at))
    if not at.size or not power.any():
        return np.zeros(2)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    floor = (sums[at + around] - sums[at - around]) / (2 * around)
    peak = np.maximum(np.maximum(power[at - 1], power[at]), power[at + 1])
    strongest = int(np.argmax(peak))
    return np.array([hertz[strongest], 10 * np.log10(peak[strongest] / max(floor[strongest], 1e-300))])


def _f1(label: NDArray[np.int64], told: NDArray[np.int64]) -> dict[int, float]:
    """F1 of each class that occurs."""
    from sklearn.metrics import f1_score

    there = np.unique(label)
    found = f1_score(label, told, labels=there, average=None, zero_division=0)
    return dict(zip(there.tolist(), found.tolist(), strict=True))


def _mean(values: Mapping[int, float]) -> float:
    return sum(values.values()) / max(1, len(values))


def _guessed(shares: Floats, label: NDArray[np.int64]) -> float:
    """Macro F1, to first order, of who guesses by the shares of training: of a class 2 p q / (p + q)."""
    own = np.bincount(label, minlength=len(shares)) / max(1, len(label))
    there = own > 0
    return float(np.mean(2 * own[there] * shares[there] / (own[there] + shares[there])))


# -- kept beside the store --------------------------------------------------------------------------------------------


def _digest(assignment: Assignment, table: pd.DataFrame, windows: Windows, window: int, test: bool) -> str:
    """Of all that the scores depend on besides the store."""
    labels = [str(one) for one in table["label"]]
    digest = hashlib.sha256(json.dumps([VERSION, window, test, assignment.classes, labels]).encode())
    for rows in (assignment.train, assignment.val, *([assignment.test] if test else [])):
        digest.update(np.ascontiguousarray(windows.recording[rows], np.int64).data)
        digest.update(np.ascontiguousarray(windows.start[rows], np.int64).data)
        digest.update(b"|")
    return digest.hexdigest()[:32]


def _read(file: Path) -> dict[str, Any] | None:
    """What was kept, if it is whole."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "facts" in found else None


def _write(file: Path, found: Mapping[str, Any]) -> None:
    """Under another name first; a cache that cannot be written is computed again next time."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(found), encoding="utf-8")
        os.replace(temporary, file)
