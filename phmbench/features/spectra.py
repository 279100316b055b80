"""Spectra of windows whose sampling rates may differ: power in bands, whitening, the squared envelope's spectrum."""

import torch
from torch import Tensor

BAND_HZ = (500.0, 10_000.0)
"""Where the resonances of most machines lie that a bearing's impacts excite."""


def bins_hz(length: int, rate_hz: Tensor) -> Tensor:
    """Frequencies of the lines of a spectrum, each window's own: (B,) to (B, length // 2 + 1)."""
    lines = torch.arange(length // 2 + 1, device=rate_hz.device, dtype=torch.float64)
    return rate_hz.double()[:, None] * lines / length


def log_bands(signal: Tensor, rate_hz: Tensor, *, edges_hz: tuple[float, ...]) -> Tensor:
    """Natural logarithm of the power in each band over the power of all; a band above half the rate has the least.

    Shapes: signal (B, C, L), rate (B,) to (B, C, len(edges) − 1).
    """
    length = signal.shape[-1]
    taper = torch.hann_window(length, device=signal.device)
    power = torch.fft.rfft((signal - signal.mean(-1, keepdim=True)).float() * taper).abs().square()  # (B, C, N)
    edges = torch.tensor(edges_hz, device=signal.device, dtype=torch.float64)
    band = torch.bucketize(bins_hz(length, rate_hz), edges, right=True) - 1  # (B, N), −1 and the last: outside
    inside = (band >= 0) & (band < len(edges_hz) - 1)
    sums = power.new_zeros(*power.shape[:2], len(edges_hz) - 1)
    where = band.clamp(0, len(edges_hz) - 2)[:, None].expand_as(power)
    sums = sums.scatter_add(-1, where, power * inside[:, None])
    share: Tensor = sums / power.sum(-1, keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    return (share + 1e-9).log()


def whitened(signal: Tensor) -> Tensor:
    """Cepstrum pre-whitening: all lines of the spectrum get one height, so that only phases are left: impacts stay, and
    what gears, shafts and resonances add at fixed frequencies is gone.

    Source: Borghesani, Pennacchi, Randall, Sawalhi & Ricci (2013), Application of cepstrum pre-whitening for the
        diagnosis of bearing faults under variable speed conditions, Mechanical Systems and Signal Processing 36(2),
        370–384, DOI 10.1016/j.ymssp.2012.11.001.
    Shapes: (B, C, L) to (B, C, L), with unit variance; a constant window gives zeros.
    """
    length = signal.shape[-1]
    spectrum = torch.fft.rfft((signal - signal.mean(-1, keepdim=True)).float())
    size = spectrum.abs()
    least = 1e-6 * size.amax(-1, keepdim=True)
    flat = spectrum / size.clamp_min(least).clamp_min(torch.finfo(size.dtype).tiny)
    flat = torch.fft.irfft(flat, n=length)
    power = flat.square().mean(-1, keepdim=True)
    unit: Tensor = flat / torch.where(power > 0, power, 1.0).sqrt()  # a root of zero would have no gradient
    return unit.to(signal.dtype)  # (B, C, L)


def squared_envelope(signal: Tensor, rate_hz: Tensor, *, low_hz: Tensor, high_hz: Tensor) -> Tensor:
    """Squared magnitude of the analytic signal within a band, without its mean.

    Source: Ho & Randall (2000), Optimisation of bearing diagnostic techniques using simulated and actual bearing fault
        signals, Mechanical Systems and Signal Processing 14(5), 763–788, DOI 10.1006/mssp.2000.1304, who show why the
        square, and not the magnitude.
    Shapes: signal (B, C, L), the others (B,) to (B, C, L).
    """
    length = signal.shape[-1]
    spectrum = torch.fft.rfft((signal - signal.mean(-1, keepdim=True)).float())  # (B, C, N)
    hertz = bins_hz(length, rate_hz)
    inside = (hertz >= low_hz.double()[:, None]) & (hertz <= high_hz.double()[:, None])  # (B, N)
    kept = torch.nn.functional.pad(2 * spectrum * inside[:, None], (0, length - spectrum.shape[-1]))
    analytic = torch.fft.ifft(kept)  # (B, C, L)
    envelope: Tensor = analytic.real.square() + analytic.imag.square()
    return envelope - envelope.mean(-1, keepdim=True)


def envelope_spectrum(
    signal: Tensor, rate_hz: Tensor, *, low_hz: Tensor | float = BAND_HZ[0], high_hz: Tensor | float = BAND_HZ[1]
) -> Tensor:
    """Amplitudes of the squared envelope's spectrum, tapered, over the mean of the squared envelope: a line of a fault
    stands at its rate of impacts.

    Args:
        signal: (B, C, L).
        rate_hz: (B,), samples per second.
        low_hz: lower edge of the band, of all or of each window (B,).
        high_hz: upper edge; what lies above half the rate is not there.

    Shapes: (B, C, L // 2 + 1), line k at k · rate / L in Hz.
    """
    low, high = (torch.as_tensor(edge, device=signal.device).expand(len(signal)) for edge in (low_hz, high_hz))
    return tapered_spectrum(squared_envelope(signal, rate_hz, low_hz=low, high_hz=high))


def tapered_spectrum(envelope: Tensor) -> Tensor:
    """Amplitudes of the spectrum of what is an envelope already, over its deviation from its mean.

    Shapes: (B, C, L) to (B, C, L // 2 + 1), zeros of a constant.
    """
    centred = envelope.float() - envelope.float().mean(-1, keepdim=True)
    taper = torch.hann_window(envelope.shape[-1], device=envelope.device)
    spectrum: Tensor = torch.fft.rfft(centred * taper).abs() / taper.sum()
    power = centred.square().mean(-1, keepdim=True)
    return spectrum / torch.where(power > 0, power, 1.0).sqrt()
