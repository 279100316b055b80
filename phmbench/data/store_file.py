"""The file of a store: one contiguous block of samples that can be memory-mapped, and beside it what describes it.

HDF5, `/signals` (total,) float32 contiguous; `/table/NNN` the columns; `/fingerprints` (R, P); `/crc` (R,) CRC-32 of
each recording's samples; attributes `format`, `key`, `channels`. Behind it stands a seal: where the samples are, and
the SHA-256 of everything but them. It is looked at first, since HDF5 (2.0) can turn for ever on a file that is damaged.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.errors import DataError

FORMAT = 3
SEAL = struct.Struct("<8sQQ32s")  # mark, position and number of samples, SHA-256 of the rest
MARK = b"phmst%03d" % FORMAT
ZEROS = 2**20  # bytes written at once where the system cannot reserve space
HEADER_BYTES, ROW_BYTES = 2**17, 6144  # more than what describes a store takes: profile, and a row of the table
SPOT_BYTES = 2**25  # samples checked at each open, spread over the store: about 10 ms


class DamagedError(Exception):
    """The file is not a whole store; caught by `prepare`, which builds it again."""


class Content(NamedTuple):
    """What a file holds; the samples as a map, the rest in memory."""

    key: str
    table: pd.DataFrame
    signals: NDArray[np.float32]  # (total,) read-only
    fingerprints: NDArray[np.float32]  # (R, P)
    channels: tuple[str, ...]
    crc: NDArray[np.uint32]  # (R,)
    position: int  # of the first sample, in bytes from the start of the file


def create(path: Path, total: int, recordings: int) -> int:
    """Make a file with room for `total` samples, as yet unwritten; give the position of the first in bytes."""
    room = 4 * total + HEADER_BYTES + recordings * ROW_BYTES
    _reserve(path, 0, room)
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    # Aligned, so that a map of the samples begins at a whole float32, and at a page.
    with h5py.File(path, "w", alignment_threshold=2**16, alignment_interval=4096) as file:
        space = h5py.h5s.create_simple((total,))
        data = h5py.h5d.create(file.id, b"signals", h5py.h5t.IEEE_F32LE, space, layout)
        position = int(data.get_offset())
    if position % 4:
        raise RuntimeError(f"HDF5 put the samples at byte {position}; expected a multiple of 4")
    _reserve(path, position, room)  # again, as HDF5 began anew; what is left over it cuts off when it is closed
    return position


def describe(
    path: Path,
    *,
    key: str,
    table: pd.DataFrame,
    fingerprints: NDArray[np.float32],
    channels: tuple[str, ...],
    crc: NDArray[np.uint32],
) -> None:
    """Add to the samples what describes them, and the checksum."""
    with h5py.File(path, "r+") as file:
        group = file.create_group("table")
        for number, column in enumerate(table.columns):
            values, attributes = _encode(column, table[column])
            data = group.create_dataset(f"{number:04d}", data=values)
            data.attrs.update(attributes)
        file["fingerprints"], file["crc"] = fingerprints, crc
        file.attrs.update({"format": FORMAT, "key": key, "channels": json.dumps(channels)})
        position, total = file["signals"].id.get_offset(), file["signals"].shape[0]
    with open(path, "r+b") as sealed:
        end = sealed.seek(0, os.SEEK_END)
        sealed.write(SEAL.pack(MARK, position, total, _around(sealed, position, total, end)))


def read(path: Path) -> Content:
    """Open a store's file, check everything but the samples, and map these; the file is not held open by HDF5.

    Raises:
        DamagedError: the file is cut short, is no HDF5 file, has another format or fails its checksum.
        FileNotFoundError: there is none.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    position, total = _unsealed(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            group = file["table"]
            columns = dict(_decode(group[name]) for name in sorted(group))
            fingerprints, crc = file["fingerprints"][:], file["crc"][:]
            key, channels = str(file.attrs["key"]), tuple(json.loads(file.attrs["channels"]))
    except (
        OSError,
        KeyError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        # what h5py makes of garbage
        raise DamagedError(f"it cannot be read: {error}") from error
    signals = attach(path, position, total)
    return Content(key, pd.DataFrame(columns), signals, fingerprints, channels, crc, position)


def attach(path: Path, position: int, total: int) -> NDArray[np.float32]:
    """Map the samples as a plain read-only array; the subclass np.memmap makes every slice four times as slow."""
    return np.asarray(np.memmap(path, np.float32, "r", position, (total,)))


def check_samples(path: Path, content: Content) -> None:
    """Check samples against their CRC: all if the file changed since the last full check, else 32 MiB spread over it.

    A damage that leaves size and time of the file as they were (a disk's bit rot) is found only if it lies in the
    spread, which is the same at each open; `Store.verify` reads everything.

    Raises:
        DamagedError: samples of a recording fail their CRC.
    """
    seen, now = path.with_suffix(".seen"), stamp(path)
    known = seen.read_text(errors="replace") if seen.is_file() else ""
    rows = _spread(content) if known == now else range(len(content.crc))
    bad = [row for row in rows if not intact(content, row)]
    if bad:
        names = ", ".join(content.table["recording"].iloc[bad[:3]])
        raise DamagedError(f"samples of {len(bad)} recordings fail their checksum: {names}")
    if known != now:
        with contextlib.suppress(OSError):  # a cache that cannot be written is then read whole at each open
            seen.write_text(now)


def intact(content: Content, row: int) -> bool:
    """Tell whether a recording's samples have the CRC they were written with."""
    start = int(content.table["offset"].iloc[row])
    size = int(content.table["length"].iloc[row]) * len(content.channels)
    return zlib.crc32(content.signals[start : start + size].data) == int(content.crc[row])


def sync(path: Path) -> None:
    """Have the disk keep a file or a folder's names, before anything relies on them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _spread(content: Content) -> list[int]:
    """Choose recordings evenly over the store, as many as fit into SPOT_BYTES, and at least one."""
    rows = len(content.crc)
    number = max(1, min(rows, int(rows * SPOT_BYTES / content.signals.nbytes)))
    return [int(row) for row in np.linspace(0, rows - 1, number)]


def stamp(path: Path) -> str:
    """What changes when a file is written or replaced: its size, time and number."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _reserve(path: Path, start: int, end: int) -> None:
    """Take the space on the disk now, so that a full one is noticed before hours of conversion.

    And by Python: HDF5 ends in a segmentation fault, not in an error, when a file that it closes has no room.
    """
    with open(path, "r+b" if path.exists() else "w+b") as file:
        try:
            os.posix_fallocate(file.fileno(), start, end - start)
        except (AttributeError, OSError) as error:  # macOS has none, and some file systems refuse
            if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            file.seek(start)
            for at in range(start, end, ZEROS):
                file.write(bytes(min(ZEROS, end - at)))


def _unsealed(path: Path) -> tuple[int, int]:
    """Position and number of the samples, when all around them is as it was written."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END) - SEAL.size
        if end < 0:
            raise DamagedError("it is cut short")
        file.seek(end)
        mark, position, total, digest = SEAL.unpack(file.read(SEAL.size))
        if mark != MARK or position + 4 * total > end:
            raise DamagedError("it is cut short, of another format, or has been changed")
        if _around(file, position, total, end) != digest:
            raise DamagedError("its description fails the checksum")
    return position, total


def _around(file: BinaryIO, position: int, total: int, end: int) -> bytes:
    """SHA-256 of a file up to `end`, but for its samples; leaves the file at the end."""
    digest = hashlib.sha256(struct.pack("<QQ", position, total))
    for start, stop in ((0, position), (position + 4 * total, end)):
        file.seek(start)
        while start < stop and (piece := file.read(min(ZEROS, stop - start))):
            digest.update(piece)
            start += len(piece)
    return digest.digest()


def _encode(name: str, column: pd.Series) -> tuple[NDArray[np.generic], dict[str, str]]:
    """Take a column to an array that HDF5 knows: numbers as they are, all else as JSON in UTF-8."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy(), {"name": str(name), "kind": "numbers"}
    values = [_plain(name, value) for value in column]
    text = np.frombuffer(json.dumps(values, ensure_ascii=False).encode(), np.uint8)
    return text, {"name": str(name), "kind": "json", "dtype": str(column.dtype)}


def _decode(data: h5py.Dataset) -> tuple[str, pd.Series]:
    name = str(data.attrs["name"])
    if data.attrs["kind"] == "numbers":
        return name, pd.Series(data[()])
    values = [tuple(value) if isinstance(value, list) else value for value in json.loads(data[()].tobytes())]
    return name, pd.Series(values, dtype=str(data.attrs["dtype"]))


def _plain(name: str, value: object) -> object:
    """Take a value of a table to plain JSON; missing is None whatever it was."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple | list):
        return [_plain(name, part) for part in value]
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return value.isoformat()
    raise DataError(
        f"data.sources: column {name!r} of a table cannot be stored; got {type(value).__name__} {value!r:.60}; "
        "expected text, numbers, times or tuples of them; mend the source's table()"
    )
