"""Spectrum and envelope spectrum of one window, and where a bearing's faults show in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.record.predictions import ORDERS

Array = NDArray[np.float64]

FAULTS = {"outer": "BPFO", "inner": "BPFI", "rolling_element": "BSF", "ball": "BSF", "cage": "FTF"}
"""Which fault order belongs to a class whose name holds the word."""


class Line(NamedTuple):
    """A frequency at which a fault shows."""

    hz: float
    name: str  # "BPFI", "2 BPFI"; empty for a sideband
    sideband: bool


def spectrum(signal: Array, rate_hz: float) -> tuple[Array, Array]:
    """Frequencies in Hz and one-sided amplitudes, (L // 2 + 1,) each, with a Hann window.

    A sine of amplitude a on a bin gives a, whatever the length; the mean is removed first.
    """
    weight = np.hanning(len(signal) + 1)[:-1]  # periodic
    amplitude = np.abs(np.fft.rfft((signal - signal.mean()) * weight)) * 2 / weight.sum()
    hz = np.fft.rfftfreq(len(signal), 1 / rate_hz)
    return hz.astype(np.float64), np.asarray(amplitude, dtype=np.float64)


def envelope(signal: Array) -> Array:
    """Magnitude of the analytic signal (Hilbert transform by FFT), (L,).

    Source: Randall & Antoni (2011), Rolling element bearing diagnostics: a tutorial, MSSP 25(2), 485-520, sec. 5.
    """
    n = len(signal)
    gain = np.zeros(n)
    gain[0] = 1
    gain[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        gain[n // 2] = 1
    return np.asarray(np.abs(np.fft.ifft(np.fft.fft(signal - signal.mean()) * gain)))


def envelope_spectrum(signal: Array, rate_hz: float) -> tuple[Array, Array]:
    """`spectrum` of the envelope: its lines are the rates at which something strikes."""
    return spectrum(envelope(signal), rate_hz)


def fault_lines(label: str, *, speed_hz: float, orders: Sequence[float], harmonics: int = 3) -> list[Line]:
    """Where the fault of a class shows in the envelope spectrum; empty where speed or orders are unknown.

    Harmonics of the fault's frequency; around them sidebands at the rate at which the fault passes the load zone: the
    shaft for the inner ring, the cage for the rolling elements (Randall & Antoni 2011, sec. 2). A class that names no
    fault (normal, an unknown label) gets the fundamental of every known order.
    """
    known = {name: order for name, order in zip(ORDERS, orders, strict=True) if math.isfinite(order)}
    if not math.isfinite(speed_hz) or speed_hz <= 0:
        return []
    names = [name for word, name in FAULTS.items() if word in label.lower() and name in known]
    if not names:
        return [Line(order * speed_hz, name, False) for name, order in known.items()]
    lines = []
    for name in dict.fromkeys(names):
        side = {"BPFI": 1.0, "BSF": known.get("FTF", math.nan)}.get(name, math.nan)
        for k in range(1, harmonics + 1):
            order = k * known[name]
            lines.append(Line(order * speed_hz, name if k == 1 else f"{k} {name}", False))
            if math.isfinite(side):
                lines += [Line((order + sign * side) * speed_hz, "", True) for sign in (-1, 1)]
    return [line for line in lines if line.hz > 0]


def prominence(hz: Array, amplitude: Array, line_hz: float, *, slip: float = 0.02) -> float:
    """How far a line stands out: largest amplitude within `slip` of it (at least one bin), over the median around.

    Around is half to one and a half times the frequency. NaN beyond the spectrum.
    """
    width = max(slip * line_hz, hz[1] - hz[0])
    near = np.abs(hz - line_hz) <= width
    around = (hz >= line_hz / 2) & (hz <= 1.5 * line_hz) & ~near
    if not near.any() or not around.any() or line_hz > hz[-1]:
        return math.nan
    background = float(np.median(amplitude[around]))
    return float(amplitude[near].max()) / background if background > 0 else math.nan
