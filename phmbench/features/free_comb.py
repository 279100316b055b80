"""The strongest comb of lines that belongs to no whole order of the shaft: of a bearing whose geometry nobody knows."""

from typing import NamedTuple

import torch
from torch import Tensor

from phmbench.features import lines

LEAST, MOST = 1.6, 12.0
"""Orders of the shaft among which inner and outer rings of bearings with 4 to 20 rolling elements are struck."""
STEP = 0.01  # orders from one candidate to the next
AWAY = 0.06
"""Orders that a candidate and its double keep from whole ones, which are the shaft's own: a bearing that is struck so
near to a whole order is not seen."""


class FreeComb(NamedTuple):
    """What the comb that was found looks like."""

    order: Tensor  # (B, C) of the shaft
    height_db: Tensor  # (B, C, H) of its harmonics over the floor
    shaft_db: Tensor  # (B, C, 2) of sidebands at ±1 and ±2 orders of the shaft around its first two harmonics
    cage_db: Tensor  # (B, C) the highest sideband at an order that a cage may have, 0.35 to 0.48, around the first
    whole_db: Tensor  # (B, C, 3) of the lines at 1, 2 and 3 orders of the shaft


def candidates(device: torch.device | None = None) -> Tensor:
    """Orders that are tried, (G,): none whose first harmonics lie on the shaft's."""
    every = torch.arange(round((MOST - LEAST) / STEP) + 1, device=device) * STEP + LEAST
    apart = torch.stack([(every * k - (every * k).round()).abs() for k in (1, 2)]).amin(0)
    return every[apart >= AWAY]


def free_comb(level_db: Tensor, resolution_hz: Tensor, speed_hz: Tensor, *, harmonics: int = 4) -> FreeComb:
    """Search the order whose harmonics stand highest together over the floor.

    Args:
        level_db: (B, C, N) as `lines.above_floor_db` gives it, of an envelope's spectrum.
        resolution_hz: (B,) from one line to the next.
        speed_hz: (B,) revolutions of the shaft per second; NaN gives NaN throughout.
        harmonics: H.
    """
    order, found, best = _searched(level_db, resolution_hz, speed_hz, harmonics=harmonics)
    to_lines = (speed_hz / resolution_hz)[:, None]  # lines from one order to the next, (B, 1)
    height = found.gather(2, best[..., None, None].expand(*best.shape, 1, harmonics))[:, :, 0]
    chosen = torch.where(speed_hz.isfinite()[:, None], order[best], torch.nan)
    centre = chosen[..., None] * torch.tensor([1.0, 2.0], device=order.device) * speed_hz[:, None, None]  # (B, C, 2)
    shaft = lines.sidebands(level_db, resolution_hz, centre, speed_hz, orders=2).nanmean(2)  # (B, C, 2)
    cages = torch.linspace(0.35, 0.48, 27, device=order.device)
    cage = torch.stack(
        [lines.sidebands(level_db, resolution_hz, centre[..., :1], speed_hz * c, orders=1)[..., 0, 0] for c in cages]
    ).amax(0)
    whole = lines.heights(level_db, to_lines * torch.tensor([1.0, 2.0, 3.0], device=order.device))
    return FreeComb(chosen, height, shaft, cage, whole)


def strongest(level_db: Tensor, resolution_hz: Tensor, speed_hz: Tensor, *, harmonics: int = 4) -> Tensor:
    """The order of that comb alone, (B, C); arguments as of `free_comb`."""
    order, _, best = _searched(level_db, resolution_hz, speed_hz, harmonics=harmonics)
    return torch.where(speed_hz.isfinite()[:, None], order[best], torch.nan)


def _searched(
    level_db: Tensor, resolution_hz: Tensor, speed_hz: Tensor, *, harmonics: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Orders that were tried (G,), what stands at their harmonics (B, C, G, H), and which is highest (B, C)."""
    order = candidates(level_db.device)
    which = torch.arange(1, harmonics + 1, device=level_db.device)
    at = (speed_hz / resolution_hz)[:, None, None] * order[:, None] * which  # (B, G, H)
    found = lines.heights(level_db, at.flatten(1)).view(*level_db.shape[:2], *at.shape[1:])  # (B, C, G, H)
    score = found.nan_to_num(0.0).clamp(0, 20).sum(-1)  # one high line is no comb
    return order, found, score.argmax(-1)
