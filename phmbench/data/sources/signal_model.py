"""Vibration of a machine with a faulty rolling bearing, from the bearing's geometry.

Papers:
    McFadden & Smith (1984), Model for the vibration produced by a single point defect in a rolling element bearing,
        Journal of Sound and Vibration 96(1), 69-82, doi:10.1016/0022-460X(84)90595-9: impulses at the defect
        frequency, weighted by the load distribution and the transfer path, through a decaying resonance.
    Antoni & Randall (2003), A stochastic model for simulation and diagnostics of rolling element bearings with
        localized faults, Journal of Vibration and Acoustics 125(3), 282-289, doi:10.1115/1.1569940: random slip, by
        which the impulses are not periodic but pseudo-cyclostationary.
    Harris (2001), Rolling Bearing Analysis, 4th ed., Wiley: kinematic frequencies; Stribeck's load distribution.
    Randall & Antoni (2011), Rolling element bearing diagnostics: a tutorial, Mechanical Systems and Signal Processing
        25(2), 485-520, doi:10.1016/j.ymssp.2010.07.017: what modulates what (shaft for inner, cage for rolling
        element).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

FAULTS = ("normal", "inner", "outer", "rolling_element", "cage")
SEVERITY_DB = {0: -math.inf, 1: -4.0, 2: 0.0, 3: 4.0}
"""Power of the fault signature relative to severity 2, in dB."""


class Geometry(NamedTuple):
    """A bearing: rolling elements, their diameter, the pitch diameter (same unit) and the contact angle (degrees)."""

    elements: int
    diameter: float
    pitch: float
    contact_deg: float

    def orders(self) -> tuple[float, float, float, float]:
        """BPFO, BPFI, BSF, FTF in orders of the shaft, inner ring rotating, no slip (Harris 2001)."""
        r = self.diameter / self.pitch * math.cos(math.radians(self.contact_deg))
        bsf = self.pitch / (2 * self.diameter) * (1 - r * r)
        return self.elements / 2 * (1 - r), self.elements / 2 * (1 + r), bsf, (1 - r) / 2


class Rig(NamedTuple):
    """A machine: all that its recordings have in common."""

    name: str
    rate_hz: int
    bearing: Geometry
    resonances_hz: tuple[float, ...]
    damping: float  # ratio to critical
    conditions: tuple[tuple[float, float], ...]  # (nominal speed in rpm, load in N)
    teeth: int  # of the gear on the shaft; 0 where there is none
    shaft_db: float  # power of shaft harmonics and gear mesh relative to a fault of severity 2
    noise_db: float  # power of the noise relative to that of the other rigs
    noise_slope: float  # power falls with frequency to this exponent
    load_zone: float  # half the width of the load zone at the highest load, in radians


class Bearing(NamedTuple):
    """One physical bearing in its seat, with the nuisance of its own that a network can learn it by."""

    fault: str
    resonances_hz: Signal
    damping: Signal
    resonance_gain: Signal
    echo_s: Signal  # (echoes,) delay of what arrives by another path
    echo_gain: Signal
    noise_slope: float
    noise_bumps: Signal  # (bumps, 3) frequency as a share of the band, relative width, gain
    harmonics: Signal  # (harmonics,) amplitude of the shaft's, relative
    mesh: Signal  # (harmonics,) of the gear mesh, relative
    shaft_db: float  # deviation from the rig's
    slip: float  # mean slip of the cage
    jitter: float  # standard deviation of the time between impulses, relative
    defect_rad: float  # position of the defect
    gain: float  # of the sensor


RIGS: dict[str, Rig] = {
    rig.name: rig
    for rig in (
        Rig("motor", 12000, Geometry(9, 7.94, 39.04, 0.0), (1900.0, 3400.0), 0.035,
            ((1740.0, 200.0), (1740.0, 800.0), (1790.0, 200.0), (1790.0, 800.0)), 0, -6.0, 0.0, 0.5, 1.3),
        Rig("pump", 16000, Geometry(8, 15.08, 65.0, 0.0), (1300.0, 2900.0), 0.045,
            ((2400.0, 1000.0), (2400.0, 2500.0), (2900.0, 1000.0), (2900.0, 2500.0)), 7, -3.0, 1.0, 0.9, 1.1),
        Rig("gearbox", 20000, Geometry(12, 9.5, 62.0, 15.0), (2300.0, 4400.0), 0.04,
            ((1200.0, 1500.0), (1200.0, 4000.0), (1500.0, 1500.0), (1500.0, 4000.0)), 23, 0.0, 0.0, 0.7, 1.5),
        Rig("spindle", 25600, Geometry(14, 6.35, 46.0, 25.0), (2700.0, 5000.0), 0.03,
            ((3000.0, 150.0), (3000.0, 500.0), (3600.0, 150.0), (3600.0, 500.0)), 0, -8.0, -1.0, 0.3, 1.4),
    )
}  # fmt: skip
"""Four machines that differ in geometry, sampling rate, resonances, speeds, loads, gears and noise. The motor's
bearing is the 6205 (9 × 7.94 mm on 39.04 mm); the others have dimensions of common catalogue sizes."""


def draw_bearing(rig: Rig, fault: str, rng: np.random.Generator) -> Bearing:
    """One physical bearing of a rig: its seat shifts the resonances, its path colours noise and impulses, its sensor
    scales.

    Slip lies between 0.3 and 1 % on average, with 1 to 2 % from impulse to impulse (Antoni & Randall 2003). The gain
    is log-uniform over two decades, so that amplitude tells nothing of the fault.
    """
    modes = len(rig.resonances_hz)
    return Bearing(
        fault=fault,
        resonances_hz=np.asarray(rig.resonances_hz) * rng.uniform(0.78, 1.22, modes),
        damping=rig.damping * rng.uniform(0.6, 1.7, modes),
        resonance_gain=rng.uniform(0.3, 1.0, modes),
        echo_s=rng.uniform(2e-4, 2.5e-3, 3),
        echo_gain=rng.uniform(-0.6, 0.6, 3),
        noise_slope=rig.noise_slope + rng.uniform(-0.4, 0.4),
        noise_bumps=np.stack([rng.uniform(0.03, 0.5, 4), rng.uniform(0.02, 0.1, 4), rng.uniform(1.0, 8.0, 4)], axis=1),
        harmonics=rng.uniform(0.1, 1.0, 4) / np.arange(1, 5),
        mesh=rng.uniform(0.1, 1.0, 3),
        shaft_db=rng.uniform(-4.0, 4.0),
        slip=rng.uniform(0.003, 0.01),
        jitter=rng.uniform(0.01, 0.02),
        defect_rad=rng.uniform(-0.6, 0.6),
        gain=10 ** rng.uniform(-1.0, 1.0),
    )


def record(
    rig: Rig,
    bearing: Bearing,
    *,
    speed_rpm: float,
    load: float,
    seconds: float,
    fault_db: float,
    snr_db: float,
    rng: np.random.Generator,
) -> Signal:
    """One recording of a bearing: (time,). Fault, shaft and gears, and noise are added.

    Args:
        fault_db: power of the fault relative to severity 2, in dB; −inf: none. Without meaning for a normal bearing.
        snr_db: power of a fault of severity 2 over that of the noise, in dB, on a rig with noise_db 0.
    """
    n, speed_hz = round(seconds * rig.rate_hz), speed_rpm / 60
    x = 10 ** ((rig.noise_db - snr_db) / 20) * coloured_noise(bearing, n=n, rng=rng)
    x += 10 ** ((rig.shaft_db + bearing.shaft_db) / 20) * shaft_and_gears(rig, bearing, n=n, speed_hz=speed_hz, rng=rng)
    if bearing.fault != "normal" and fault_db > -math.inf:
        x += 10 ** (fault_db / 20) * fault_signature(rig, bearing, n=n, speed_hz=speed_hz, load=load, rng=rng)
    return bearing.gain * x


def load_share(angle: Signal, half_width: float) -> Signal:
    """Stribeck's load distribution, 1 at angle 0 and 0 outside the load zone (McFadden & Smith 1984).

    q = (1 − (1 − cos θ) / (2 ε))^1.5 with ε = (1 − cos half_width) / 2, so that q(half_width) = 0; 1.5 for balls.
    """
    epsilon = (1 - math.cos(half_width)) / 2
    return np.asarray(np.clip(1 - (1 - np.cos(angle)) / (2 * epsilon), 0.0, None) ** 1.5)


def impulse_times(rate: float, jitter: float, seconds: float, rng: np.random.Generator) -> Signal:
    """Times of impulses at `rate` per second on average, with independent random gaps (Antoni & Randall 2003)."""
    count = math.ceil(seconds * rate * 1.2) + 10
    gaps = (1 + jitter * rng.standard_normal(count)) / rate
    times = np.cumsum(gaps) - rng.uniform(0, 2) / rate
    return np.asarray(times[(times >= 0) & (times < seconds)])


def fault_signature(
    rig: Rig, bearing: Bearing, *, n: int, speed_hz: float, load: float, rng: np.random.Generator
) -> Signal:
    """Impulses of the fault through all paths and the resonances, (time,), of unit power."""
    times, weights = impulses(rig, bearing, seconds=n / rig.rate_hz, speed_hz=speed_hz, load=load, rng=rng)
    arrival = np.concatenate([times, *(times + delay for delay in bearing.echo_s)]) * rig.rate_hz
    strength = np.concatenate([weights, *(weights * gain for gain in bearing.echo_gain)])
    index = arrival.astype(np.int64)
    train = np.zeros(n + 1)  # what arrives between two samples is shared by both; after the end, it is in the last
    np.add.at(train, np.minimum(index, n), strength * (1 - (arrival - index)))
    np.add.at(train, np.minimum(index + 1, n), strength * (arrival - index))
    x = np.fft.irfft(np.fft.rfft(train[:n], 2 * n) * resonance(rig, bearing, n), 2 * n)[:n]
    return np.asarray(x / max(float(x.std()), 1e-12))


def impulses(
    rig: Rig, bearing: Bearing, *, seconds: float, speed_hz: float, load: float, rng: np.random.Generator
) -> tuple[Signal, Signal]:
    """Times (s) and weights of the fault's impulses: what strikes, how often, under which load (Randall & Antoni 2011).

    outer: at BPFO, its place in the load zone fixed. inner: at BPFI, through the load zone with the shaft.
    rolling_element: at 2 BSF, both rings in turn, the inner one felt more weakly, through the load zone with the
    cage. cage: bursts at FTF, when the damaged pocket passes the load zone; the rolling elements of that burst follow
    at BPFO, unevenly.
    """
    bpfo, bpfi, bsf, ftf = (o * speed_hz for o in rig.bearing.orders())
    cage = 1 - bearing.slip
    heaviest = max(load for _, load in rig.conditions)
    zone = rig.load_zone * (0.75 + 0.25 * load / heaviest)
    if bearing.fault == "outer":
        times = impulse_times(bpfo * cage, bearing.jitter, seconds, rng)
        weights = np.full(times.shape, max(float(load_share(np.array(bearing.defect_rad), zone)), 0.2))
    elif bearing.fault == "inner":
        times = impulse_times(bpfi * (1 + bearing.slip * ftf / (speed_hz - ftf)), bearing.jitter, seconds, rng)
        weights = 0.1 + load_share(2 * np.pi * speed_hz * times + bearing.defect_rad, zone)
    elif bearing.fault == "rolling_element":
        times = impulse_times(2 * bsf * cage, bearing.jitter / 2, seconds, rng)
        inner = np.arange(len(times)) % 2 == int(rng.integers(2))
        weights = np.where(inner, 0.7, 1.0) * (0.15 + load_share(2 * np.pi * ftf * cage * times, zone))
    else:
        turns = impulse_times(ftf * cage, bearing.jitter, seconds, rng)
        within = np.arange(5) / bpfo * (1 + 0.1 * rng.standard_normal((len(turns), 5)))
        times = (turns[:, None] + within).ravel()
        weights = np.tile([0.6, 1.0, 1.0, 0.8, 0.5], len(turns))
        weights, times = weights[times < seconds], times[times < seconds]
    return times, weights * (1 + 0.15 * rng.standard_normal(times.shape))


def resonance(rig: Rig, bearing: Bearing, n: int) -> NDArray[np.complex128]:
    """Frequency response of the structure between defect and sensor, (n + 1,): sum of decaying resonances."""
    f = np.arange(n + 1) * rig.rate_hz / (2 * n)
    response = np.zeros(n + 1, dtype=np.complex128)
    for f0, zeta, gain in zip(bearing.resonances_hz, bearing.damping, bearing.resonance_gain, strict=True):
        response += gain * 1j * f0 * f / (f0**2 - f**2 + 2j * zeta * f0 * f)  # a decaying cosine
    return response


def shaft_and_gears(rig: Rig, bearing: Bearing, *, n: int, speed_hz: float, rng: np.random.Generator) -> Signal:
    """Harmonics of the shaft, and of the gear mesh modulated by it, (time,), of unit power."""
    t = np.arange(n) / rig.rate_hz
    phase = 2 * np.pi * speed_hz * t + rng.uniform(0, 2 * np.pi)
    x = np.zeros(n)
    for k, amplitude in enumerate(bearing.harmonics, start=1):
        x += amplitude * np.cos(k * phase + rng.uniform(0, 2 * np.pi))
    for k, amplitude in enumerate(bearing.mesh if rig.teeth else (), start=1):
        if k * rig.teeth * speed_hz < rig.rate_hz / 2:
            x += amplitude * (1 + 0.3 * np.cos(phase)) * np.cos(k * rig.teeth * phase + rng.uniform(0, 2 * np.pi))
    return np.asarray(x / x.std())


def coloured_noise(bearing: Bearing, *, n: int, rng: np.random.Generator) -> Signal:
    """Gaussian noise, (time,), of unit power; the spectrum falls and is raised in bands of the bearing's own."""
    share = np.arange(n // 2 + 1) / n  # of the sampling rate
    shape = (share + 0.01) ** (-bearing.noise_slope / 2)
    for centre, width, gain in bearing.noise_bumps:
        shape *= 1 + gain * np.exp(-0.5 * ((share - centre) / (width * 0.5)) ** 2)
    x = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)
    return np.asarray(x / x.std())
