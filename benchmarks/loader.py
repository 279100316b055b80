"""Windows per second of the loader, without workers, and the memory that it takes.

The reference indexes a `sliding_window_view` over an array in memory, a whole batch at once. Everything is in the page
cache: this measures the code, not the disk.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.timing import Measures, Row, figure, ratio, rounds, spawn

WINDOW, BATCH, RECORDINGS, SAMPLES = 2048, 64, 98, 131072  # two of the recordings are not trained on


def measure(folder: Path, number: int, *, tiny: bool) -> list[Row]:
    """All rows."""
    rows = []
    recordings = 8 if tiny else RECORDINGS
    for normalise, goal in (("none", 0.8), ("window", 0.9)):
        what = "standardised" if normalise == "window" else "as is"
        times = rounds(_contenders(folder, recordings, normalise), number)
        name = f"windows per second, {what}, over sliding_window_view"
        rows.append(ratio(name, times["ours"], times["view"], show=lambda rate: f"{rate:,.0f}/s", at_least=goal))
    sizes = {"few": (recordings, WINDOW), "overlap": (recordings, 64), "large": (4 * recordings, WINDOW)}
    peaks = {name: _peaks(folder, size, number) for name, size in sizes.items()}
    for name, what in (("overlap", "windows that overlap 32-fold"), ("large", "a store four times as large")):
        grown = [many - few for few, many in zip(peaks["few"], peaks[name], strict=True)]
        rows.append(figure(f"peak memory of an epoch, grown by {what}", grown, "MiB"))
    return rows


def _contenders(folder: Path, recordings: int, normalise: str) -> dict[str, Callable[[], Measures]]:
    import torch

    from benchmarks.made import data

    torch.set_num_threads(1)
    made = data(
        folder, recordings=recordings, samples=SAMPLES, window=WINDOW, hop=WINDOW // 2, batch=BATCH, normalise=normalise
    )
    assert made.store is not None
    rows = made.assignment.train
    memory = np.array(made.store.signals).reshape(recordings, SAMPLES)
    order = np.random.default_rng(1).permutation(rows)
    index = np.stack(
        [made.windows.recording[order], made.windows.start[order], made.label_of[made.windows.recording[order]]], 1
    )
    count = len(rows) // BATCH * BATCH
    return {
        "ours": lambda: _rate(((batch.signal, batch.label) for batch in made.train_dataloader()), count),
        "view": lambda: _rate(_view(memory, index[:count], normalise == "window"), count),
    }


def _view(memory: np.ndarray, index: np.ndarray, standardise: bool) -> Iterator[Sequence]:
    """The fastest that NumPy does: one index into a view with overlapping rows."""
    import torch

    view = np.lib.stride_tricks.sliding_window_view(memory, WINDOW, axis=1)
    for at in range(0, len(index), BATCH):
        rows = index[at : at + BATCH]
        signal = view[rows[:, 0], rows[:, 1]]  # (B, L)
        if standardise:
            signal -= signal.mean(-1, keepdims=True)
            signal /= np.sqrt(np.einsum("bl,bl->b", signal, signal)[:, None] / WINDOW) + 1e-8
        yield torch.from_numpy(signal[:, None]), torch.from_numpy(rows[:, 2])


def _rate(batches: Iterable[Sequence], count: int) -> Measures:
    """Windows per second of one pass, by the wall clock and by CPU time."""
    wall, cpu, seen = time.perf_counter(), time.process_time(), 0
    for signal, label in batches:
        seen += len(label) * (signal.shape == (BATCH, 1, WINDOW))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert seen == count
    return {"wall": seen / wall, "cpu": seen / cpu}


def _peaks(folder: Path, size: tuple[int, int], number: int) -> list[float]:
    """Peak of an epoch's anonymous memory, in MiB, each in a fresh process; pages of the store are the system's."""
    argv = [sys.executable, "-m", "benchmarks.loader", str(folder), *map(str, size)]
    return [json.loads(spawn(argv)["output"].splitlines()[-1])["peak"] for _ in range(number)]


def _child(folder: Path, recordings: int, hop: int) -> None:
    """One epoch; the largest RssAnon over its batches, less what it was before the store was opened."""
    import torch

    from benchmarks.made import data

    torch.set_num_threads(1)
    sizes = {"recordings": recordings, "samples": SAMPLES, "window": WINDOW, "batch": BATCH, "normalise": "window"}
    before = _anonymous()
    made = data(folder, hop=hop, **sizes)
    peak = max(_anonymous() for at, _ in enumerate(made.train_dataloader()) if at % 16 == 0)
    print(json.dumps({"peak": peak - before}))


def _anonymous() -> float:
    """MiB of memory that is this process's own; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
