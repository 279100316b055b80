"""What an amplitude's distribution says of a window: the oldest condition indicators."""

import torch
from torch import Tensor

AMPLITUDES = ("rms", "mean", "peak")
NAMES = ("rms", "peak_to_peak", "crest", "kurtosis", "skewness", "impulse", "shape")


def amplitudes(signal: Tensor) -> Tensor:
    """RMS, mean and largest absolute value, in the signal's unit: no fault physics, but often the label.

    Shapes: (B, C, L) to (B, C, 3), in the order of `AMPLITUDES`.
    """
    precise = signal.double()
    rms, mean = precise.square().mean(-1).sqrt(), precise.mean(-1)
    return torch.stack([rms, mean, precise.abs().amax(-1)], -1).to(signal.dtype)  # (B, C, 3)


def moments(signal: Tensor) -> Tensor:
    """RMS and peak to peak in the signal's unit, and five ratios without one; of the signal without its mean.

    Crest factor: peak over RMS. Kurtosis: 3 for Gaussian noise. Impulse factor: peak over mean absolute value. Shape
    factor: RMS over mean absolute value. A constant window has zeros.

    Source: Randall (2011), Vibration-based Condition Monitoring, Wiley, chapter 3, DOI 10.1002/9780470977668.
    Shapes: (B, C, L) to (B, C, 7), in the order of `NAMES`.
    """
    precise = signal.double()  # fourth powers
    centred = precise - precise.mean(-1, keepdim=True)
    rms = centred.square().mean(-1).sqrt()
    peak, rectified = centred.abs().amax(-1), centred.abs().mean(-1)
    scaled = centred / _or_one(rms)[..., None]
    found = [
        rms,
        centred.amax(-1) - centred.amin(-1),
        peak / _or_one(rms),
        scaled.pow(4).mean(-1),
        scaled.pow(3).mean(-1),
        peak / _or_one(rectified),
        rms / _or_one(rectified),
    ]
    return torch.stack(found, -1).to(signal.dtype)  # (B, C, 7)


def _or_one(value: Tensor) -> Tensor:
    """For division: a constant has ratios of zero, not NaN."""
    return torch.where(value > 0, value, 1.0)
