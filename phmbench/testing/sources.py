"""The contract of a source: a table of recordings, and their signals."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("dataset", "rig", "recording", "unit", "condition", "channels", "fs", "n_samples", "fault_type")
NOT_MISSING = ("dataset", "rig", "recording", "channels", "fs", "n_samples")


def check_source(source: Any, *, recordings: int = 3) -> None:
    """Check a source against the contract.

    Checked: the fingerprint is plain JSON and stays the same; the table has its columns, no recording twice, nothing
    missing that must be known, nothing unknown that is written as a word; a physical unit belongs to one rig; the
    default channels exist; and of some recordings: shape, type, length and finite values of the signal, twice the same.

    Args:
        source: an object with `default_channels`, `fingerprint()`, `table()` and `signal(row, channels)`.
        recordings: how many signals are read, spread over the table.

    Raises:
        AssertionError: says which part of the contract does not hold, and what is expected.
    """
    name = type(source).__name__
    for attribute in ("default_channels", "fingerprint", "table", "signal"):
        assert hasattr(source, attribute), f"{name}: has no {attribute}; expected it, as in docs/architecture.md"
    _check_fingerprint(name, source)
    table = source.table()
    _check_table(name, table)
    for position in np.unique(np.linspace(0, len(table) - 1, min(recordings, len(table))).astype(int)):
        _check_signal(name, source, table.iloc[position])


def _check_fingerprint(name: str, source: Any) -> None:
    found = source.fingerprint()
    try:
        text = json.dumps(found, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"{name}: the fingerprint is not plain JSON ({error}); expected text and numbers"
        ) from error
    again = json.dumps(source.fingerprint(), sort_keys=True, allow_nan=False)
    assert text == again, f"{name}: the fingerprint differs from call to call; expected the same for the same content"


def _check_table(name: str, table: pd.DataFrame) -> None:
    missing = [column for column in COLUMNS if column not in table]
    assert not missing, (
        f"{name}: the table has no column {', '.join(missing)}; expected it, empty where nothing is known"
    )
    assert len(table), f"{name}: the table is empty; expected a row for each recording"
    for column in NOT_MISSING:
        assert not table[column].isna().any(), f"{name}: {column} is missing in some rows; expected it in every one"
    twice = table["recording"][table["recording"].duplicated()].tolist()
    assert not twice, f"{name}: recording {twice[:3]} is there twice; expected each once; number them"
    for row in table[["dataset", "recording", "channels"]].itertuples(index=False):
        prefix = f"{row.dataset}/"
        assert str(row.recording).startswith(prefix), (
            f"{name}: recording {row.recording!r}; expected {prefix!r} before it"
        )
        assert isinstance(row.channels, tuple), f"{name}: channels are {row.channels!r}; expected a tuple of names"
        assert row.channels, f"{name}: {row.recording} has no channels; expected a tuple of at least one name"
    for column in table.select_dtypes(exclude="number").columns.astype(str):
        words = {value for value in table[column] if isinstance(value, str)} & {"unknown", "none", "nan", ""}
        assert not words, f"{name}: {column} holds {sorted(words)}; expected a missing value (None), not a word for it"
    assert (table["fs"] > 0).all(), f"{name}: fs is not positive; expected samples per second"
    assert (table["n_samples"] > 0).all(), f"{name}: n_samples is not positive; expected the length of the recording"
    rigs = table.dropna(subset=["unit"]).groupby("unit")["rig"].nunique()
    shared = rigs[rigs > 1].index.tolist()
    assert not shared, f"{name}: unit {shared[:3]} is on several rigs; expected names that hold over all: 'rig/unit'"


def _check_signal(name: str, source: Any, row: pd.Series) -> None:
    channels = row["channels"] if source.default_channels is None else source.default_channels
    absent = [channel for channel in channels if channel not in row["channels"]]
    assert not absent, (
        f"{name}: {row['recording']} lacks the default channel {absent}; got {row['channels']}; choose others"
    )
    signal = source.signal(row, channels)
    shape = (len(channels), int(row["n_samples"]))
    assert isinstance(signal, np.ndarray), f"{name}: the signal is {type(signal).__name__}; expected a NumPy array"
    assert signal.shape == shape, (
        f"{name}: {row['recording']} has the shape {signal.shape}; expected {shape}, channel first"
    )
    assert signal.dtype in (np.float32, np.float64), (
        f"{name}: the signal is {signal.dtype}; expected float32 or float64"
    )
    assert math.isfinite(float(np.abs(signal).sum(dtype=np.float64))), (
        f"{name}: {row['recording']} holds NaN or infinite samples; expected numbers; leave such a recording out"
    )
    again = source.signal(row, channels)
    assert np.array_equal(signal, again), (
        f"{name}: {row['recording']} differs when read again; expected the same samples"
    )
