"""Recordings by angle of the shaft: lines of faults stand at their orders whatever the speed and the sampling rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phmbench import revolutions
from phmbench.data import gaps
from phmbench.data.sources.bearing_datasets import BearingDatasets
from phmbench.data.store import prepare, store_key
from phmbench.data.views import TIME, View, ratios, require_whole, seen, squared_envelope
from phmbench.errors import ConfigError, DataError
from phmbench.features import spectra
from phmbench.types import Assignment

CHOICES = {"where": None, "ids": None, "channels": None, "sample_rate": None}
ANGLE, ENVELOPE = View("angle", 256), View("envelope_angle", 96)


def impacts(rate_hz: float, rpm: float, *, order: float, seconds: float = 5.0) -> np.ndarray:
    """A resonance at 3 kHz, struck `order` times a revolution with a slip of 1 %, in noise: (1, time)."""
    rng = np.random.default_rng(0)
    signal = 0.1 * rng.standard_normal(round(rate_hz * seconds))
    ring = np.exp(-np.arange(round(0.002 * rate_hz)) * 3000 / rate_hz)
    ring *= np.sin(2 * np.pi * 3000 / rate_hz * np.arange(len(ring)))
    interval = 60 / (order * rpm)
    for struck in np.cumsum(interval * (1 + 0.01 * rng.standard_normal(int((seconds - 0.05) / interval)))):  # with slip
        at = round(struck * rate_hz)
        signal[at : at + len(ring)] += ring[: len(signal) - at]
    return signal[None]


class Machines:
    """One fault on machines of other speeds and rates."""

    default_channels = None

    def __init__(self, *machines: tuple[float, float | None], order: float = 5.43) -> None:
        self.machines, self.order = machines, order

    def fingerprint(self) -> dict[str, object]:
        return {"machines": str(self.machines)}

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"recording": f"m/{i}", "fs": fs, "n_samples": round(5 * fs), "channels": ("a",), "speed_rpm": rpm}
                for i, (fs, rpm) in enumerate(self.machines)
            ]
        )

    def signal(self, row: pd.Series, _: object) -> np.ndarray:
        return impacts(row["fs"], row["speed_rpm"], order=self.order)


def strongest(signal: np.ndarray, per_revolution: int) -> float:
    """Order of the strongest line of (L,), above half an order."""
    spectrum = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(len(signal))))
    orders = np.arange(len(spectrum)) * per_revolution / len(signal)
    spectrum[orders < 0.5] = 0
    comb = [spectrum[np.rint(k * np.arange(len(spectrum) // 3)).astype(int)] for k in (1, 2)]  # with its first harmonic
    return float(orders[np.sum(comb, axis=0).argmax()])


MACHINES = ((12_000.0, 1797.0), (51_200.0, 600.0), (48_828.0, 1500.0), (20_000.0, 3570.3))


def test_a_fault_has_one_line_on_all_machines(tmp_path: Path):
    store = prepare({"m": Machines(*MACHINES)}, **CHOICES, cache=tmp_path, view=ENVELOPE)
    for row, (_, rpm) in enumerate(MACHINES):
        signal = store.recording(row)[0]
        harmonic = strongest(signal, 96) / 5.43  # the first harmonic may stand higher than the line
        assert harmonic == pytest.approx(round(harmonic), rel=0.005)
        assert 1 <= round(harmonic) <= 2
        assert store.table["rate_hz"].iloc[row] == pytest.approx(96 * rpm / 60, rel=1e-6)
        assert len(signal) == pytest.approx(5 * rpm / 60 * 96, abs=2)


def test_by_angle_the_signal_has_its_envelope_s_line_too(tmp_path: Path):
    store = prepare(
        {"m": Machines((12_000.0, 1797.0), (51_200.0, 1200.0))}, **CHOICES, cache=tmp_path, view=View("angle", 512)
    )
    for row in range(2):
        rate = float(store.table["rate_hz"].iloc[row])
        harmonic = strongest(squared_envelope(store.recording(row), rate)[0], 512) / 5.43
        assert harmonic == pytest.approx(round(harmonic), rel=0.005)
        assert 1 <= round(harmonic) <= 2


def test_time_is_what_it_was():
    """Stores of before there were views keep their keys, and a plain view changes nothing."""
    source = Machines(*MACHINES)
    assert TIME.shape() == {}
    assert store_key({"m": source}, **CHOICES) == store_key({"m": source}, **CHOICES, view=TIME)
    keys = {store_key({"m": source}, **CHOICES, view=view) for view in (TIME, ANGLE, ENVELOPE, View("angle", 128))}
    assert len(keys) == 4
    signal = impacts(12_000.0, 1800.0, order=3.0)
    np.testing.assert_array_equal(seen(signal, TIME, rate_hz=12_000.0, ratio=1), signal.astype(np.float32))


@given(st.floats(300, 6000), st.sampled_from([8_000.0, 12_000.0, 25_600.0, 51_200.0]), st.integers(8, 1024))
def test_rates_and_lengths_of_any_speed(rpm: float, fs: float, per_revolution: int):
    table = pd.DataFrame({"recording": ["a"], "fs": [fs], "speed_rpm": [rpm]})
    (rate,), (ratio,) = ratios(table, View("angle", per_revolution))
    assert rate == pytest.approx(per_revolution * rpm / 60, rel=1e-4)
    signal = np.ones((2, 500))
    assert seen(signal, View("angle", per_revolution), rate_hz=fs, ratio=ratio).shape == (
        2,
        -(-500 * ratio.numerator // ratio.denominator),
    )


def test_a_sine_of_the_shaft_is_one_period_a_revolution():
    time_s = np.arange(24_000) / 12_000
    table = pd.DataFrame({"recording": ["a"], "fs": [12_000.0], "speed_rpm": [1725.0]})
    _, (ratio,) = ratios(table, View("angle", 64))
    found = seen(np.sin(2 * np.pi * 1725 / 60 * time_s)[None], View("angle", 64), rate_hz=12_000.0, ratio=ratio)[0]
    np.testing.assert_allclose(found[200:1000], np.sin(2 * np.pi * np.arange(200, 1000) / 64), atol=2e-3)


def test_the_envelope_is_that_of_the_features():
    """Held against the torch features, where the length needs no zeros behind it."""
    signal = impacts(12_000.0, 1800.0, order=4.1, seconds=2.0)
    ours = squared_envelope(signal, 12_000.0)
    flat = spectra.whitened(torch.from_numpy(signal)[None].double())
    low, high = torch.tensor([500.0]), torch.tensor([6000.0])
    theirs = spectra.squared_envelope(flat, torch.tensor([12_000.0]), low_hz=low, high_hz=high)[0].numpy()
    expected = (theirs - theirs.mean()) / theirs.std()
    np.testing.assert_allclose((ours - ours.mean()) / ours.std(), expected, atol=0.02)
    assert ours.mean() == pytest.approx(1)
    assert not squared_envelope(np.ones((1, 100)), 12_000.0).any()


@pytest.mark.parametrize("rpm", [None, 0.0, float("nan")])
def test_a_speed_that_is_not_known_is_named(rpm: float | None, tmp_path: Path):
    with pytest.raises(DataError, match=r"1 of 2 recordings have no speed: m/1; .*choose data.view=time"):
        prepare({"m": Machines((12_000.0, 1800.0), (12_000.0, rpm))}, **CHOICES, cache=tmp_path, view=ANGLE)


def test_a_speed_that_is_too_far_from_the_rate_is_named():
    table = pd.DataFrame({"recording": ["a"], "fs": [1e6], "speed_rpm": [0.01]})
    with pytest.raises(DataError, match="recording a: 8 samples a revolution cannot be made"):
        ratios(table, View("angle", 8))


def test_a_band_above_the_spectrum_is_named():
    table = pd.DataFrame({"recording": ["a", "b"], "fs": [12_000.0, 2_000.0], "speed_rpm": [1800.0, 1800.0]})
    with pytest.raises(DataError, match=r"data.band: nothing lies in it in 1 of 2 .* 2000 Hz as recorded of b"):
        ratios(table, ENVELOPE._replace(band=(1000.0, 9000.0)))
    ratios(table, ANGLE._replace(band=(1000.0, 9000.0)))


def test_band_and_whitening_are_what_is_asked_for():
    """Two carriers, each with its own modulation: a band sees its own; whitening brings the weaker one up."""
    t = np.arange(24_000) / 12_000
    strong = 10 * (1 + np.sin(2 * np.pi * 30 * t)) * np.sin(2 * np.pi * 1000 * t)
    weak = (1 + np.sin(2 * np.pi * 70 * t)) * np.sin(2 * np.pi * 4000 * t)
    signal = (strong + weak + 1e-3 * np.random.default_rng(0).standard_normal(len(t)))[None]

    def line(hz: int, **settings: Any) -> float:
        found = squared_envelope(signal, 12_000.0, **settings)[0]
        return float(np.abs(np.fft.rfft(found))[2 * hz])  # bins of half a hertz

    assert line(30, band=(500.0, 2000.0), whiten=False) > 20 * line(70, band=(500.0, 2000.0), whiten=False)
    assert line(70, band=(3000.0, 5000.0), whiten=False) > 20 * line(30, band=(3000.0, 5000.0), whiten=False)
    both = {"band": (500.0, 5500.0)}
    ratio = [line(30, **both, whiten=whiten) / line(70, **both, whiten=whiten) for whiten in (False, True)]
    assert ratio[0] > 50 > 5 > ratio[1]


def test_what_lies_near_a_gap_is_left_out():
    """An envelope's filter carries what stood in a gap further than the resampling alone does."""
    assert gaps.resampled([[600, 650]], Fraction(1, 2), 1000) == [[289, 337]]
    assert gaps.resampled([[600, 650]], Fraction(1, 2), 1000, before=100) == [[239, 387]]
    assert gaps.resampled([[600, 650]], Fraction(1), 1000, before=100) == [[500, 751]]
    assert ENVELOPE.reach(12_000.0) == 240
    assert ANGLE.reach(12_000.0) == 0


