"""Spectra as features: with a linear head, the baseline that every network has to beat."""

import torch
from torch import Tensor, nn

from phmbench.models.blocks import Count, require_window

FLOOR = 1e-6  # of the mean power, −60 dB: below it a line says nothing, and its logarithm would be large


class SpectralLinear(nn.Module):
    """The logarithm of the power spectrum, standardised over the lines of each window; nothing here is learned.

    Together with `phmbench.heads.Linear` it is multinomial logistic regression on spectra. Gain and offset of the
    sensor drop out.

    Paper: Randall & Antoni (2011), Rolling element bearing diagnostics: a tutorial, Mechanical Systems and Signal
        Processing 25(2), 485–520, DOI 10.1016/j.ymssp.2010.07.017; the taper from Harris (1978), On the use of windows
        for harmonic analysis with the discrete Fourier transform, Proc. IEEE 66(1), DOI 10.1109/PROC.1978.10837.
    Deviations: one spectrum a window, not averaged over many; powers below −60 dB of their mean are not told apart.
    Shapes: signal (B, C, L) to feature (B, F), F = C · (L // 2): all lines but that at zero.
    Size: no parameters.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; at least 16.

    Raises:
        ValueError: the window is shorter than 16 samples.
    """

    def __init__(self, *, channels: Count, window: Count) -> None:
        super().__init__()
        require_window(
            "SpectralLinear", window=window, least=16, otherwise=": a spectrum of fewer than 8 lines is none"
        )
        self.n_features = channels * (window // 2)

    def forward(self, signal: Tensor) -> Tensor:
        precise = signal.float()  # half precision has no Fourier transform on the CPU, nor for all lengths on CUDA
        precise = precise - precise.mean(-1, keepdim=True)  # the taper would spread an offset into the first lines
        taper = torch.hann_window(signal.shape[-1], device=signal.device)
        power: Tensor = torch.fft.rfft(precise * taper)[..., 1:].abs().square()  # (B, C, L // 2)
        power = power / (power.mean(-1, keepdim=True) + torch.finfo(power.dtype).tiny)
        level = (power + FLOOR).log()
        level = level - level.mean(-1, keepdim=True)
        level = level / (level.square().mean(-1, keepdim=True) + FLOOR).sqrt()
        return level.flatten(1).to(signal.dtype)  # (B, F)
