"""Amplitude scales taken out of windows: per window, or by statistics of the training windows; and noise put in.

All of it changes a batch (B, C, L) in place, as `windows.gather` gives it, and returns it. Order: noise, then
normalisation, so that a network sees noisy windows on the scale that it was trained with. `normalise_torch` has
the same arithmetic as small modules that an export can carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phmbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONSTANT = 1e-6  # spread over mean at which a window counts as constant: what float32 makes of a constant, and less


def per_window(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take each window and channel to zero mean and unit variance; a constant one to zeros.

    Shapes: (B, C, L), changed in place. No small number is added to the deviation: a recording in units of 10^-6 comes
    out as the same in units of 1.
    """
    mean = batch.mean(axis=-1, keepdims=True)
    batch -= mean
    spread = np.sqrt(np.einsum("...i,...i->...", batch, batch)[..., None] / batch.shape[-1])
    batch *= _inverse(spread, mean)
    return batch


@dataclass(frozen=True)
class TrainStatistics:
    """Mean and standard deviation of each channel over the training windows, and nothing else."""

    mean: NDArray[np.float32]  # (C, 1)
    std: NDArray[np.float32]  # (C, 1); a channel that is constant in training has 0, and becomes zeros

    @classmethod
    def fit(cls, batches: Iterable[NDArray[np.float32]]) -> TrainStatistics:
        """Pass over batches (B, C, L) of training windows once, in float64.

        Batches are merged by the formula of Chan, Golub & LeVeque (1983), The American Statistician 37(3), 242–247,
        doi:10.1080/00031305.1983.10483115, which stays exact where the mean is large against the deviation.

        Raises:
            DataError: there are no windows.
        """
        count, mean, squares = 0, np.zeros(1), np.zeros(1)
        for batch in batches:
            number = batch.shape[0] * batch.shape[2]
            if not number:
                continue
            own = batch.mean(axis=(0, 2), dtype=np.float64)  # (C,)
            away = batch - own[:, None]
            total = count + number
            squares = squares + np.einsum("bcl,bcl->c", away, away) + (own - mean) ** 2 * (count * number / total)
            mean = mean + (own - mean) * (number / total)
            count = total
        if not count:
            raise DataError(
                "data.normalise: no training windows to take statistics from; got 0; expected at least 1; "
                "set data.normalise=window, or choose another split"
            )
        spread = np.sqrt(squares / count)
        spread[spread <= CONSTANT * np.abs(mean)] = 0.0
        return cls(mean[:, None].astype(np.float32), spread[:, None].astype(np.float32))

    def apply(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Subtract the mean and divide by the deviation of each channel. Shapes: (B, C, L), changed in place.

        Raises:
            DataError: the batch has another number of channels than the statistics.
        """
        if batch.shape[1] != len(self.mean):
            raise DataError(
                f"data.normalise: statistics are of other channels; got {batch.shape[1]} channels; expected "
                f"{len(self.mean)}; choose data.channels as in training"
            )
        batch -= self.mean
        batch *= _inverse(self.std, self.mean)
        return batch


def add_noise(batch: NDArray[np.float32], snr_db: float, seed: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Add white Gaussian noise at a signal-to-noise ratio, the same for a window whatever batch or process it is in.

    The power of the signal is the variance of the window's channel: an offset is no signal. A constant window stays as
    it is. Each window has a stream of random numbers of its own, which costs a loop over windows (about 30 µs each),
    in this option for robustness tests only.

    Shapes: batch (B, C, L), changed in place; rows (B,).

    Args:
        batch: windows before normalisation.
        snr_db: ratio of powers in dB; 0 is as much noise as signal.
        seed: of the noise.
        rows: rows of the window index, by which the noise of a window is found again.

    Raises:
        ConfigError: the ratio is no finite number.
    """
    if not np.isfinite(snr_db):
        raise ConfigError(
            f"data.noise_db: not a ratio; got {snr_db}; expected a finite number of dB; set "
            "data.noise_db=null for no noise"
        )
    scale = batch.std(axis=-1, keepdims=True) * np.float32(10 ** (-snr_db / 20))  # (B, C, 1)
    for window, size, row in zip(batch, scale, rows.tolist(), strict=True):
        # A counter-based generator: the row is the upper part of the counter, so that no two windows' streams meet.
        generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, row]))
        window += size * generator.standard_normal(window.shape, dtype=np.float32)
    return batch


def _inverse(spread: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give 1 / spread, and 0 where a signal is constant but for rounding: zeros, not amplified rounding or NaN."""
    return np.reciprocal(np.where(spread <= CONSTANT * np.abs(mean), np.float32("inf"), spread))
