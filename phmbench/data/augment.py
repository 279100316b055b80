"""Training windows varied at random, so that a network learns what stays: on a whole batch at once, on its device."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

Decibel = Annotated[float, Ge(-100), Le(100)]
Share = Annotated[float, Ge(0), Le(1)]


class Augment(nn.Module):
    """Gain, polarity, circular shift, noise and masking, in this order; each window draws for itself.

    A change that leaves the fault as it was: the gain and the polarity of a sensor, the moment at which a window
    begins, noise, a stretch that was lost. It comes after normalisation, which would take a gain back.

    Paper: Li, Zhang, Ding & Sun (2020), Intelligent rotating machinery fault diagnosis based on deep learning using
        data augmentation, Journal of Intelligent Manufacturing 31(2), 433–452, DOI 10.1007/s10845-018-1456-1, for
        noise, amplitude, translation and masking; Um et al. (2017), Data augmentation of wearable sensor data for
        Parkinson's disease monitoring using convolutional neural networks, ICMI, arXiv 1706.00527, for polarity; Park
        et al. (2019), SpecAugment, Interspeech, arXiv 1904.08779, section 2, for one stretch of random length.
    Deviations: a shift is circular, so that no sample is made up, and has a seam where the ends meet; a masked stretch
        takes the mean of its window and channel; all channels of a window are shifted and masked together.
    Shapes: signal (B, C, L) to (B, C, L).

    Args:
        gain_db: least and largest gain, dB, drawn evenly; null: none.
        invert: whether the sign is changed.
        shift: longest circular shift to the right, as a share of the window, drawn evenly; 1: any; 0: none.
        noise_db: least and largest signal-to-noise ratio of white Gaussian noise, dB, drawn evenly; null: none. The
            power of the signal is the variance of the window and channel.
        mask: longest stretch that is masked, as a share of the window; length and place drawn evenly; 0: none.
        probability: that a window gets a change, for each kind by itself.

    Raises:
        ValueError: a range begins above its end.
    """

    def __init__(
        self,
        *,
        gain_db: tuple[Decibel, Decibel] | None,
        invert: bool,
        shift: Share,
        noise_db: tuple[Decibel, Decibel] | None,
        mask: Share,
        probability: Share,
    ) -> None:
        super().__init__()
        for name, limits in (("gain_db", gain_db), ("noise_db", noise_db)):
            if limits is not None and limits[0] > limits[1]:
                raise ValueError(
                    f"{name}: begins above its end; got {list(limits)}; expected the least first; swap them"
                )
        self.gain_db, self.invert, self.shift = gain_db, invert, shift
        self.noise_db, self.mask, self.probability = noise_db, mask, probability

    def forward(self, signal: Tensor) -> Tensor:
        if self.gain_db is not None:
            gain = torch.where(self._chosen(signal), self._drawn(signal, self.gain_db), 0.0)  # (B, 1, 1) dB
            signal = signal * _amplitude(gain)
        if self.invert:
            signal = torch.where(self._chosen(signal), -signal, signal)
        if self.shift:
            signal = self._shifted(signal)
        if self.noise_db is not None:
            size = torch.where(self._chosen(signal), _amplitude(-self._drawn(signal, self.noise_db)), 0.0)  # (B, 1, 1)
            size = size * signal.std(-1, correction=0, keepdim=True)  # (B, C, 1)
            signal = signal + size * torch.randn_like(signal)
        return self._masked(signal) if self.mask else signal

    def _shifted(self, signal: Tensor) -> Tensor:
        length = signal.shape[-1]
        most = min(round(self.shift * length), length - 1)
        steps = torch.where(self._chosen(signal), _whole(signal, most), 0)  # (B, 1, 1)
        source = (torch.arange(length, device=signal.device) - steps) % length  # (B, 1, L)
        return signal.gather(-1, source.expand_as(signal))

    def _masked(self, signal: Tensor) -> Tensor:
        length = signal.shape[-1]
        hidden = torch.where(self._chosen(signal), _whole(signal, round(self.mask * length)), 0)  # (B, 1, 1)
        start = (torch.rand_like(signal[:, :1, :1], dtype=torch.float32) * (length - hidden + 1)).long()
        start = start.minimum(length - hidden)  # where the product was rounded up
        place = torch.arange(length, device=signal.device)
        inside = (place >= start) & (place < start + hidden)  # (B, 1, L)
        return torch.where(inside, signal.mean(-1, keepdim=True), signal)

    def _chosen(self, signal: Tensor) -> Tensor:
        return torch.rand_like(signal[:, :1, :1], dtype=torch.float32) < self.probability

    @staticmethod
    def _drawn(signal: Tensor, limits: tuple[float, float]) -> Tensor:
        return torch.empty_like(signal[:, :1, :1]).uniform_(*limits)


def _whole(signal: Tensor, most: int) -> Tensor:
    """A whole number from 0 to `most` for each window, (B, 1, 1)."""
    return torch.randint(most + 1, (len(signal), 1, 1), device=signal.device)


def _amplitude(decibel: Tensor) -> Tensor:
    return 10 ** (decibel / 20)
