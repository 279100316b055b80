"""Signals from files: csv, tsv, npy, mat, wav, hdf5 and parquet, each of which may be damaged.

`contents` says what is in a file, as far as possible without reading its samples, and reads them when asked. No
format that can carry code is read as such: arrays of objects (pickles) are refused.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.data.sources import delimited
from phmbench.data.sources.damage import damaged, refuse_more_than_fits
from phmbench.errors import DataError

Samples = NDArray[Any]

TIME_COLUMNS = frozenset({"t", "time", "time_s", "time [s]", "time (s)", "timestamp", "index"})
"""Columns of tables that are no channel unless they are asked for by `key` (compared in small letters)."""


MOST_CHANNELS = 1024
"""More are rows and columns mixed up."""


class Contents(NamedTuple):
    """What a file has: names of channels, samples per channel, sampling rate in Hz where the file tells, and a
    reader."""

    channels: tuple[str, ...]
    n_samples: int
    fs: float | None
    take: Callable[[Sequence[int]], Samples]  # positions of channels → (channel, time)


def contents(path: Path, *, key: str | None) -> Contents:
    """What is in `path`.

    Arrays of two axes may lie either way: the longer axis is time. Channels of arrays are called "0", "1", …; those
    of tables have the names of their columns, where columns of text and of time (TIME_COLUMNS) are left out.

    Args:
        path: a file; its suffix says the format.
        key: variable of a mat or hdf5 file, column of a csv, tsv or parquet file. None: the only one with a signal,
            or all columns.

    Raises:
        DataError: the file is missing, damaged or of another format; the key is not there or must be given.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: format not known; got {path.suffix or 'no suffix'!r}; expected of {', '.join(sorted(READERS))}; "
            "convert the file, or leave it out"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file; got nothing; expected a recording; correct the table or the folder")
    try:
        found = reader(path, key)
    except DataError:
        raise
    except Exception as error:  # each library raises its own on a damaged file
        raise damaged(path, error) from error
    if found.n_samples < 1 or not found.channels:
        raise damaged(path, f"no samples ({len(found.channels)} channels of {found.n_samples})")
    if len(found.channels) > MOST_CHANNELS:
        raise damaged(path, f"{len(found.channels)} channels of {found.n_samples} samples: rows and columns mixed up")
    refuse_more_than_fits(path, len(found.channels) * found.n_samples)
    return found


def read(path: Path, *, key: str | None, channels: Sequence[str]) -> NDArray[np.floating[Any]]:
    """The channels of a file: (channel, time), float32 or float64, in the order asked for.

    Raises:
        DataError: as `contents`; a channel is not there, or samples are no numbers (NaN and infinite ones are:
            `data.nan` says what becomes of them).
    """
    found = contents(path, key=key)
    if absent := [c for c in channels if c not in found.channels]:
        raise DataError(
            f"{path}: has no channel {', '.join(absent)}; got {list(channels)}; expected of "
            f"{', '.join(found.channels)}; "
            "correct the names"
        )
    try:
        x = np.asarray(found.take([found.channels.index(c) for c in channels]))
    except DataError:
        raise
    except Exception as error:  # as above
        raise damaged(path, error) from error
    if x.dtype.kind not in "iufb":
        raise damaged(path, f"values of type {x.dtype}, not real numbers")
    if x.shape != (len(channels), found.n_samples):
        raise damaged(path, f"an array of shape {x.shape}, where its header says {(len(channels), found.n_samples)}")
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def _choose(path: Path, names: Sequence[str], key: str | None) -> str:
    """The variable that `key` names, or the only one."""
    if key is None and len(names) == 1:
        return names[0]
    if key is None or key not in names:
        raise DataError(
            f"{path}: which variable is the signal is not clear; got key {key!r}; expected of "
            f"{', '.join(sorted(names)) or '(the file has none with numbers)'}; give `key`"
        )
    return key


