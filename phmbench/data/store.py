"""All recordings of one choice of data, converted once, and memory-mapped for reading."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.data import fingerprint, gaps, store_file
from phmbench.data.convert import check_signal
from phmbench.data.gaps import How
from phmbench.data.selection import Plan, Source, plan
from phmbench.data.views import TIME, View, seen
from phmbench.errors import DataError

log = logging.getLogger("phmbench")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Store:
    """Recordings on disk, opened for reading; goes to another process as its path and table, never as samples.

    Recording r is `signals[offset : offset + C · length].reshape(C, length)`, with offset and length from the table.
    """

    path: Path
    key: str  # hash of everything that shaped the samples
    table: pd.DataFrame  # (R, …) the sources' rows, `channels` as stored, and offset, length, rate_hz, content
    signals: NDArray[np.float32]  # (total,) read-only map
    fingerprints: NDArray[np.float32]  # (R, P) profiles, by which resampled copies are found
    channels: tuple[str, ...]  # names by position; "DE|vertical" where sources differ
    position: int  # of the first sample in the file, in bytes

    def __reduce__(self) -> tuple[Any, ...]:
        held = (self.path, self.key, self.table, self.fingerprints, self.channels, self.position, self.signals.size)
        return _attached, held

    def recording(self, row: int) -> NDArray[np.float32]:
        """Give the samples of a recording, (C, length), without a copy."""
        start, length = int(self.table["offset"].iloc[row]), int(self.table["length"].iloc[row])
        return self.signals[start : start + len(self.channels) * length].reshape(len(self.channels), length)

    def verify(self) -> None:
        """Read every sample and compare it with what was written.

        Raises:
            DataError: samples of a recording have changed.
        """
        content = _content(self.path)
        bad = [row for row in range(len(content.crc)) if not store_file.intact(content, row)]
        if bad:
            names = ", ".join(content.table["recording"].iloc[bad[:3]])
            raise DataError(
                f"store: samples of {len(bad)} recordings have changed: {names}; got another checksum in {self.path}; "
                "expected what was written; delete the file, it is built again"
            )


def prepare(
    sources: Mapping[str, Source],
    *,
    where: str | None,
    ids: Sequence[str] | None,
    channels: Sequence[str] | None,
    sample_rate: float | None,
    cache: Path,
    nan: How = "refuse",
    view: View = TIME,
    progress: Progress | None = None,
    examine: Callable[[pd.DataFrame], object] | None = None,
) -> Store:
    """Open the store of a choice of data; build it first where it is missing or damaged.

    Two processes that need the same store build it once: the second waits. A file appears under its name only when
    it is whole and on the disk. Recordings are converted one at a time, so that memory does not grow with the store.

    Args:
        sources: what reads the recordings, by name.
        where: query over the columns of the recording table, or None for all.
        ids: names of recordings, or None for all.
        channels: names of channels that every recording must have, or None for the default of each source.
        sample_rate: common rate in Hz to which all are resampled (polyphase, anti-aliased), or None where they agree.
        cache: folder under which stores are kept.
        nan: what becomes of samples that are NaN or infinite (`phmbench.data.gaps`). Unless they are refused, the table
            has the columns `gaps` (runs of samples that no window may touch) and `interpolated` (number of samples).
        view: what is kept of each recording (`phmbench.data.views`).
        progress: called with (recordings done, recordings in all) while the store is built.
        examine: called with the table, as `Store.table` but for what the signals say, before any of them is read: what
            it raises costs no reading.

    Raises:
        ConfigError: sample_rate is no rate.
        DataError: where cannot be read; nothing is left; a recording has NaN, no samples, not the channels or not the
            length it should; rates or numbers of channels differ; the cache cannot be written, or the disk is full.
    """
    key = store_key(sources, where=where, ids=ids, channels=channels, sample_rate=sample_rate, nan=nan, view=view)
    path = Path(cache) / "stores" / f"{key}.h5"
    found = _opened(path)
    if found is not None:
        return found
    with _locked(path.with_suffix(".lock")):
        found = _opened(path)  # another process may have built it while this one waited
        if found is not None:
            return found
        chosen = plan(sources, where=where, ids=ids, channels=channels, sample_rate=sample_rate, view=view)
        if examine is not None:
            examine(chosen.table.assign(length=chosen.length, rate_hz=chosen.rate_hz))
        _build(path, key, chosen, sources, nan, view, progress)
    return open_store(path)


def open_store(path: Path) -> Store:
    """Open a store that has been built, as ranks do that were given its path.

    Raises:
        DataError: it is missing or damaged.
    """
    return _store(Path(path), _content(path))


def store_key(
    sources: Mapping[str, Source],
    *,
    where: str | None,
    ids: Sequence[str] | None,
    channels: Sequence[str] | None,
    sample_rate: float | None,
    nan: How = "refuse",
    view: View = TIME,
) -> str:
    """Hash everything that shapes a store: format, sources' fingerprints, and the choices; 64 hexadecimal digits.

    Raises:
        DataError: a source's fingerprint is not plain JSON.
    """
    shape = {
        "format": store_file.FORMAT,
        "sources": [[name, source.fingerprint()] for name, source in sources.items()],
        "where": where,
        "ids": None if ids is None else sorted(ids),
        "channels": None if channels is None else list(channels),
        "sample_rate": None if sample_rate is None else repr(float(sample_rate)),
        **({} if nan == "refuse" else {"nan": nan}),
        **view.shape(),
    }
    try:
        text = json.dumps(shape, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"data.sources: a fingerprint is not plain JSON ({error}); got {shape['sources']!r:.200}; expected text, "
            "numbers, lists and dictionaries; mend the source's fingerprint()"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def _attached(
    path: Path,
    key: str,
    table: pd.DataFrame,
    fingerprints: NDArray[np.float32],
    channels: tuple[str, ...],
    position: int,
    total: int,
) -> Store:
    """Map the samples again, in the process that a store was sent to."""
    return Store(path, key, table, store_file.attach(path, position, total), fingerprints, channels, position)


def _opened(path: Path) -> Store | None:
    """Open a store, or say why it must be built again."""
    try:
        return _checked(path, store_file.stamp(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except store_file.DamagedError as error:
        log.warning("store: %s is damaged (%s); it is built again", path, error)
        return None


@functools.lru_cache(maxsize=2)  # the jobs of a grid, its seeds and folds read the same file
def _checked(path: Path, stamp: str) -> Store:
    """A store whose samples were checked; again when size, time or number of the file have changed."""
    content = store_file.read(path)
    store_file.check_samples(path, content)
    return _store(path, content)


def _store(path: Path, content: store_file.Content) -> Store:
    held = (content.table, content.signals, content.fingerprints, content.channels, content.position)
    return Store(path, content.key, *held)


def _content(path: Path) -> store_file.Content:
    try:
        return store_file.read(Path(path))
    except (store_file.DamagedError, FileNotFoundError) as error:
        raise DataError(
            f"store: cannot be opened ({error}); got {path}; expected a whole store; run the command again to build it"
        ) from error


def _build(
    path: Path,
    key: str,
    chosen: Plan,
    sources: Mapping[str, Source],
    nan: How,
    view: View,
    progress: Progress | None,
) -> None:
    """Write a store under a temporary name and give it its own when all is on the disk. The lock is held."""
    _clear(path.parent, key)
    temporary = path.with_name(f"{key}.{os.getpid()}.tmp")
    count = len(chosen.channels)
    size = 4 * count * int(chosen.length.sum())
    try:
        position = store_file.create(temporary, size // 4, len(chosen.rows))
        content, profiles, crc, holes = _convert(temporary, position, chosen, sources, nan, view, progress)
        table = chosen.table.assign(
            offset=(np.cumsum(chosen.length) - chosen.length) * count,
            length=chosen.length,
            rate_hz=chosen.rate_hz,
            content=content,
            **({} if nan == "refuse" else holes),
        )
        store_file.describe(temporary, key=key, table=table, fingerprints=profiles, channels=chosen.channels, crc=crc)
        store_file.sync(temporary)
        os.replace(temporary, path)
        store_file.sync(path.parent)
    except OSError as error:
        code = error.errno or 0
        if code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise DataError(
                f"store: no room on the disk ({os.strerror(code)}); got {path.parent}; expected {size:,} bytes "
                "free; free some, or set paths.cache or PHMBENCH_CACHE to a larger disk"
            ) from error
        if code in (errno.EACCES, errno.EPERM, errno.EROFS) and str(path.parent) in str(error):  # no source's file
            raise _unwritable(code, path.parent) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _clear(folder: Path, key: str) -> None:
    """Remove what killed builders left: of this store, whose lock is held, and of others, whose lock nobody holds."""
    for left_over in folder.glob("*.tmp"):
        other = left_over.name.split(".")[0]
        if other == key:
            left_over.unlink()
            continue
        with open(folder / f"{other}.lock", "a") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left_over.unlink(missing_ok=True)


def _convert(
    path: Path,
    position: int,
    chosen: Plan,
    sources: Mapping[str, Source],
    nan: How,
    view: View,
    progress: Progress | None,
) -> tuple[list[str], NDArray[np.float32], NDArray[np.uint32], dict[str, list[Any]]]:
    """Write all recordings, one after the other; give content hashes (R,), profiles (R, P), CRCs (R,), and the columns
    `gaps` and `interpolated`. What is told of one is found beside the reading of the next: NumPy lets go of the lock.
    """
    number = len(chosen.rows)
    told: list[Future[tuple[str, NDArray[np.float32], int]]] = []
    holes: dict[str, list[Any]] = {"gaps": [], "interpolated": []}
    block: NDArray[np.float32] | None = None
    _announce(chosen, view)
    with open(path, "r+b") as file, ThreadPoolExecutor(1) as beside:
        file.seek(position)
        for i, row in enumerate(chosen.rows):
            name, wanted = str(row["recording"]), chosen.table["channels"].iloc[i]
            raw = sources[chosen.source[i]].signal(row, wanted)
            _require_other(name, raw, block)
            mended = gaps.mend(check_signal(raw, name, len(wanted), int(row["n_samples"])), name, nan)
            block = seen(mended.signal, view, rate_hz=float(row["fs"]), ratio=chosen.ratio[i])
            if block.shape[1] != chosen.length[i]:
                raise RuntimeError(f"{name}: resampling gave {block.shape[1]} samples, not {chosen.length[i]}")
            reach = view.reach(float(row["fs"]))
            holes["gaps"].append(gaps.resampled(mended.gaps, chosen.ratio[i], block.shape[1], before=reach))
            holes["interpolated"].append(mended.filled)
            if i:
                told[-1].result()  # two recordings in memory, not more
            if view.name == "time":
                told.append(beside.submit(_told, block, name, block, float(chosen.rate_hz[i])))
            else:  # a copy is known by what was recorded
                recorded = np.array(mended.signal, np.float32, order="C")
                told.append(beside.submit(_told, block, name, recorded, float(row["fs"])))
            file.write(block.data)
            if progress is not None:
                progress(i + 1, number)
        content, profiles, crc = zip(*(one.result() for one in told), strict=True)
    return list(content), np.stack(profiles), np.array(crc, np.uint32), holes


def _require_other(name: str, raw: object, before: NDArray[np.float32] | None) -> None:
    """The recording before is still being hashed while this one is read.

    Raises:
        DataError: both lie in the same memory.
    """
    if before is not None and isinstance(raw, np.ndarray) and np.may_share_memory(before, raw):
        raise DataError(
            f"{name}: its source gives an array that it has given before; got the memory of the recording before; "
            "expected one of its own; let the source's `signal` return a copy"
        )


def _told(
    block: NDArray[np.float32], name: str, signal: NDArray[np.float32], rate_hz: float
) -> tuple[str, NDArray[np.float32], int]:
    """What a recording is known by: content hash, profile, and the CRC of what is stored."""
    content = fingerprint.content_hash(signal) or f"constant:{name}"  # two dead sensors are no copies
    return content, fingerprint.profile(signal, rate_hz), zlib.crc32(block.data)


def _announce(chosen: Plan, view: View) -> None:
    up = sum(ratio > 1 for ratio in chosen.ratio)
    if up:
        log.warning(
            "store: %d of %d recordings are brought up to %s: above half their own rate they stay empty, by which "
            "they can be told apart; a lower %s avoids it",
            up, len(chosen.ratio),
            *((f"{chosen.rate_hz[0]:g} Hz", "data.sample_rate") if view.name == "time" else
              (f"{view.per_revolution} samples a revolution", "data.per_revolution")),
        )  # fmt: skip


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock; the system takes it back from a process that dies. The file stays: removing it would race."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a")  # noqa: SIM115 - closed below; what is raised inside the lock must not be caught here
    except OSError as error:
        raise _unwritable(error.errno or 0, path.parent) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("store: another process is building %s; waiting for it", path.with_suffix(".h5"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _unwritable(code: int, folder: Path) -> DataError:
    return DataError(
        f"paths.cache: cannot be written ({os.strerror(code)}); got {folder}; expected a folder where "
        "files can be made; set paths.cache or the environment variable PHMBENCH_CACHE to one"
    )
