"""Preparing a store, beside reading the source once and writing a plain file; and indexing, splitting and auditing."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Measures, Row, figure, ratio, rounds, spawn

RATE_HZ, SECONDS, FILES = 12000, 10, 40


def measure(folder: Path, number: int, *, tiny: bool) -> list[Row]:
    """All rows."""
    from phmbench.data.sources.simulated import Simulated

    files = 4 if tiny else FILES
    rigs = ["motor"] if tiny else ["motor", "pump", "gearbox", "spindle"]
    simulated = {"rigs": rigs, "bearings": 1, "conditions": 2, "seconds": 1.25, "snr_db": 10.0, "seed": 0}
    sources = {
        "simulated rigs": lambda: Simulated(**simulated),
        f"{files} CSV files of {SECONDS} s": lambda: _folder(folder / "csv", "csv", files),
        f"{files} WAV files of {SECONDS} s": lambda: _folder(folder / "wav", "wav", files),
    }
    rows = []
    for name, source in sources.items():
        contenders = {"ours": partial(_prepare, source, folder), "plain": partial(_plain, source, folder)}
        times = rounds(contenders, number)
        what = f"speed of preparing a store of {name}, over reading once and writing a plain file"
        speed = [[{key: 1 / value for key, value in one.items()} for one in times[side]] for side in ("ours", "plain")]
        rows.append(ratio(what, *speed, show=lambda rate: f"{1 / rate:.2f} s", at_least=0.5))
    return [*rows, *_index(number, tiny)]


def _folder(path: Path, kind: str, files: int) -> Any:
    """A source over a folder a class, made where it is not there."""
    from phmbench.data.sources.folder import Folder

    if not path.exists():
        _write(path, kind, files)
    return Folder(root=path, fs=float(RATE_HZ))


def _write(path: Path, kind: str, files: int) -> None:
    from scipy.io import wavfile

    for number in range(files):
        signal = np.random.default_rng(number).standard_normal(RATE_HZ * SECONDS)
        file = path / ("normal", "inner")[number % 2] / f"{number}.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if kind == "csv":
            np.savetxt(file, signal, "%.6f", header="x", comments="")
        else:
            wavfile.write(file, RATE_HZ, np.int16(signal * 3000))


def _prepare(source: Callable[[], Any], folder: Path) -> Measures:
    from phmbench.data.store import prepare

    cache = folder / "built"
    shutil.rmtree(cache, ignore_errors=True)
    return _timed(
        lambda: prepare({"made": source()}, where=None, ids=None, channels=None, sample_rate=RATE_HZ, cache=cache)
    )


def _plain(source: Callable[[], Any], folder: Path) -> Measures:
    def copy() -> None:
        reader = source()
        table = reader.table()
        with open(folder / "plain.bin", "wb") as file:
            for _, row in table.iterrows():
                signal = reader.signal(row, list(reader.default_channels or row["channels"]))
                file.write(np.ascontiguousarray(signal, np.float32).data)
            file.flush()
            os.fsync(file.fileno())

    return _timed(copy)


def _timed(call: Callable[[], object]) -> Measures:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def _index(number: int, tiny: bool) -> list[Row]:
    """Ten windows a recording; each size in a fresh process."""
    rows = []
    for windows in (10**4,) if tiny else (10**4, 10**5, 10**6):
        argv = [sys.executable, "-m", "benchmarks.index", str(windows)]
        found = [json.loads(spawn(argv)["output"].splitlines()[-1]) for _ in range(number)]
        what = f"{windows:,} windows over {windows // 10:,} recordings indexed, split and audited"
        goal = windows == 10**6
        rows.append(figure(what, [one["seconds"] for one in found], "s", at_most=10 if goal else None))
        peaks = [one["peak"] for one in found]
        rows.append(figure(f"{what}: peak memory", peaks, "MiB", at_most=1024 if goal else None))
    return rows
