"""Rows of features for classical estimators: what is computed of each window alone."""

from __future__ import annotations

import itertools
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from phmbench.features import lines, moments, spectra
from phmbench.types import Batch

EDGES_HZ = (0.0, 500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0, 12_000.0)
FAMILIES = ("bpfo", "bpfi", "2bsf", "ftf")


class Nothing(nn.Module):
    """A column of ones: for an estimator that looks at labels alone.

    Shapes: batch of B windows to (B, 1).
    """

    raw = False

    def forward(self, batch: Batch) -> Tensor:
        return torch.ones(len(batch.label), 1)

    def names(self, channels: int) -> list[str]:
        return ["one"]


class Amplitudes(nn.Module):
    """RMS, mean and largest value of the signal as it was stored: what a sensor's gain gives away.

    Shapes: batch of B windows with C channels to (B, 3 C).
    """

    raw = True  # normalised windows have no amplitude

    def forward(self, batch: Batch) -> Tensor:
        return moments.amplitudes(batch.signal).flatten(1)

    def names(self, channels: int) -> list[str]:
        return [f"{name}/{channel}" for channel in range(channels) for name in moments.AMPLITUDES]


class LogSpectrum(nn.Module):
    """Logarithm of the power in equal parts of the band up to half the sampling rate, over the power of all.

    Shapes: batch of B windows with C channels to (B, C · bins).

    Args:
        bins: parts of the band.
    """

    raw = False

    def __init__(self, *, bins: Annotated[int, Ge(1)]) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, batch: Batch) -> Tensor:
        signal = batch.signal.float()
        taper = torch.hann_window(signal.shape[-1])
        power = torch.fft.rfft((signal - signal.mean(-1, keepdim=True)) * taper).abs().square()[..., 1:]
        parts = nn.functional.adaptive_avg_pool1d(power, self.bins)  # (B, C, bins)
        share = parts / parts.sum(-1, keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny)
        return (share + 1e-9).log().flatten(1)

    def names(self, channels: int) -> list[str]:
        return [f"part {i}/{channel}" for channel in range(channels) for i in range(self.bins)]


class FaultLines(nn.Module):
    """Moments, power in bands, and lines of the envelope's spectrum at the harmonics of the fault frequencies.

    With them go the sidebands at the speeds of shaft and cage. The envelope is that of the whitened signal in one band.
    Of a bearing whose geometry is not known the lines are NaN.

    Paper: those of `phmbench.features.moments`, `.spectra` and `.lines`; which families have which sidebands: Randall
        & Antoni (2011), Rolling element bearing diagnostics: a tutorial, Mechanical Systems and Signal Processing
        25(2), 485–520, DOI 10.1016/j.ymssp.2010.07.017.
    Shapes: batch of B windows with C channels to (B, C · F), F = 7 + 8 + 4 · (harmonics + 1) + 3.

    Args:
        harmonics: of each fault frequency.
        tolerance: share of a fault frequency by which slip may move it.
        low_hz: lower edge of the band whose envelope is taken.
        high_hz: upper edge; what lies above half the rate is not there.
    """

    raw = False

    def __init__(
        self,
        *,
        harmonics: Annotated[int, Ge(1)],
        tolerance: Annotated[float, Gt(0)],
        low_hz: Annotated[float, Ge(0)],
        high_hz: Annotated[float, Gt(0)],
    ) -> None:
        super().__init__()
        self.harmonics, self.tolerance, self.low_hz, self.high_hz = harmonics, tolerance, low_hz, high_hz

    def forward(self, batch: Batch) -> Tensor:
        signal, rate, speed = batch.signal.float(), batch.context.rate_hz, batch.context.speed_hz
        envelope = spectra.envelope_spectrum(
            spectra.whitened(signal), rate, low_hz=self.low_hz, high_hz=torch.clamp(rate / 2, max=self.high_hz)
        )
        level = lines.above_floor_db(envelope)  # (B, C, N)
        resolution = rate / signal.shape[-1]
        orders = batch.context.orders * torch.tensor([1.0, 1.0, 2.0, 1.0])  # a rolling element strikes twice a turn
        base = orders * speed[:, None]  # (B, 4)
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
