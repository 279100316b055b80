"""What a store keeps of a recording: its samples in time, by angle of the shaft, or its envelope by angle.

In an angle view the shaft turns by the same angle from one sample to the next on every machine. A line of a fault then
stands at one place whatever the speed, and a window of so many revolutions has one length. The rate of such a recording
is samples a revolution times its speed, in Hz: what reads rates and speeds needs to know nothing of views.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.data.convert import resample
from phmbench.errors import DataError
from phmbench.revolutions import BAND_HZ, Name
from phmbench.types import Assignment

FINEST = 10_000  # larger number of a resampling ratio: an angle is true to a millionth
RINGING = 10  # periods of the band's lower edge, after which its filter has died away


class View(NamedTuple):
    """How recordings are looked at; part of the store's key."""

    name: Name = "time"
    per_revolution: int = 0  # samples, in angle views
    band: tuple[float, float] = BAND_HZ  # Hz, of the envelope
    whiten: bool = True  # whether all lines of a recording get one height before its envelope is taken

    def shape(self) -> dict[str, Any]:
        """What the store's key has of it: nothing in time, so that stores of before views stay what they are."""
        return {} if self.name == "time" else {"view": self.settings()}

    def settings(self) -> dict[str, Any]:
        """It in the words of `data`, for checkpoints and records."""
        every = {"view": self.name, "per_revolution": self.per_revolution, "band": [*self.band], "whiten": self.whiten}
        number = {"time": 1, "angle": 2, "envelope_angle": 4}[self.name]
        return dict(list(every.items())[:number])

    def reach(self, rate_hz: float) -> int:
        """Samples as recorded, on either side, to which a filter carries what stood in a gap."""
        return round(RINGING * rate_hz / self.band[0]) if self.name == "envelope_angle" else 0


TIME = View()


def ratios(table: pd.DataFrame, view: View) -> tuple[NDArray[np.float64], list[Fraction]]:
    """Rate in Hz and output samples per input sample of each recording in an angle view, (R,) each.

    The speed is one number a recording, `speed_rpm`: measured where the source has it, else nominal. It is taken for
    constant; tachometer channels are not read.

    Raises:
        DataError: a speed is not known or too far from the sampling rate, or the band lies above half of that.
    """
    rpm = pd.to_numeric(table["speed_rpm"], errors="coerce") if "speed_rpm" in table else pd.Series(np.nan, table.index)
    speed = rpm.to_numpy(np.float64, na_value=np.nan)
    unknown = np.flatnonzero(~(np.isfinite(speed) & (speed > 0)))
    if unknown.size:
        names = ", ".join(map(str, table["recording"].iloc[unknown[:3]])) + (", …" if unknown.size > 3 else "")
        raise DataError(
            f"data.view: {unknown.size} of {len(table)} recordings have no speed: {names}; got "
            f"{speed[unknown[0]]:g} rpm; expected a shaft that turns, speed_rpm; leave them out with "
            'data.where="speed_rpm > 0", or choose data.view=time'
        )
    rates = table["fs"].to_numpy(np.float64)
    _require_band(table, view, rates)
    found = []
    for name, rate, turns in zip(table["recording"], rates, speed / 60, strict=True):
        wanted = view.per_revolution * turns / rate
        ratio = Fraction(min(wanted, 1 / wanted)).limit_denominator(FINEST)
        if not ratio:
            raise DataError(
                f"recording {name}: {view.per_revolution} samples a revolution cannot be made; got "
                f"{rate / turns:.3g} as recorded; expected at most {FINEST} for one, or one for {FINEST}; leave it out "
                "with data.where, or choose another data.per_revolution"
            )
        found.append(ratio if wanted < 1 else 1 / ratio)
    return rates * np.array([float(one) for one in found]), found


def _require_band(table: pd.DataFrame, view: View, rates: NDArray[np.float64]) -> None:
    empty = np.flatnonzero((rates / 2 <= view.band[0]) & (view.name == "envelope_angle"))
    if empty.size:
        first = int(empty[0])
        raise DataError(
            f"data.band: nothing lies in it in {len(empty)} of {len(table)} recordings; got a lower edge of "
            f"{view.band[0]:g} Hz and {rates[first]:g} Hz as recorded of {table['recording'].iloc[first]}; expected "
            "less than half of that; lower data.band, or leave them out with data.where"
        )


def seen(signal: NDArray[Any], view: View, *, rate_hz: float, ratio: Fraction) -> NDArray[np.float32]:
    """A recording in a view.

    Shapes: (C, n) to (C, ceil(n · ratio)), C-contiguous float32.

    Args:
        signal: as recorded.
        view: time brings it to another rate, angle to samples a revolution, envelope_angle the squared envelope of the
            whitened signal to samples a revolution.
        rate_hz: as recorded.
        ratio: output samples per input sample.
    """
    if view.name == "envelope_angle":
        signal = squared_envelope(signal, rate_hz, band=view.band, whiten=view.whiten)
    return resample(signal, ratio)


def squared_envelope(
    signal: NDArray[Any], rate_hz: float, *, band: tuple[float, float] = BAND_HZ, whiten: bool = True
) -> NDArray[np.float64]:
    """Squared magnitude of the analytic signal in a band.

    Sources: Borghesani et al. (2013), DOI 10.1016/j.ymssp.2012.11.001; Ho & Randall (2000), DOI 10.1006/mssp.2000.1304.
    Shapes: (C, n) to (C, n), of mean 1; zeros of a constant channel, and where nothing lies in the band.

    Args:
        signal: samples.
        rate_hz: samples a second.
        band: lower and upper edge, Hz; the upper one at most half the rate.
        whiten: give all lines one height first (cepstrum pre-whitening), so that only phases are left: impacts stay;
            gears, shafts and resonances go.
    """
    from scipy.fft import ifft, next_fast_len, rfft

    wide = np.asarray(signal, np.float64)
    number = next_fast_len(wide.shape[1])
    spectrum = rfft(wide - wide.mean(axis=1, keepdims=True), n=number, axis=1)
    if whiten:
        size = np.abs(spectrum)
        largest = size.max(axis=1, keepdims=True)
        spectrum /= np.maximum(size, np.maximum(1e-6 * largest, np.finfo(np.float64).tiny))
    hertz = np.arange(spectrum.shape[1]) * (rate_hz / number)
    spectrum[:, (hertz < band[0]) | (hertz > min(band[1], rate_hz / 2))] = 0
    analytic = ifft(spectrum, n=number, axis=1)[:, : wide.shape[1]]  # the other half of the spectrum is zero
    power = analytic.real**2 + analytic.imag**2
    mean = power.mean(axis=1, keepdims=True)
    return np.asarray(power / np.where(mean > 0, mean, 1.0))


def require_whole(assignment: Assignment) -> None:
    """That no recording is on both sides: whitening takes what it takes from the whole of one.

    Raises:
        DataError: the split cuts recordings.
    """
    if assignment.level == "sample":
        raise DataError(
            f"data.view: envelope_angle is made of whole recordings; got split {assignment.name}, which has parts of "
            "one in training and test; expected recordings apart; choose data.view=angle, or another task/split"
        )
