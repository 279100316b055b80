"""The squared envelope's spectrum on axes that are the same for all machines: in Hz, in orders, in fault orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from phmbench.features.spectra import BAND_HZ
from phmbench.models.blocks import Count
from phmbench.models.fronts.front import EnvelopeFront, Positive, Refusal, cells, read_off

if TYPE_CHECKING:
    from phmbench.types import Context


class Envelope(EnvelopeFront):
    """The squared envelope's spectrum in Hz, the same axis for every sampling rate.

    Paper: Ho & Randall (2000), Optimisation of bearing diagnostic techniques using simulated and actual bearing fault
        signals, Mechanical Systems and Signal Processing 14(5), 763–788, DOI 10.1006/mssp.2000.1304; whitening from
        Borghesani, Pennacchi, Randall, Sawalhi & Ricci (2013), MSSP 36(2), 370–384, DOI 10.1016/j.ymssp.2012.11.001.
    Deviations: lines stand over the median of their neighbourhood, in decades; one band for all machines.
    Shapes: signal (B, C, L) to (B, C, length).
    Size: no parameters.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L.
        length: cells of the axis, L'.
        highest: end of the axis, Hz.
        low_hz: lower edge of the band whose envelope is taken, Hz.
        high_hz: upper edge of the band, Hz.
        whiten: bring all lines of the signal to one height first.
        enveloped: the signal is an envelope, as of data.view=envelope_angle: band and whitening lie behind it.

    Raises:
        ValueError: the band is empty.
    """

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        length: Count = 1024,
        highest: Positive = 1000.0,
        low_hz: Positive = BAND_HZ[0],
        high_hz: Positive = BAND_HZ[1],
        whiten: bool = True,
        enveloped: bool = False,
    ) -> None:
        super().__init__(
            out_channels=channels,
            out_window=length,
            window=window,
            low_hz=low_hz,
            high_hz=high_hz,
            whiten=whiten,
            enveloped=enveloped,
        )
        self.highest = highest

    def forward(self, signal: Tensor, context: Context) -> Tensor:
        level, resolution = self.level(signal, context)
        axis = cells(self.out_window, low=0.0, high=self.highest, device=signal.device)
        return read_off(level, (axis / resolution[:, None])[:, None]).to(signal.dtype)

    def refusals(self, context: Context) -> list[Refusal]:
        return [
            *super().refusals(context),
            Refusal(
                context.rate_hz / 2 < self.highest,
                "a sampling rate whose half is below model.front.highest",
                f"at least {2 * self.highest:g} Hz",
                "lower model.front.highest",
            ),
        ]


class Orders(EnvelopeFront):
    """The squared envelope's spectrum on a fixed axis of shaft orders, from each window's own speed and rate.

    What is modulated by the shaft stands at whole orders, and an inner race's line has them as neighbours, on every
    machine alike.

    Paper: as Envelope; Randall & Antoni (2011), Rolling element bearing diagnostics: a tutorial, MSSP 25(2), 485–520,
        DOI 10.1016/j.ymssp.2010.07.017, section 2, for the orders.
    Deviations: as Envelope; speed is constant within a window.
    Shapes: signal (B, C, L) to (B, C, length).
    Size: no parameters.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; four revolutions at least.
        length: cells of the axis, L'.
        highest: end of the axis, orders of the shaft.
        low_hz: lower edge of the band whose envelope is taken, Hz.
        high_hz: upper edge of the band, Hz.
        whiten: bring all lines of the signal to one height first.
        enveloped: the signal is an envelope, as of data.view=envelope_angle: band and whitening lie behind it.

    Raises:
        ValueError: the band is empty.
    """

    reads = ("rate_hz", "speed_hz")

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        length: Count = 1024,
        highest: Positive = 16.0,
        low_hz: Positive = BAND_HZ[0],
        high_hz: Positive = BAND_HZ[1],
        whiten: bool = True,
        enveloped: bool = False,
    ) -> None:
        super().__init__(
            out_channels=channels,
            out_window=length,
            window=window,
            low_hz=low_hz,
            high_hz=high_hz,
            whiten=whiten,
            enveloped=enveloped,
        )
        self.highest = highest

    def forward(self, signal: Tensor, context: Context) -> Tensor:
        level, resolution = self.level(signal, context)
        axis = cells(self.out_window, low=0.0, high=self.highest, device=signal.device)
        at = axis * (context.speed_hz / resolution)[:, None]
        return read_off(level, at[:, None]).to(signal.dtype)

    def refusals(self, context: Context) -> list[Refusal]:
        return [*super().refusals(context), *self.of_the_shaft(context), beyond(context, self.highest)]


class FaultOrders(EnvelopeFront):
    """The squared envelope's spectrum on axes divided by BPFO, BPFI and BSF: different bearings fall on each other.

    Channel 3 c + k is channel c on the k-th of these axes: a fault of that part stands at 1, 2, 3, … whatever the
    bearing.

    Paper: as Orders, whose section 2 gives the orders of the four faults.
    Deviations: as Orders; the cage, whose line lies too low to be told from the shaft's, has no axis.
    Shapes: signal (B, C, L) to (B, 3 C, length).
    Size: no parameters.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; four revolutions at least.
        length: cells of each axis, L'.
        harmonics: end of the axes, in harmonics of the fault.
        low_hz: lower edge of the band whose envelope is taken, Hz.
        high_hz: upper edge of the band, Hz.
        whiten: bring all lines of the signal to one height first.
        enveloped: the signal is an envelope, as of data.view=envelope_angle: band and whitening lie behind it.

    Raises:
        ValueError: the band is empty.
    """

    reads = ("rate_hz", "speed_hz", "orders")

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        length: Count = 1024,
        harmonics: Positive = 4.0,
        low_hz: Positive = BAND_HZ[0],
        high_hz: Positive = BAND_HZ[1],
        whiten: bool = True,
        enveloped: bool = False,
    ) -> None:
        super().__init__(
            out_channels=3 * channels,
            out_window=length,
            window=window,
            low_hz=low_hz,
            high_hz=high_hz,
            whiten=whiten,
            enveloped=enveloped,
        )
        self.harmonics = harmonics

    def forward(self, signal: Tensor, context: Context) -> Tensor:
        level, resolution = self.level(signal, context)
        axis = cells(self.out_window, low=0.0, high=self.harmonics, device=signal.device)
        at = axis * (context.orders[:, :3] * (context.speed_hz / resolution)[:, None])[..., None]  # (B, 3, P · FINER)
        found = [read_off(level, at[:, k : k + 1]) for k in range(3)]
        return torch.stack(found, 2).flatten(1, 2).to(signal.dtype)

    def refusals(self, context: Context) -> list[Refusal]:
        unknown = ~(context.orders[:, :3] > 0).all(1)
        return [
            *super().refusals(context),
            *self.of_the_shaft(context),
            Refusal(
                unknown,
                "no fault orders (bpfo, bpfi, bsf)",
                "a bearing whose geometry is known",
                "choose model/front=comb or orders, which need none",
            ),
            beyond(context, self.harmonics * context.orders[:, :3].amax(1)),
        ]


def beyond(context: Context, highest: Tensor | float) -> Refusal:
    """An axis in orders that ends above half the sampling rate."""
    return Refusal(
        highest * context.speed_hz > context.rate_hz / 2,
        "an axis that ends above half the sampling rate",
        "a spectrum as long as the axis",
        "end it earlier with model.front.highest or model.front.harmonics",
    )
