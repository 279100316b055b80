"""What stands around the strongest comb of lines that is not the shaft's: for a bearing whose geometry nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from phmbench.features.free_comb import MOST, strongest
from phmbench.features.spectra import BAND_HZ
from phmbench.models.blocks import Count
from phmbench.models.fronts.envelope import beyond
from phmbench.models.fronts.front import EnvelopeFront, Positive, Refusal, cells, read_off

if TYPE_CHECKING:
    from phmbench.types import Context

HARMONICS = 4  # of the comb that is searched for
AROUND = 3.0  # orders of the shaft on both sides of a harmonic: sidebands at ±1 and ±2, and those of the cage
LOWEST, HIGHEST = 0.25, 3.75  # orders of the shaft: its own lines at 1, 2 and 3


class Comb(EnvelopeFront):
    """Searches the strongest comb of lines at no whole order of the shaft, and gives what stands around it.

    Channel 5 c + k is channel c: (k = 0) on an axis of harmonics of the comb's order, 0.5 to 4.5; (1, 2) around its
    first and second harmonic, in orders of the shaft, −3 to 3; (3) at the shaft's own orders, 0.25 to 3.75; (4) the
    order itself, over 10, everywhere. No geometry is needed: an inner race has sidebands of the shaft, an outer none.
    What stands there has gradients; the choice of the comb has none.

    Paper: as Orders; the search is of this project, and of no paper.
    Deviations: an order within 0.06 of a whole or half one is taken for the shaft's.
    Shapes: signal (B, C, L) to (B, 5 C, length).
    Size: no parameters.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; ten revolutions at least.
        length: cells of each axis, L'.
        low_hz: lower edge of the band whose envelope is taken, Hz.
        high_hz: upper edge of the band, Hz.
        whiten: bring all lines of the signal to one height first.
        enveloped: the signal is an envelope, as of data.view=envelope_angle: band and whitening lie behind it.

    Raises:
        ValueError: the band is empty.
    """

    reads = ("rate_hz", "speed_hz")
    least_revolutions = 10.0  # lines a tenth of an order apart: a cage's sidebands lie 0.4 of one from their line

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        length: Count = 1024,
        low_hz: Positive = BAND_HZ[0],
        high_hz: Positive = BAND_HZ[1],
        whiten: bool = True,
        enveloped: bool = False,
    ) -> None:
        super().__init__(
            out_channels=5 * channels,
            out_window=length,
            window=window,
            low_hz=low_hz,
            high_hz=high_hz,
            whiten=whiten,
            enveloped=enveloped,
        )

    def forward(self, signal: Tensor, context: Context) -> Tensor:
        level, resolution = self.level(signal, context)
        with torch.no_grad():
            order = strongest(20 * level, resolution, context.speed_hz, harmonics=HARMONICS)  # (B, C)
        to_lines = (context.speed_hz / resolution)[:, None, None]
        centre = order[..., None]

        def axis(low: float, high: float) -> Tensor:
            return cells(self.out_window, low=low, high=high, device=signal.device)

        places = [
            axis(0.5, HARMONICS + 0.5) * centre,
            axis(-AROUND, AROUND) + centre,
            axis(-AROUND, AROUND) + 2 * centre,
            axis(LOWEST, HIGHEST).expand(*order.shape, -1),
        ]
        found = [read_off(level, place * to_lines) for place in places]
        found.append((centre / 10).expand_as(found[0]).to(level.dtype))
        return torch.stack(found, 2).flatten(1, 2).to(signal.dtype)

    def refusals(self, context: Context) -> list[Refusal]:
        return [*super().refusals(context), *self.of_the_shaft(context), beyond(context, MOST)]