def test_settings_are_those_of_the_view():
    assert TIME.settings() == {"view": "time"}
    assert ANGLE.settings() == {"view": "angle", "per_revolution": 256}
    assert ENVELOPE.settings() == {
        "view": "envelope_angle", "per_revolution": 96, "band": [500.0, 10_000.0], "whiten": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("view", "band", "whiten", "said"),
    [
        ("angle", [500, 2000], None, r"data.band: only the envelope has one; got \[500, 2000\] and data.view=angle"),
        ("time", None, False, "data.whiten: only the envelope has one; got False and data.view=time"),
        ("envelope_angle", [2000, 500], None, r"data.band: no band; got \[2000, 500\]; expected two frequencies"),
        ("envelope_angle", [500], None, "data.band: no band"),
    ],
)
def test_settings_of_no_envelope(view: revolutions.Name, band: Any, whiten: bool | None, said: str):
    with pytest.raises(ConfigError, match=said):
        revolutions.of_envelope(view, band, whiten)


def test_copies_are_known_by_what_was_recorded(tmp_path: Path):
    store = {
        view: prepare({"m": Machines(*MACHINES)}, **CHOICES, cache=tmp_path, view=view) for view in (ANGLE, ENVELOPE)
    }
    assert list(store[ANGLE].table["content"]) == list(store[ENVELOPE].table["content"])
    np.testing.assert_array_equal(store[ANGLE].fingerprints, store[ENVELOPE].fingerprints)


