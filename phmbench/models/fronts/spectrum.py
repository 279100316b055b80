"""The spectrum of each window."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d

from phmbench.models.blocks import Count, require_window

FLOOR = 1e-6  # of the mean power, −60 dB: below it a line says nothing, and its logarithm would be large


class Spectrum(nn.Module):
    """Log magnitude of each window's spectrum, around its own mean, so that gain and offset drop out.

    Of a window of a view that lies in angle it is the spectrum of orders.

    Paper: Randall & Antoni (2011), Rolling element bearing diagnostics: a tutorial, Mechanical Systems and Signal
        Processing 25(2), 485–520, DOI 10.1016/j.ymssp.2010.07.017; the taper from Harris (1978), On the use of windows
        for harmonic analysis with the discrete Fourier transform, Proc. IEEE 66(1), DOI 10.1109/PROC.1978.10837.
    Deviations: powers below −60 dB of their mean are not told apart.
    Shapes: signal (B, C, L) to (B, C, length), half of the window where no length is given.
    Size: no parameters.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; at least 16.
        length: lines, neighbours being averaged where there are more; None: all of them.

    Raises:
        ValueError: the window is shorter than 16 samples.
    """

    reads: tuple[str, ...] = ()  # of the context

    def __init__(self, *, channels: Count, window: Count, length: Count | None = None) -> None:
        require_window("Spectrum", window=window, least=16, otherwise=": a spectrum of fewer than 8 lines is none")
        super().__init__()
        self.out_channels, self.out_window = channels, length or window // 2

    def forward(self, signal: Tensor) -> Tensor:
        precise = signal.float()
        taper = torch.hann_window(signal.shape[-1], device=signal.device)
        power = torch.fft.rfft((precise - precise.mean(-1, keepdim=True)) * taper)[..., 1:].abs().square()
        power = power / (power.mean(-1, keepdim=True) + torch.finfo(power.dtype).tiny)
        level = (power + FLOOR).log10()
        level = level - level.mean(-1, keepdim=True)
        if self.out_window != level.shape[-1]:
            level = adaptive_avg_pool1d(level, self.out_window)
        given: Tensor = level.to(signal.dtype)
        return given
