"""The level of lines in the spectrum of a squared envelope: whitened or not, in a band that is given or found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from phmbench.features import kurtogram, lines, spectra
from phmbench.types import Batch

Band = tuple[float, float] | Literal["kurtogram"] | None
LEVELS = 5  # of the tree of bands: a sixth of all is the narrowest, which at 12 kHz still holds lines up to 1 kHz


class Envelope:
    """Envelope of which a spectrum is taken.

    Args:
        whiten: cepstrum pre-whitening before it.
        band: Hz from and to, what lies above half the sampling rate not being there; "kurtogram": the one in which
            training windows have the highest kurtosis; None: the signal is an envelope as it is.

    Raises:
        ValueError: the band ends before it begins.
    """

    def __init__(self, *, whiten: bool, band: Band) -> None:
        if isinstance(band, list | tuple) and not 0 <= band[0] < band[1]:
            raise ValueError(f"band: ends before it begins; got {band[0]:g} to {band[1]:g} Hz; expected [LOW, HIGH]")
        self.whiten, self.band = whiten, band
        self.found: kurtogram.Band | None = None

    def learn(self, batches: Callable[[], Iterator[Batch]]) -> list[str]:
        """The kurtogram's band, of training windows; a note of it."""
        if self.band != "kurtogram":
            return []
        total, windows, rates = torch.zeros(len(kurtogram.bands(LEVELS)), dtype=torch.float64), 0, set()
        for batch in batches():
            found = kurtogram.kurtogram(self._cleaned(batch), levels=LEVELS)  # (B, C, bands)
            total += found.double().mean(1).sum(0)
            windows += len(found)
            rates |= set(batch.context.rate_hz.tolist())
        self.found = kurtogram.bands(LEVELS)[int(total.argmax())]
        low, high = self.found
        hertz = ", ".join(f"{low * rate / 2:.0f} to {high * rate / 2:.0f} Hz at {rate:g} Hz" for rate in sorted(rates))
        return [
            f"the kurtogram of {windows} training windows chose the band from {low:.3g} to {high:.3g} of half the "
            f"sampling rate ({hertz}), mean kurtosis {float(total.max()) / windows:.2f}"
        ]

    def level_db(self, batch: Batch) -> Tensor:
        """Each line over the floor around it: batch of B windows to (B, C, L // 2 + 1) dB.

        Raises:
            ValueError: the band lies above half the sampling rate.
        """
        signal, rate = self._cleaned(batch), batch.context.rate_hz
        if self.band is None:
            taper = torch.hann_window(signal.shape[-1])
            return lines.above_floor_db(torch.fft.rfft((signal - signal.mean(-1, keepdim=True)) * taper).abs())
        if self.found is not None:
            low, high = (edge * rate / 2 for edge in self.found)
        else:
            low, high = (torch.full_like(rate, float(edge)) for edge in self.band)
            if bool((low >= rate / 2).any()):
                raise ValueError(
                    f"band: lies above half the sampling rate; got {float(low[0]):g} Hz and a rate of "
                    f"{float(rate.min()):g}; expected less than half of it; choose a lower band, or band=null where "
                    "the signal is an envelope"
                )
        return lines.above_floor_db(
            spectra.envelope_spectrum(signal, rate, low_hz=low, high_hz=torch.minimum(high, rate / 2))
        )

    def _cleaned(self, batch: Batch) -> Tensor:
        signal = batch.signal.float()
        return spectra.whitened(signal) if self.whiten else signal
