"""Heights of lines in a spectrum at the harmonics of given frequencies, over the floor around them."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

BLOCK = 32  # lines of a spectrum whose median is its floor there
STEPS = 41  # rates that are tried within the tolerance


class Comb(NamedTuple):
    """What stands at the harmonics of each base frequency."""

    height_db: Tensor  # (B, C, M, H) over the floor; NaN where the base is not known or the line above the spectrum
    rate: Tensor  # (B, C, M) found over nominal base frequency, within the tolerance; NaN where that is not known


def above_floor_db(spectrum: Tensor) -> Tensor:
    """Each line over the median of its neighbourhood, in dB: amplitudes of any unit and any slope fall together.

    Shapes: (B, C, N) to (B, C, N); N at least 1.
    """
    lines = spectrum.shape[-1]
    blocks = -(-lines // BLOCK)
    padded = pad(spectrum, (0, blocks * BLOCK - lines), mode="replicate") if lines < blocks * BLOCK else spectrum
    in_order = padded.view(*padded.shape[:-1], blocks, BLOCK).sort(-1).values  # `median` is not deterministic on CUDA
    floor = in_order[..., (BLOCK - 1) // 2]  # (B, C, blocks)
    floor = interpolate(floor, size=blocks * BLOCK, mode="linear", align_corners=False)[..., :lines]
    least = torch.finfo(spectrum.dtype).tiny ** 0.5
    level: Tensor = 20 * ((spectrum + least) / (floor + least)).log10()
    return level


def heights(level_db: Tensor, at: Tensor) -> Tensor:
    """The higher one of the two lines beside each position.

    Args:
        level_db: (B, C, N).
        at: (B, P) positions in lines, not whole; NaN for none.

    Shapes: (B, C, P); NaN where there is no such line.
    """
    known = (at >= 0) & (at <= level_db.shape[-1] - 1)
    below = torch.where(known, at, 0.0).floor().long()
    above = (below + 1).clamp_max(level_db.shape[-1] - 1)
    channels = level_db.shape[1]
    both = [level_db.gather(-1, one[:, None].expand(-1, channels, -1)) for one in (below, above)]
    return torch.where(known[:, None], torch.maximum(*both), torch.nan)


def comb(level_db: Tensor, resolution_hz: Tensor, base_hz: Tensor, *, harmonics: int, tolerance: float) -> Comb:
    """Lines at the harmonics of base frequencies, which slip moves: all harmonics of one by the same share, so that the
    share is taken at which they are highest together.

    Args:
        level_db: (B, C, N) as `above_floor_db` gives it.
        resolution_hz: (B,) from one line to the next.
        base_hz: (B, M); NaN where it is not known.
        harmonics: H.
        tolerance: share of the base frequency, by which it may lie above or below.
    """
    rates = torch.linspace(1 - tolerance, 1 + tolerance, STEPS, device=level_db.device)
    order = torch.arange(1, harmonics + 1, device=level_db.device)
    at = (base_hz / resolution_hz[:, None])[..., None, None] * rates[:, None] * order  # (B, M, G, H)
    found = heights(level_db, at.flatten(1)).view(*level_db.shape[:2], *at.shape[1:])  # (B, C, M, G, H)
    score = found.nan_to_num(0.0).sum(-1)  # (B, C, M, G)
    best = score.argmax(-1, keepdim=True)  # (B, C, M, 1)
    height = found.gather(-2, best[..., None].expand(*best.shape, harmonics))[..., 0, :]
    known = base_hz.isfinite()[:, None].expand(best.shape[:-1])
    return Comb(height, torch.where(known, rates[best[..., 0]], torch.nan))


def sidebands(level_db: Tensor, resolution_hz: Tensor, centre_hz: Tensor, spacing_hz: Tensor, *, orders: int) -> Tensor:
    """Mean height of the lines on both sides of each centre, at 1 to `orders` times a spacing.

    Args:
        level_db: (B, C, N) as `above_floor_db` gives it.
        resolution_hz: (B,) from one line to the next.
        centre_hz: (B, C, M) or (B, 1, M): where lines were found, each channel's own.
        spacing_hz: (B,) speed of the shaft or of the cage.
        orders: O.

    Shapes: (B, C, M, O); NaN where one of the two is not known or not in the spectrum.
    """
    order = torch.arange(1, orders + 1, device=level_db.device)
    sides = torch.stack([-order, order]).flatten()  # (2 O,)
    hertz = centre_hz[..., None] + spacing_hz[:, None, None, None] * sides  # (B, C, M, 2 O)
    hertz = hertz.expand(-1, level_db.shape[1], -1, -1)
    at = hertz / resolution_hz[:, None, None, None]
    flat = level_db.flatten(0, 1)[:, None]  # each channel a batch of its own
    found = heights(flat, at.flatten(2).flatten(0, 1)).view(at.shape)
    return (found[..., :orders] + found[..., orders:]) / 2