@pytest.mark.parametrize(
    ("length", "view", "said"),
    [
        ("25rve", "angle", "data.window: no length; got '25rve'; expected samples"),
        ("25rev", "time", "data.window: .*revolutions have no fixed number of samples in data.view=time"),
        ("0.1rev", "angle", "data.window: too short; got '0.1rev', 6 samples; expected 8 or more"),
    ],
)
def test_a_length_that_is_none(length: str, view: revolutions.Name, said: str):
    with pytest.raises(ConfigError, match=said):
        revolutions.samples(length, name="data.window", view=view, per_revolution=64)


def test_lengths():
    assert revolutions.samples("25rev", name="data.window", view="angle", per_revolution=96) == 2400
    assert revolutions.samples("0.5rev", name="data.hop", view="angle", per_revolution=96) == 48
    assert revolutions.samples(2048, name="data.window", view="time", per_revolution=0) == 2048
    assert [revolutions.of_view(view, None, None) for view in ("time", "angle", "envelope_angle")] == [0, 512, 96]
    with pytest.raises(ConfigError, match=r"data.per_revolution: only angle views have one"):
        revolutions.of_view("time", 96, None)
    with pytest.raises(ConfigError, match=r"data.sample_rate: data.view=angle has samples a revolution, and no common"):
        revolutions.of_view("angle", None, 12_000.0)


def test_an_envelope_of_whole_recordings_needs_them_apart():
    rows = np.zeros(0, np.int64)
    split = Assignment(rows, rows, rows, ("a",), rows, ("rig",), "time_blocks", "sample", "sample")
    with pytest.raises(DataError, match=r"envelope_angle is made of whole recordings; got split.*time_blocks"):
        require_whole(split)
    require_whole(split._replace(level="recording"))


@pytest.mark.realdata
def test_lines_of_real_faults_stand_at_their_orders(real_data: Path, cache: Path):
    """Inner and outer race faults of CWRU: among the three strongest lines of the mean spectrum of windows of 25
    revolutions is the fault's order or its first harmonic, in most recordings."""
    source = BearingDatasets(name="cwru", root=real_data, where='fs == 12000 and fault_type in ["inner", "outer"]')
    store = prepare({"c": source}, **{**CHOICES, "channels": ["DE"]}, cache=cache, view=ENVELOPE)
    right = 0
    for row in range(len(store.table)):
        facts, signal = store.table.iloc[row], store.recording(row)[0]
        windows = signal[: len(signal) // 2400 * 2400].reshape(-1, 2400)
        spectrum = np.abs(np.fft.rfft((windows - windows.mean(1, keepdims=True)) * np.hanning(2400))).mean(0)
        orders = np.arange(len(spectrum)) / 25
        order = facts["bpfi"] if facts["fault_type"] == "inner" else facts["bpfo"]
        spectrum[np.abs(orders - np.rint(orders)) < 0.1] = 0  # the shaft's
        top = orders[np.argsort(spectrum)[-3:]]
        right += bool(np.min(np.abs(top[:, None] / (order * np.array([1, 2])) - 1)) < 0.02)
    assert right >= 0.7 * len(store.table), f"{right} of {len(store.table)}"
