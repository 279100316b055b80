"""Recordings to plant leaks in: simulated ones, and a few of each real rig."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.data.fingerprint import content_hash, profile
from phmbench.data.sources.bearing_datasets import BearingDatasets
from phmbench.data.sources.simulated import Simulated

RIGS = ["motor", "pump", "gearbox", "spindle"]
REAL = {"cwru": 1, "hit_sm": 1, "mfpt": 1, "femto": 20}
"""Real rigs, and that of so many recordings one is taken."""


class Recording(NamedTuple):
    """One recording as its source gives it."""

    row: pd.Series
    signal: NDArray[np.float64]  # (time,)
    rate_hz: float


@cache
def simulated() -> tuple[Recording, ...]:
    """Forty bearings on four rigs, each at two of its conditions."""
    source = Simulated(rigs=RIGS, bearings=1, conditions=2, seconds=1.25, snr_db=10.0, seed=0)
    return tuple(Recording(row, source.signal(row, ["vibration"])[0], float(row["fs"])) for _, row in rows_of(source))


@cache
def real(name: str) -> tuple[Recording, ...]:
    """Recordings of a rig, first channel."""
    source = BearingDatasets(name=name, root=Path(os.environ["PHMBENCH_DATA"]), where=None)
    chosen = list(rows_of(source))[:: REAL[name]]
    read = [(row, source.signal(row, list(row["channels"])[:1])[0]) for _, row in chosen]
    return tuple(Recording(row, np.asarray(signal, np.float64), float(row["fs"])) for row, signal in read)


def rows_of(source: Simulated | BearingDatasets) -> list[tuple[int, pd.Series]]:
    return list(source.table().reset_index(drop=True).iterrows())


def described(signal: NDArray[np.float64], rate_hz: float) -> tuple[str, NDArray[np.float32]]:
    """What a store keeps of a recording: hash and profile, of single precision as it is stored."""
    block = signal[None].astype(np.float32)
    return content_hash(block), profile(block, rate_hz)
