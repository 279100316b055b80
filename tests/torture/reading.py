"""Reads damaged files, one after the other, in a process of its own.

`python -m tests.torture.reading WHAT FIRST COUNT FOLDER` says what it begins and how that ends, so that whoever started
it knows on which file it died. What it may take for a file is limited: memory, processor time, and time.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phmbench.data.sources import readers
from phmbench.errors import PhmbenchError
from tests.torture import kept, mutations, whole

ROOM = 2 * 2**30  # bytes of addresses beyond those of a process that has read whole files
KEPT = 256 * 2**20  # bytes of memory beyond the same
CPU_S, WALL_S = 10.0, 60.0  # a file


class Reading(NamedTuple):
    """A format that is read."""

    name: str  # of the damaged file
    make: Callable[[Path], list[bytes]]  # whole files, made in a folder
    read: Callable[[Path], object]
    text: bool = False
    archive: bool = False
    names: bool = True  # an error names the file, not a key within it
    sealed: bool = False  # all of it: no damage is harmless

    def mutated(self, files: list[bytes], number: int, what: str) -> bytes:
        if self.archive:
            return mutations.mutated_archive(files, number, what=what)
        return mutations.mutated(files, number, what=what, text=self.text)


def read_signal(path: Path) -> None:
    """As the store does it: the channels, then the samples."""
    found = readers.contents(path, key=None)
    x = readers.read(path, key=None, channels=found.channels)
    assert x.shape == (len(found.channels), found.n_samples), (x.shape, found[:2])
    assert x.dtype in (np.float32, np.float64)


READINGS = {
    "csv": Reading("x.csv", whole.csv, read_signal, text=True),
    "hdf5": Reading("x.h5", whole.hdf5, read_signal),
    "mat": Reading("x.mat", whole.mat, read_signal),
    "npy": Reading("x.npy", whole.npy, read_signal),
    "parquet": Reading("x.parquet", whole.parquet, read_signal),
    "wav": Reading("x.wav", whole.wav, read_signal),
    "folder table": Reading("list.csv", kept.folder_tables, kept.read_folder_table, text=True, names=False),
    "vibench table": Reading("meta.csv", kept.vibench_tables, kept.read_vibench_table, text=True, names=False),
    "vibench sheet": Reading("meta.xlsx", kept.vibench_sheets, kept.read_vibench_table, archive=True, names=False),
    "store": Reading("store.h5", kept.stores, kept.read_store),
    "store sidecar": Reading("store.seen", kept.sidecars, kept.read_sidecar, text=True),
    "record config": Reading("config.yaml", kept.configurations, kept.read_configuration, text=True, names=False),
    "record status": Reading("status.json", kept.statuses, kept.read_said, text=True),
    "record result": Reading("metrics.json", kept.results, kept.read_result, text=True),
    "record predictions": Reading("predictions.h5", kept.predictions, kept.read_predictions, sealed=True),
}


def outcome(reading: Reading, path: Path) -> str:
    """How the reading of a file ends."""
    signal.setitimer(signal.ITIMER_PROF, CPU_S)  # neither has a handler: they end the process, whatever it is in
    signal.setitimer(signal.ITIMER_REAL, WALL_S)
    before = _memory()
    try:
        reading.read(path)
        said = "read"
    except PhmbenchError as error:
        told = (path.name in str(error) and str(error).count("; ") >= 3) or (str(error) and not reading.names)
        said = "refused" if told else f"FAILED without name or advice: {error}"
    except BaseException as error:
        said = f"FAILED with {type(error).__name__}: {error}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    taken = _memory() - before
    return said if taken < KEPT else f"FAILED: {taken / 2**20:.0f} MiB of memory, then {said}"


def main() -> None:
    what, first, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    reading = READINGS[what]
    files = reading.make(folder)
    for content in files:
        path = mutations.save(folder, reading.name, content)
        assert outcome(reading, path) == "read", outcome(reading, path)
    addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (addresses + ROOM, resource.RLIM_INFINITY))
    for number in range(first, first + count):
        path = mutations.save(folder, reading.name, reading.mutated(files, number, what))
        print(number, end=" ", flush=True)
        said = outcome(reading, path)
        print(" ".join(said.split())[:300], flush=True)
        if said not in ("read", "refused"):
            mutations.save(folder, f"{number}-{path.name}", path.read_bytes())


def _memory() -> int:
    """The most bytes of memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
