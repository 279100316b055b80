"""What every front is, and what several of them share: spectra of windows, read off at places of an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

import torch
from annotated_types import Gt
from torch import Tensor, nn

from phmbench.features.lines import above_floor_db
from phmbench.features.spectra import envelope_spectrum, tapered_spectrum, whitened

if TYPE_CHECKING:
    from phmbench.types import Context

Positive = Annotated[float, Gt(0)]
LEAST_REVOLUTIONS = 4.0
"""Below it, a tapered spectrum cannot tell lines apart that lie one order of the shaft from each other: the main lobe
of a Hann window is four lines wide, and a line is one over the revolutions of an order."""
FINER = 4  # places within each cell of an axis, the highest of which counts


class Refusal(NamedTuple):
    """Why a front cannot read some recordings."""

    of: Tensor  # (R,) bool
    got: str
    expected: str
    instead: str


class Front(Protocol):
    """Physics before a backbone: a module that gives (B, C', L') of (B, C, L)."""

    reads: tuple[str, ...]  # of the context
    out_channels: int  # C'
    out_window: int  # L'

    def __call__(self, signal: Tensor, context: Context | None = None) -> Tensor:
        """The context is given to a front that reads it."""

    def refusals(self, context: Context) -> list[Refusal]:
        """What it cannot read of recordings, before anything is trained: rate, speed and orders are (R,) and (R, 4)."""


class EnvelopeFront(nn.Module):
    """A front that looks at the squared envelope's spectrum, in decades over the floor around each line.

    Args:
        out_channels: C'.
        out_window: L'.
        window: samples of a window, L.
        low_hz: lower edge of the band whose envelope is taken.
        high_hz: upper edge; what lies above half the sampling rate is not there.
        whiten: bring all lines to one height first (cepstrum pre-whitening), so that resonances do not choose.
        enveloped: whether the signal is an envelope already, of which the spectrum is taken as it is.
    """

    reads: tuple[str, ...] = ("rate_hz",)
    least_revolutions = LEAST_REVOLUTIONS

    def __init__(
        self,
        *,
        out_channels: int,
        out_window: int,
        window: int,
        low_hz: float,
        high_hz: float,
        whiten: bool,
        enveloped: bool,
    ) -> None:
        super().__init__()
        self.out_channels, self.out_window = out_channels, out_window
        if low_hz >= high_hz:
            raise ValueError(
                f"low_hz: not below high_hz; got {low_hz:g} and {high_hz:g}; expected a band; lower low_hz"
            )
        self.window, self.low_hz, self.high_hz = window, low_hz, high_hz
        self.whiten, self.enveloped = whiten, enveloped

    def level(self, signal: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Lines over their floor, log10, (B, C, L // 2 + 1), and Hz from one line to the next, (B,)."""
        if context.rate_hz.dtype in (torch.float16, torch.bfloat16):
            raise ValueError(
                f"context: a rate of half precision is wrong by up to 0.4 %; got {context.rate_hz.dtype}; "
                "expected float32; choose trainer.precision=bf16-mixed"
            )
        if self.enveloped:
            spectrum = tapered_spectrum(signal)
        else:
            flat = whitened(signal.float()) if self.whiten else signal.float()
            spectrum = envelope_spectrum(flat, context.rate_hz, low_hz=self.low_hz, high_hz=self.high_hz)
        return above_floor_db(spectrum) / 20, context.rate_hz / signal.shape[-1]

    def refusals(self, context: Context) -> list[Refusal]:
        """What it cannot read of recordings."""
        return [
            Refusal(
                (context.rate_hz / 2 <= self.low_hz) & (not self.enveloped),
                "a sampling rate whose half is below model.front.low_hz",
                f"a band from {self.low_hz:g} Hz up",
                "lower model.front.low_hz, or choose model/front=spectrum",
            )
        ]

    def of_the_shaft(self, context: Context) -> list[Refusal]:
        """What an axis in orders of the shaft cannot do without."""
        revolutions = self.window * context.speed_hz / context.rate_hz
        few = (revolutions < self.least_revolutions) & (context.speed_hz > 0)  # one that stands still is said above
        longest = float((self.least_revolutions * context.rate_hz / context.speed_hz)[few].max()) if few.any() else 0.0
        return [
            Refusal(
                ~(context.speed_hz > 0),
                "no speed",
                "a shaft that turns, speed_rpm",
                'choose model/front=envelope or spectrum, or leave them out with data.where="speed_rpm > 0"',
            ),
            Refusal(
                few,
                f"windows of {float(revolutions[few].min()) if few.any() else 0:.2g} revolutions",
                f"at least {self.least_revolutions:g}, to tell orders apart",
                f"set data.window={int(-(-longest // 1))} or more, or choose model/front=envelope or spectrum",
            ),
        ]


def cells(length: int, *, low: float, high: float, device: torch.device) -> Tensor:
    """Places within the cells of an axis from `low` to `high`, (length · FINER,)."""
    step = (high - low) / length
    return low + (torch.arange(length * FINER, device=device, dtype=torch.float32) + 0.5) * (step / FINER)


def read_off(level: Tensor, at: Tensor) -> Tensor:
    """The highest of what stands in each cell, between lines by straight lines; 0, the floor, beyond the spectrum.

    Shapes: level (B, C, N); at (B, C or 1, P · FINER) in lines, NaN for none; (B, C, P).
    """
    last = level.shape[-1] - 1
    known = (at >= 0) & (at <= last)
    place = torch.where(known, at, 0.0)
    below = place.floor().clamp_max(max(last - 1, 0))
    share, index = place - below, below.long().expand(-1, level.shape[1], -1)
    left, right = level.gather(-1, index), level.gather(-1, (index + 1).clamp_max(last))
    values = torch.where(known, left + (right - left) * share, 0.0)
    return values.view(*values.shape[:-1], -1, FINER).amax(-1)
