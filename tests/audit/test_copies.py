"""A recording under another name, whatever was done to it: found by the audit, and what it can not find, counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from phmbench.data.audit import audit, copies
from phmbench.errors import LeakageError
from phmbench.types import Assignment, Windows
from tests.audit import recordings
from tests.audit.recordings import Recording, described

Signal = NDArray[np.float64]
Copy = tuple[Signal, float]
Change = Callable[[Signal, float, np.random.Generator], tuple[Copy, Copy]]
"""Signal and rate → what training has of it, and what the test set has."""


def whole(change: Callable[[Signal, float, np.random.Generator], Copy]) -> Change:
    """Training has the original."""
    return lambda signal, rate, rng: ((signal, rate), change(signal, rate, rng))


def noisy(signal: Signal, decibel: float, rng: np.random.Generator) -> Signal:
    return signal + rng.standard_normal(len(signal)) * signal.std() * 10 ** (-decibel / 20)


def resampled(signal: Signal, rate: float, to: int) -> Copy:
    up = to // int(np.gcd(to, round(rate)))
    return resample_poly(signal, up, round(rate) // (to // up), padtype="mean"), float(to)


def with_noise(decibel: float) -> Change:
    return whole(lambda signal, rate, rng: (noisy(signal, decibel, rng), rate))


def later(share: float) -> Change:
    """Two pieces of one recording, as long as each other, of which one begins later."""

    def cut(signal: Signal, rate: float, _: np.random.Generator) -> tuple[Copy, Copy]:
        shift = int(share * len(signal))
        return (signal[: len(signal) - shift], rate), (signal[shift:], rate)

    return cut


def shorter(share: float) -> Change:
    return whole(lambda signal, rate, rng: (signal[int(share * len(signal)) :], rate))


def at(rate_hz: int) -> Change:
    return whole(lambda signal, rate, rng: resampled(signal, rate, rate_hz))


def filtered(signal: Signal, rate: float, _: np.random.Generator) -> Copy:
    return sosfilt(butter(4, [0.02 * rate, 0.35 * rate], "bandpass", fs=rate, output="sos"), signal), rate


def all_at_once(signal: Signal, rate: float, rng: np.random.Generator) -> Copy:
    """At 12 kHz, with noise of 20 dB, begun a twentieth later, weaker and upside down."""
    copy, to = resampled(signal, rate, 12_000)
    return -0.03 * noisy(copy, 20, rng)[len(copy) // 20 :] + 2, to


VARIANTS: dict[tuple[str, str], tuple[Change, float]] = {
    ("duplicate", "under another name"): (whole(lambda signal, rate, _: (signal, rate)), 1.0),
    ("rescaled", "gain 0.001"): (whole(lambda signal, rate, _: (0.001 * signal, rate)), 1.0),
    ("rescaled", "gain −40"): (whole(lambda signal, rate, _: (-40 * signal, rate)), 1.0),
    ("offset", "by 3 standard deviations"): (whole(lambda signal, rate, _: (signal + 3 * signal.std(), rate)), 1.0),
    ("offset", "and rescaled"): (whole(lambda signal, rate, _: (7 * signal - signal.std(), rate)), 1.0),
    ("resampled", "to 8 kHz"): (at(8_000), 0.95),
    ("resampled", "to 12 kHz"): (at(12_000), 1.0),
    ("resampled", "to 44.1 kHz"): (at(44_100), 1.0),
    ("resampled", "to 12 kHz, noise of 20 dB"): (
        whole(lambda signal, rate, rng: (noisy(resampled(signal, rate, 12_000)[0], 20, rng), 12_000.0)),
        0.97,
    ),
    ("shifted in time", "by 1 % of the length"): (later(0.01), 1.0),
    ("shifted in time", "by 5 %"): (later(0.05), 0.98),
    ("shifted in time", "by 10 %"): (later(0.1), 0.98),
    ("shifted in time", "by 20 %"): (later(0.2), 0.0),
    ("shifted in time", "by 40 %"): (later(0.4), 0.0),
    ("cut", "its first 5 % are missing"): (shorter(0.05), 0.98),
    ("cut", "its first 10 %"): (shorter(0.1), 0.9),
    ("cut", "its first 30 %"): (shorter(0.3), 0.0),
    ("noise added", "30 dB"): (with_noise(30), 1.0),
    ("noise added", "20 dB"): (with_noise(20), 0.97),
    ("noise added", "15 dB"): (with_noise(15), 0.0),
    ("noise added", "10 dB"): (with_noise(10), 0.0),
    ("noise added", "0 dB"): (with_noise(0), 0.0),
    ("filtered", "band-pass, 0.02 to 0.35 of the rate"): (whole(filtered), 0.98),
    ("all at once", "12 kHz, 20 dB, 5 % later, gain −0.03, offset"): (whole(all_at_once), 0.9),
    ("played backwards", "whole"): (whole(lambda signal, rate, _: (signal[::-1].copy(), rate)), 1.0),
    ("played faster", "by 2 %, at the same stated rate"): (
        whole(lambda signal, rate, _: (resample_poly(signal, 50, 51), rate)),
        0.0,
    ),
}
"""Kind and variant of a copy → what was done, and the share that must be found; 0: counted for the page alone."""


def planted(originals: tuple[Recording, ...], change: Change) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Table and profiles of a store: what training has of each recording, then the copies, under other names."""
    rng = np.random.default_rng(0)
    pairs = [change(one.signal, one.rate_hz, rng) for one in originals]
    told = [described(*one) for one in itertools.chain(*zip(*pairs, strict=True))]
    names = [str(one.row["recording"]) for one in originals]
    columns = {
        name: [str(one.row[name]) for one in originals] + [f"other {number}" for number in range(len(originals))]
        for name in ("rig", "unit", "condition")
    }
    table = pd.DataFrame({"recording": [*names, *(f"copy of {name}" for name in names)], **columns, "label": "a"})
    return table.assign(content=[hashed for hashed, _ in told]), np.stack([profile for _, profile in told])


