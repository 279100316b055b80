"""Fronts: where a line stands, on every machine; gradients; and what they refuse."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from scipy import signal as of_scipy
from torch import Tensor

from phmbench import build
from phmbench.features.spectra import BAND_HZ, squared_envelope, whitened
from phmbench.models.fronts.comb import Comb
from phmbench.models.fronts.envelope import Envelope, FaultOrders, Orders
from phmbench.models.fronts.multi import Multi
from phmbench.models.fronts.spectrum import Spectrum
from phmbench.network import Network
from phmbench.types import Context

CONF = Path(__file__).parents[3] / "conf/model/front"
OPTIONS = [file.stem for file in sorted(CONF.glob("*.yaml")) if file.stem != "none"]
WINDOW = {"cwru": 16_384, "hit_sm": 65_536}  # samples, about 30 revolutions
MACHINES = {
    "cwru": (12_000.0, 29.2, (3.585, 5.415, 2.357, 0.398)),
    "hit_sm": (51_200.0, 20.0, (3.05, 4.87, 1.99, 0.38)),
}


def context_of(machine: str, windows: int = 2) -> Context:
    rate, speed, orders = MACHINES[machine]
    return Context(
        rate_hz=torch.full((windows,), rate),
        speed_hz=torch.full((windows,), speed),
        orders=torch.tensor([orders]).expand(windows, 4),
        rig=torch.zeros(windows, dtype=torch.int64),
    )


def impacts(machine: str, order: float, *, windows: int = 2, window: int = 0, slip: float = 0.01) -> Tensor:
    """Decaying oscillations at 3 kHz, `order` of them a revolution, each early or late by a little, in noise."""
    rate, speed, _ = MACHINES[machine]
    window = window or WINDOW[machine]
    draw = np.random.default_rng(1)
    time = np.arange(int(rate * 0.004)) / rate
    pulse = np.exp(-time / 0.0008) * np.sin(2 * np.pi * 3000 * time)
    train = np.zeros((windows, window))
    for row in train:
        gaps = rate / speed / order * (1 + slip * draw.normal(size=4000))
        at = np.cumsum(gaps)
        at = at[at < window - 1]
        np.add.at(row, at.astype(int), 1 - at % 1)
        np.add.at(row, at.astype(int) + 1, at % 1)
    found = of_scipy.oaconvolve(train, pulse[None], axes=-1)[:, :window]
    return torch.from_numpy(found + 0.05 * draw.normal(size=found.shape)).float()[:, None]


def peak(row: Tensor, *, low: float, high: float, above: float) -> float:
    """Place of the highest cell of an axis, looking only above a place."""
    step = (high - low) / len(row)
    place = low + (torch.arange(len(row)) + 0.5) * step
    return float(place[torch.where(place > above, row, -math.inf).argmax()])


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("part", ["outer", "inner", "rolling"])
def test_a_fault_stands_at_its_order_on_every_machine(machine: str, part: str):
    order = MACHINES[machine][2][["outer", "inner", "rolling"].index(part)]
    front = Orders(channels=1, window=WINDOW[machine])
    given = front(impacts(machine, order), context_of(machine))
    assert given.shape == (2, 1, 1024)
    assert peak(given[0, 0, : int(1024 * 1.3 * order / 16)], low=0, high=1.3 * order, above=0.3) == pytest.approx(
        order, rel=0.02
    )


@pytest.mark.parametrize("part", range(3))
def test_different_bearings_fall_on_each_other(part: int):
    """A fault stands at 1 on the axis of its part, on both machines."""
    for machine, (_, _, orders) in MACHINES.items():
        front = FaultOrders(channels=1, window=WINDOW[machine])
        given = front(impacts(machine, orders[part]), context_of(machine))
        assert given.shape == (2, 3, 1024)
        assert peak(given[1, part, : 1024 // 4 + 40], low=0, high=4 * 296 / 1024, above=0.3) == pytest.approx(
            1, rel=0.02
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_a_comb_is_found_without_geometry(machine: str):
    """Its order is said by the last channel; its harmonics stand at 1, 2, 3, 4 of the first."""
    order = MACHINES[machine][2][1]
    given = Comb(channels=1, window=WINDOW[machine])(impacts(machine, order), context_of(machine))
    assert given.shape == (2, 5, 1024)
    assert given[0, 4].tolist() == pytest.approx([order / 10] * 1024, rel=0.02)
    assert peak(given[0, 0, :384], low=0.5, high=2.0, above=0.6) == pytest.approx(1, rel=0.02)
    assert peak(given[0, 1, 256:768], low=-1.5, high=1.5, above=-1.5) == pytest.approx(0, abs=0.1)


def test_a_comb_of_several_channels_is_each_ones_own():
    machine, front = "cwru", Comb(channels=2, window=WINDOW["cwru"])
    both = torch.cat([impacts(machine, 3.585), impacts(machine, 5.415)], 1)
    given = front(both, context_of(machine))
    assert given[0, [4, 9], 0].tolist() == pytest.approx([0.3585, 0.5415], rel=0.02)
    alone = Comb(channels=1, window=WINDOW["cwru"])(both[:, 1:], context_of(machine))
    torch.testing.assert_close(given[:, 5:], alone)


def test_hertz_are_the_same_axis_for_every_rate():
    for machine, (_, speed, _) in MACHINES.items():
        given = Envelope(channels=1, window=WINDOW[machine])(impacts(machine, 4.3), context_of(machine))
        shown = int(1.3 * 4.3 * speed * 1.024)  # cells of the axis: the second harmonic is left out
        found = peak(given[0, 0, :shown], low=0, high=shown * 1000 / 1024, above=20)
        assert found == pytest.approx(4.3 * speed, rel=0.02)


def test_a_spectrum_is_that_of_scipy():
    signal = torch.randn(2, 3, 512, generator=torch.Generator().manual_seed(0))
    centred = signal.numpy() - signal.numpy().mean(-1, keepdims=True)
    power = np.abs(np.fft.rfft(centred * of_scipy.get_window("hann", 512)))[..., 1:] ** 2
    level = np.log10(power / power.mean(-1, keepdims=True) + 1e-6)
    expected = level - level.mean(-1, keepdims=True)
    given = Spectrum(channels=3, window=512)(signal)
    np.testing.assert_allclose(given.numpy(), expected, atol=2e-4)
    short = Spectrum(channels=3, window=512, length=64)(signal)
    np.testing.assert_allclose(short.numpy(), expected.reshape(2, 3, 64, 4).mean(-1), atol=2e-4)
    torch.testing.assert_close(Spectrum(channels=3, window=512)(7 * signal + 5), given, atol=1e-3, rtol=1e-3)


def test_an_envelope_is_that_of_scipy():
    """The squared analytic signal in the band, tapered; each line in dB over the median of its neighbourhood."""
    signal = impacts("cwru", 3.585)
    front = Orders(channels=1, window=WINDOW["cwru"], whiten=False)
    level, resolution = front.level(signal, context_of("cwru"))
    spectrum = np.fft.rfft(signal[0, 0].double().numpy() - signal[0, 0].double().mean().numpy())
    hertz = np.arange(len(spectrum)) * 12_000 / WINDOW["cwru"]
    inside = np.fft.irfft(spectrum * ((hertz >= 500) & (hertz <= 10_000)), n=WINDOW["cwru"])
    squared = np.abs(of_scipy.hilbert(inside)) ** 2
    lines = np.abs(np.fft.rfft((squared - squared.mean()) * of_scipy.get_window("hann", WINDOW["cwru"])))
    assert float(resolution[0]) == pytest.approx(12_000 / WINDOW["cwru"])
    block = lines[160:192]  # one of the neighbourhoods of 32 lines, in the middle of which its own median holds
    middle = float(level[0, 0, 176]) - np.log10(lines[176] / np.median(block))
    assert abs(middle) < 0.15
    ratio = 10 ** level[0, 0, 172:180].numpy() / lines[172:180]
    assert ratio.max() / ratio.min() < 1.3


@pytest.mark.parametrize("option", OPTIONS)
def test_every_front_has_gradients_and_keeps_its_word(option: str):
    """Shapes as it says, finite gradients to the signal, bfloat16 by autocast, a state that loads, a graph."""
    node = OmegaConf.to_container(OmegaConf.load(CONF / f"{option}.yaml"))
    assert isinstance(node, dict)
    front = build.make(node, "model.front", channels=2, window=8192)
    signal = impacts("cwru", 3.585, window=8192).repeat(1, 2, 1).requires_grad_()
    network = Network(torch.nn.Flatten(), front=front)
    given = network(signal, context_of("cwru")).view(2, front.out_channels, front.out_window)
    weight = torch.linspace(-1, 1, given[0].numel()).view(given.shape[1:])
    (given * weight).sum().backward()
    assert signal.grad is not None
    assert bool(signal.grad.isfinite().all())
    assert bool((signal.grad.abs().amax(-1) > 0).all())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = network(signal, context_of("cwru")).view_as(given)
    torch.testing.assert_close(again.float(), given, atol=1e-4, rtol=1e-4)
    assert network.state_dict() == {}
    zeros = network(torch.zeros_like(signal), context_of("cwru"))
    assert bool(zeros.isfinite().all())


def multi() -> Multi:
    return Multi(channels=2, window=8192, fronts={"a": partial(Orders), "b": partial(Spectrum, length=1024)})


def test_several_are_stacked():
    signal, context = impacts("cwru", 3.585, window=8192).repeat(1, 2, 1), context_of("cwru")
    given = multi()(signal, context)
    torch.testing.assert_close(given[:, :2], Orders(channels=2, window=8192)(signal, context))
    torch.testing.assert_close(given[:, 2:], Spectrum(channels=2, window=8192, length=1024)(signal))
    assert multi().reads == ("rate_hz", "speed_hz")
    with pytest.raises(ValueError, match="fronts: what is stacked must be of one length; got a 1024, b 4096"):
        Multi(channels=1, window=8192, fronts={"a": partial(Orders), "b": partial(Spectrum)})
    with pytest.raises(ValueError, match=r"fronts: .* got none; expected at least one"):
        Multi(channels=1, window=8192, fronts={})


@pytest.mark.parametrize("make", [Orders, FaultOrders, Comb, Envelope])
def test_an_envelope_is_read_as_the_signal_that_it_is_of(make: Any):
    context, signal = context_of("hit_sm"), impacts("hit_sm", 4.87)
    low, high = (torch.full((2,), edge) for edge in BAND_HZ)
    envelope = squared_envelope(whitened(signal), context.rate_hz, low_hz=low, high_hz=high)
    told = make(channels=1, window=WINDOW["hit_sm"], enveloped=True)
    expected = make(channels=1, window=WINDOW["hit_sm"])(signal, context)
    torch.testing.assert_close(told(7 * envelope + 3, context), expected, atol=1e-3, rtol=1e-3)
    assert not any("model.front.low_hz" in text for text in said(told, rate_hz=torch.tensor([990.0, 990.0])))


def said(front: Any, **changes: Any) -> list[str]:
    context = context_of("cwru")._replace(**changes)
    return [f"{refusal.got} {refusal.instead}" for refusal in front.refusals(context) if refusal.of.any()]


@pytest.mark.parametrize("make", [Orders, FaultOrders, Comb])
def test_what_a_front_of_orders_cannot_read(make: Any):
    front = make(channels=1, window=8192)
    assert said(front) == []
    (few,) = said(front, speed_hz=torch.tensor([29.2, 5.0]))
    needed = 24_000 if make is Comb else 9600  # 10 and 4 revolutions
    assert few.startswith(f"windows of 3.4 revolutions set data.window={needed} or more")
    (unknown,) = said(front, speed_hz=torch.tensor([29.2, math.nan]))
    assert unknown.startswith("no speed choose model/front=envelope")
    assert any("an axis that ends above half" in text for text in said(front, speed_hz=torch.tensor([900.0, 29.2])))
    assert any("below model.front.low_hz" in text for text in said(front, rate_hz=torch.tensor([990.0, 12_000.0])))


def test_a_shaft_that_stands_still_has_no_speed():
    """A recording of a stopped machine among others: refused in words."""
    machine = next(iter(MACHINES))
    context = context_of(machine)
    speed = context.speed_hz.clone()
    speed[0] = 0.0
    refusals = Orders(channels=1, window=65_536).refusals(context._replace(speed_hz=speed))
    assert [(refusal.got, refusal.of.tolist()) for refusal in refusals if refusal.of.any()] == [
        ("no speed", [True, False])
    ]


def test_geometry_is_needed_by_fault_orders_alone():
    orders = torch.tensor([[3.6, math.nan, 2.4, 0.4]] * 2)
    (text,) = said(FaultOrders(channels=1, window=8192), orders=orders)
    assert text.startswith("no fault orders (bpfo, bpfi, bsf) choose model/front=comb")
    assert said(Comb(channels=1, window=8192), orders=orders) == []


@pytest.mark.parametrize("make", [Orders, FaultOrders, Comb, Envelope])
@pytest.mark.parametrize("enveloped", [False, True])
def test_a_silent_window_has_gradients(make: Any, enveloped: bool):
    """A dead sensor in one window of a batch must not make the gradient of all of it NaN."""
    signal = torch.randn(2, 1, 8192, generator=torch.Generator().manual_seed(0))
    signal[0] = 0
    signal.requires_grad_()
    make(channels=1, window=8192, enveloped=enveloped)(signal, context_of("cwru")).square().sum().backward()
    assert signal.grad is not None
    assert signal.grad.isfinite().all()
    assert signal.grad[1].abs().max() > 0


def test_several_fronts_name_the_one_that_cannot_read():
    front = Multi(channels=1, window=8192, fronts={"hertz": partial(Envelope, highest=5000.0), "orders": Orders})
    (text,) = said(front, rate_hz=torch.tensor([8000.0, 12_000.0]))
    assert text.endswith("lower model.front.fronts.hertz.highest")


def test_an_axis_in_hertz_ends_within_the_spectrum():
    (text,) = said(Envelope(channels=1, window=8192, highest=5000.0), rate_hz=torch.tensor([8000.0, 12_000.0]))
    assert text == "a sampling rate whose half is below model.front.highest lower model.front.highest"


def test_bad_values_say_what_to_do():
    with pytest.raises(ValueError, match=r"low_hz: not below high_hz; got 900 and 500; expected a band"):
        Orders(channels=1, window=8192, low_hz=900.0, high_hz=500.0)
    with pytest.raises(ValueError, match="window: too short for Spectrum; got 8 samples"):
        Spectrum(channels=1, window=8)
    context = context_of("cwru")
    with pytest.raises(ValueError, match=r"context: a rate of half precision .*choose trainer.precision=bf16-mixed"):
        Orders(channels=1, window=8192)(
            torch.zeros(2, 1, 8192), context._replace(rate_hz=context.rate_hz.to(torch.bfloat16))
        )


@pytest.mark.slow
def test_a_front_compiles_to_a_graph_without_breaks():
    for front in (Orders, FaultOrders, Comb, Envelope):
        network = Network(torch.nn.Flatten(), front=front(channels=1, window=4096)).eval()
        exported = torch.export.export(network, (torch.randn(2, 1, 4096), context_of("cwru")))
        assert exported.module()(torch.ones(2, 1, 4096), context_of("cwru")).shape[0] == 2
