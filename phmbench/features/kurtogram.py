"""Which band of the spectrum holds impacts: the fast kurtogram."""

from typing import NamedTuple

import torch
from torch import Tensor


class Band(NamedTuple):
    """Of a kurtogram, in shares of half the sampling rate."""

    low: float
    high: float


EDGE = 0.05
"""Share of the envelope at each end that is not counted: where both ends meet, as they do for the Fourier transform, a
window has a leap, which whitening makes an impact of."""


def bands(levels: int) -> list[Band]:
    """The tree of bands: whole, halves, thirds, quarters, sixths, eighths, …; `levels` of them."""
    parts = [1, *(n for k in range(1, levels + 1) for n in (2**k, 3 * 2 ** (k - 1)))][:levels]
    return [Band(i / n, (i + 1) / n) for n in parts for i in range(n)]


def kurtogram(signal: Tensor, *, levels: int = 7) -> Tensor:
    """Kurtosis of the complex envelope within each band: 0 for Gaussian noise, high where impacts are.

    A band is cut out of the Fourier transform, which also brings its rate down to what it holds.

    Source: Antoni (2007), Fast computation of the kurtogram for the detection of transient faults, Mechanical Systems
        and Signal Processing 21(1), 108–124, DOI 10.1016/j.ymssp.2005.12.002; with bands of the Fourier transform in
        the place of his filters.
    Shapes: (B, C, L) to (B, C, bands), in the order of `bands(levels)`.

    Raises:
        ValueError: the narrowest band would hold fewer than 16 lines.
    """
    tree = bands(levels)
    narrowest = min(band.high - band.low for band in tree)
    half = signal.shape[-1] // 2
    if half * narrowest < 16:
        raise ValueError(
            f"kurtogram: the window is too short for {levels} levels; got {signal.shape[-1]} samples; expected "
            f"{int(32 / narrowest + 1)} or more; take fewer levels or a longer data.window"
        )
    spectrum = torch.fft.rfft((signal - signal.mean(-1, keepdim=True)).float())[..., 1 : half + 1]  # (B, C, L // 2)
    found = []
    for band in tree:
        inside = spectrum[..., round(band.low * half) : round(band.high * half)]
        power = torch.fft.ifft(inside).abs().double().square()  # (B, C, lines): squared envelope
        edge = round(EDGE * power.shape[-1])
        power = power[..., edge : power.shape[-1] - edge]
        mean = power.mean(-1)
        found.append(power.square().mean(-1) / torch.where(mean > 0, mean, 1.0).square() - 2)
    return torch.stack(found, -1).to(signal.dtype)


def best_band(kurtosis: Tensor, *, levels: int = 7) -> Band:
    """The band with the highest kurtosis on average over windows and channels (training ones: it is fitted).

    Shapes: (B, C, bands).
    """
    return bands(levels)[int(kurtosis.double().mean((0, 1)).argmax())]