def _array(shape: tuple[int, ...], load: Callable[[], Samples], fs: float | None) -> Contents:
    """Contents of an array of one or two axes; a last axis of length 1 is dropped."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (1, 2):
        raise ValueError(f"an array of shape {shape}, not one or two axes")
    if len(shape) == 1:
        return Contents(("0",), shape[0], fs, lambda chosen: np.asarray(load()).reshape(1, -1)[list(chosen)])
    rows_are_channels = shape[0] < shape[1]

    def take(chosen: Sequence[int]) -> Samples:
        x = np.asarray(load()).reshape(shape)
        return x[list(chosen)] if rows_are_channels else x[:, list(chosen)].T

    channels, n_samples = sorted(shape)
    return Contents(tuple(map(str, range(channels))), n_samples, fs, take)


def _npy(path: Path, key: str | None) -> Contents:
    if key is not None:
        raise DataError(
            f"{path}: an npy file has no variables; got key {key!r}; expected no key; leave it out or use another "
            "format"
        )
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":  # NumPy would take it for a pickle, and advise to load it as one
            raise ValueError("no NumPy file: it begins with other bytes")
    x = np.load(path, mmap_mode="r", allow_pickle=False)  # refuses objects: a pickle could run anything
    if (size := path.stat().st_size) != x.offset + x.nbytes:
        raise ValueError(f"{size - x.offset} bytes of samples, where its header says {x.nbytes}")
    return _array(x.shape, lambda: x, None)


def _wav(path: Path, key: str | None) -> Contents:
    from scipy.io import wavfile

    if key is not None:
        raise DataError(f"{path}: a wav file has no variables; got key {key!r}; expected no key; leave it out")
    _refuse_cut_off_sound(path)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # NaN: data.nan says what becomes of it
        warnings.simplefilter("error", wavfile.WavFileWarning)  # "Reached EOF prematurely": truncated
        warnings.filterwarnings("ignore", message="Chunk .* not understood")  # tags of sound programs
        rate, x = wavfile.read(path)
        values = x.astype(np.float64) - (128 if x.dtype == np.uint8 else 0)  # 8-bit sound is unsigned
    if rate < 1:
        raise ValueError(f"a sampling rate of {rate} Hz")
    scale = 1.0 if x.dtype.kind == "f" else float(np.iinfo(x.dtype).max)
    scale = 128.0 if x.dtype == np.uint8 else scale
    names = tuple(map(str, range(1 if x.ndim == 1 else x.shape[1])))
    values = values.reshape(len(x), -1).T / scale
    return Contents(names, len(x), float(rate), lambda chosen: values[list(chosen)])


def _refuse_cut_off_sound(path: Path) -> None:
    """Refuse a wav file whose samples are fewer than its header says, before memory is taken for them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        kind = file.read(12)[:4]
        if kind not in (b"RIFF", b"RIFX", b"RF64"):
            raise ValueError(f"no wav file; it begins with {kind!r}")
        order = "big" if kind == b"RIFX" else "little"
        at = 12
        while kind != b"RF64" and len(head := file.read(8)) == 8:  # RF64 has its sizes elsewhere
            length = int.from_bytes(head[4:], order)  # type: ignore[arg-type]
            at += 8 + length
            if head[:4] == b"data" and at > size:
                raise ValueError(f"{size - at + length:,} bytes of samples, where its header says {length:,}")
            at += at % 2
            file.seek(at)


def _mat(path: Path, key: str | None) -> Contents:
    from phmbench.data.sources import mat

    if path.open("rb").read(116).startswith(b"MATLAB 7.3") or _is_hdf5(path):
        return _hdf5(path, key)
    found = mat.arrays(path)
    signals = [name for name, array in found.items() if math.prod(array.shape) > 1]  # scalars: rate, speed
    array = found[_choose(path, list(found) if key in found else signals, key)]
    return _array(_row_or_column(array.shape), lambda: mat.read(path, array).squeeze(), None)


def _row_or_column(shape: tuple[int, ...]) -> tuple[int, ...]:
    """MATLAB has no vectors: (1, n) and (n, 1) are both one channel."""
    return tuple(n for n in shape if n != 1) or (1,)


def _is_hdf5(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))


def _hdf5(path: Path, key: str | None) -> Contents:
    from phmbench.data.sources import hdf5

    shapes = hdf5.signals(path)
    name = _choose(path, list(shapes), key.strip("/") if key else None)
    return _array(_row_or_column(shapes[name]), lambda: hdf5.samples(path, name).squeeze(), None)


def _parquet(path: Path, key: str | None) -> Contents:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, page_checksum_verification=True)
    kinds = {f.name: f.type for f in file.schema_arrow}
    numeric = [n for n, t in kinds.items() if pa.types.is_floating(t) or pa.types.is_integer(t)]
    names = _columns(path, numeric, key)

    def take(chosen: Sequence[int]) -> Samples:
        table = pq.read_table(path, columns=[names[i] for i in chosen], page_checksum_verification=True)
        return np.stack([table.column(names[i]).to_numpy() for i in chosen])

    return Contents(names, file.metadata.num_rows, None, take)


def _columns(path: Path, numeric: Sequence[str], key: str | None) -> tuple[str, ...]:
    if key is not None:
        return (_choose(path, numeric, key),)
    if not numeric:
        raise ValueError("no column of numbers")
    without_time = tuple(n for n in numeric if n.strip().lower() not in TIME_COLUMNS)
    return without_time or tuple(numeric)


def _text(path: Path, key: str | None) -> Contents:
    import pandas as pd

    table = delimited.signals(path)
    numeric = [
        name for name, kind in zip(table.columns, table.dtypes, strict=True) if pd.api.types.is_numeric_dtype(kind)
    ]
    names = _columns(path, numeric, key)
    return Contents(names, len(table), None, lambda chosen: table[[names[i] for i in chosen]].to_numpy().T)


READERS: dict[str, Callable[[Path, str | None], Contents]] = {
    ".csv": _text, ".tsv": _text, ".txt": _text, ".npy": _npy, ".mat": _mat, ".wav": _wav, ".h5": _hdf5, ".hdf5": _hdf5,
    ".parquet": _parquet,
}  # fmt: skip
"""Suffix (in small letters) → reader."""