@cache
def count(kind: str, variant: str, rig: str | None) -> tuple[int, int]:
    """Copies found, each as one of its own original, and planted; rig None: the simulator."""
    originals = recordings.simulated() if rig is None else recordings.real(rig)
    table, profiles = planted(originals, VARIANTS[kind, variant][0])
    number = len(originals)
    first = np.arange(2 * number) < number
    pairs = copies(table, profiles, first, ~first)
    assert pairs is not None
    right = int(np.sum(pairs[:, 1] == pairs[:, 0] + number))
    assert right == len(pairs), f"{len(pairs) - right} recordings are taken for copies of others"
    return right, number


def refused(table: pd.DataFrame, profiles: NDArray[np.float32]) -> str:
    """What the audit says of a split that has the originals in training and the copies in the test set."""
    windows = Windows(np.arange(len(table)), np.zeros(len(table), np.int64))
    half = len(table) // 2
    rows = np.arange(len(table))
    split = Assignment(
        train=rows[:half], val=rows[:0], test=rows[half:], classes=("a",), domain=np.zeros(len(table), np.int64),
        domains=("rig",), name="units", level="unit", validation_level="unit",
    )  # fmt: skip
    with pytest.raises(LeakageError) as caught:
        audit(split, table=table, windows=windows, window=8, fingerprints=profiles)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "variant"), VARIANTS)
def test_copies_of_simulated_recordings(kind: str, variant: str):
    found, number = count(kind, variant, None)
    assert found >= VARIANTS[kind, variant][1] * number


@pytest.mark.realdata
@pytest.mark.parametrize(("kind", "variant"), VARIANTS)
def test_copies_of_real_recordings(kind: str, variant: str, real_data: object):
    """femto's recordings last 0.1 s, of which 5 % are too little to shift by."""
    for rig in recordings.REAL:
        found, number = count(kind, variant, rig)
        brief = rig == "femto" and (kind in ("shifted in time", "cut", "all at once") or variant == "to 8 kHz")
        assert brief or found >= VARIANTS[kind, variant][1] * number, rig


@pytest.mark.parametrize(("kind", "variant"), [key for key, (_, least) in VARIANTS.items() if least >= 0.97])
def test_the_audit_names_kind_and_recordings(kind: str, variant: str):
    """One copied recording among others stops the run, and is named with its original."""
    table, profiles = planted(recordings.simulated()[3:4], VARIANTS[kind, variant][0])
    name = table["recording"].iloc[0]
    text = refused(table, profiles)
    assert text.startswith("split: one recording of the test set is in training or validation under another name")
    assert f"got copy of {name} is a copy of {name}; expected no copies" in text
