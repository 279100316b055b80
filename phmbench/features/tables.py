"""Rows of features for classical estimators: what is computed of each window alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from phmbench.features import free_comb, lines, moments, spectra
from phmbench.features.envelope import Envelope
from phmbench.types import Batch

EDGES_HZ = (0.0, 500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0, 12_000.0)
FAMILIES = ("bpfo", "bpfi", "2bsf", "ftf")


class EachWindow:
    """Features of windows, for which nothing has to be known of others."""

    raw = False

    def learn(self, batches: Callable[[], Iterator[Batch]], *, seed: int) -> list[str]:
        """Nothing."""
        return []


class Nothing(EachWindow):
    """A column of ones: for an estimator that looks at labels alone.

    Shapes: batch of B windows to (B, 1).
    """

    def __call__(self, batch: Batch) -> Tensor:
        return torch.ones(len(batch.label), 1)

    def names(self, channels: int) -> list[str]:
        return ["one"]


class Amplitudes(EachWindow):
    """RMS, mean and largest value of the signal as it was stored: what a sensor's gain gives away.

    Shapes: batch of B windows with C channels to (B, 3 C).
    """

    raw = True  # normalised windows have no amplitude

    def __call__(self, batch: Batch) -> Tensor:
        return moments.amplitudes(batch.signal).flatten(1)

    def names(self, channels: int) -> list[str]:
        return [f"{name}/{channel}" for channel in range(channels) for name in moments.AMPLITUDES]


class LogSpectrum(EachWindow):
    """Logarithm of the power in equal parts of the band up to half the sampling rate, over the power of all.

    Shapes: batch of B windows with C channels to (B, C · bins).

    Args:
        bins: parts of the band.
    """

    def __init__(self, *, bins: Annotated[int, Ge(1)]) -> None:
        self.bins = bins

    def __call__(self, batch: Batch) -> Tensor:
        signal = batch.signal.float()
        taper = torch.hann_window(signal.shape[-1])
        power = torch.fft.rfft((signal - signal.mean(-1, keepdim=True)) * taper).abs().square()[..., 1:]
        parts = nn.functional.adaptive_avg_pool1d(power, self.bins)  # (B, C, bins)
        share = parts / parts.sum(-1, keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny)
        return (share + 1e-9).log().flatten(1)

    def names(self, channels: int) -> list[str]:
        return [f"part {i}/{channel}" for channel in range(channels) for i in range(self.bins)]


class OfEnvelope:
    """Features from lines of the envelope's spectrum.

    Args:
        whiten: cepstrum pre-whitening, before the envelope is taken.
        band: whose envelope is taken: Hz from and to, "kurtogram": the one in which training windows have the highest
            kurtosis; None: the signal is an envelope as it is.
    """

    raw = False

    def __init__(self, *, whiten: bool, band: tuple[float, float] | Literal["kurtogram"] | None) -> None:
        self.envelope = Envelope(whiten=whiten, band=band)

    def learn(self, batches: Callable[[], Iterator[Batch]], *, seed: int) -> list[str]:
        """The kurtogram's band, if that is asked for; a note of it."""
        return self.envelope.learn(batches)


class FaultLines(OfEnvelope):
    """Moments, power in bands, and lines of the envelope's spectrum at the harmonics of the fault frequencies.

    With them go the sidebands at the speeds of shaft and cage. Of a bearing whose geometry is not known the lines are
    NaN.

    Paper: those of `phmbench.features.moments`, `.spectra` and `.lines`; which families have which sidebands: Randall
        & Antoni (2011), Rolling element bearing diagnostics: a tutorial, Mechanical Systems and Signal Processing
        25(2), 485–520, DOI 10.1016/j.ymssp.2010.07.017.
    Shapes: batch of B windows with C channels to (B, C · F), F = 7 + 8 + 4 · (harmonics + 1) + 3.

    Args:
        harmonics: of each fault frequency.
        tolerance: share of a fault frequency by which slip may move it.
        whiten: cepstrum pre-whitening, before the envelope is taken.
        band: whose envelope is taken: Hz from and to, "kurtogram": the one in which training windows have the highest
            kurtosis; None: the signal is an envelope as it is.
    """

    def __init__(
        self,
        *,
        harmonics: Annotated[int, Ge(1)],
        tolerance: Annotated[float, Gt(0)],
        whiten: bool,
        band: tuple[float, float] | Literal["kurtogram"] | None,
    ) -> None:
        super().__init__(whiten=whiten, band=band)
        self.harmonics, self.tolerance = harmonics, tolerance

    def __call__(self, batch: Batch) -> Tensor:
        signal, rate, speed = batch.signal.float(), batch.context.rate_hz, batch.context.speed_hz
        level = self.envelope.level_db(batch)  # (B, C, N)
        resolution, base = rate / signal.shape[-1], base_hz(batch)
        comb = lines.comb(level, resolution, base, harmonics=self.harmonics, tolerance=self.tolerance)
        found = base[:, None] * comb.rate  # (B, C, 4)
        cage = speed * batch.context.orders[:, 3]
        sides = [
            lines.sidebands(level, resolution, found[..., 1:2], speed, orders=2).flatten(2),  # inner race: shaft
            lines.sidebands(level, resolution, found[..., 2:3], cage, orders=1).flatten(2),  # rolling element: cage
        ]
        height = comb.height_db
        parts = [
            moments.moments(signal),
            spectra.log_bands(signal, rate, edges_hz=EDGES_HZ),
            torch.cat([height, height.mean(-1, keepdim=True)], -1).flatten(2),
            *sides,
        ]
        return torch.cat(parts, -1).flatten(1)

    def names(self, channels: int) -> list[str]:
        of_one = [
            *moments.NAMES,
            *(f"{low:g}–{high:g} Hz" for low, high in itertools.pairwise(EDGES_HZ)),
            *(f"{family} {h}" for family in FAMILIES for h in (*range(1, self.harmonics + 1), "mean")),
            "bpfi ±1 shaft", "bpfi ±2 shaft", "2bsf ±1 cage",
        ]  # fmt: skip
        return [f"{name}/{channel}" for channel in range(channels) for name in of_one]


class FaultHeights(OfEnvelope):
    """How high the harmonics of each fault frequency stand over the floor, on average.

    Paper: those of `phmbench.features.lines`.
    Shapes: batch of B windows with C channels to (B, C · 4), dB: BPFO, BPFI, twice BSF, FTF.

    Args:
        harmonics: of each fault frequency; those above the spectrum are not counted.
        tolerance: share of a fault frequency by which slip may move it.
        whiten: cepstrum pre-whitening, before the envelope is taken.
        band: whose envelope is taken: Hz from and to, "kurtogram": the one in which training windows have the highest
            kurtosis; None: the signal is an envelope as it is.
    """

    def __init__(
        self,
        *,
        harmonics: Annotated[int, Ge(1)],
        tolerance: Annotated[float, Gt(0)],
        whiten: bool,
        band: tuple[float, float] | Literal["kurtogram"] | None,
    ) -> None:
        super().__init__(whiten=whiten, band=band)
        self.harmonics, self.tolerance = harmonics, tolerance

    def __call__(self, batch: Batch) -> Tensor:
        level = self.envelope.level_db(batch)
        resolution = batch.context.rate_hz / batch.signal.shape[-1]
        comb = lines.comb(level, resolution, base_hz(batch), harmonics=self.harmonics, tolerance=self.tolerance)
        return comb.height_db.nanmean(-1).flatten(1)  # (B, C · 4)

    def names(self, channels: int) -> list[str]:
        return [f"{family}/{channel}" for channel in range(channels) for family in FAMILIES]


class FreeComb(OfEnvelope):
    """The strongest comb of lines that belongs to no whole order of the shaft, searched without any geometry.

    Its order, the heights of its harmonics, the sidebands at the speed of the shaft and of a cage, and the shaft's own
    first three lines. Only the speed must be known.

    Paper: none; see `phmbench.features.free_comb`.
    Shapes: batch of B windows with C channels to (B, C · F), F = 1 + (harmonics + 1) + 3 + 3.

    Args:
        harmonics: of the comb.
        whiten: cepstrum pre-whitening, before the envelope is taken.
        band: whose envelope is taken: Hz from and to, "kurtogram": the one in which training windows have the highest
            kurtosis; None: the signal is an envelope as it is.
    """

    def __init__(
        self,
        *,
        harmonics: Annotated[int, Ge(1)],
        whiten: bool,
        band: tuple[float, float] | Literal["kurtogram"] | None,
    ) -> None:
        super().__init__(whiten=whiten, band=band)
        self.harmonics = harmonics

    def __call__(self, batch: Batch) -> Tensor:
        level = self.envelope.level_db(batch)
        resolution = batch.context.rate_hz / batch.signal.shape[-1]
        found = free_comb.free_comb(level, resolution, batch.context.speed_hz, harmonics=self.harmonics)
        height = found.height_db
        parts = [
            found.order[..., None],
            height,
            height.mean(-1, keepdim=True),
            found.shaft_db,
            found.cage_db[..., None],
            found.whole_db,
        ]
        return torch.cat(parts, -1).flatten(1)

    def names(self, channels: int) -> list[str]:
        of_one = [
            "order", *(f"comb {h}" for h in (*range(1, self.harmonics + 1), "mean")),
            "comb ±1 shaft", "comb ±2 shaft", "comb ±1 cage", "shaft 1", "shaft 2", "shaft 3",
        ]  # fmt: skip
        return [f"{name}/{channel}" for channel in range(channels) for name in of_one]


def base_hz(batch: Batch) -> Tensor:
    """Rates at which outer and inner race, rolling element (twice a turn), cage are struck: (B, 4), as `FAMILIES`."""
    orders = batch.context.orders * torch.tensor([1.0, 1.0, 2.0, 1.0])
    return orders * batch.context.speed_hz[:, None]
