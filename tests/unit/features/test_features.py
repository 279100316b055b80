"""Features hold what scipy computes, and find the lines of faults whose place is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import signal as of_scipy
from scipy import stats

from phmbench.data.sources.simulated import CHANNEL, Simulated
from phmbench.features import free_comb, kurtogram, lines, moments, spectra

RATE = 12_000.0


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_moments_are_those_of_scipy():
    signal = noise(3, 2, 4000) * 5 + 2
    found = dict(zip(moments.NAMES, moments.moments(signal).unbind(-1), strict=True))
    array = signal.numpy()
    centred = array - array.mean(-1, keepdims=True)
    expected = {
        "rms": array.std(-1),
        "peak_to_peak": np.ptp(array, -1),
        "crest": abs(centred).max(-1) / array.std(-1),
        "kurtosis": stats.kurtosis(array, -1, fisher=False),
        "skewness": stats.skew(array, -1),
        "impulse": abs(centred).max(-1) / abs(centred).mean(-1),
        "shape": array.std(-1) / abs(centred).mean(-1),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)
    amplitudes = moments.amplitudes(signal).numpy()
    np.testing.assert_allclose(amplitudes[..., 0], np.sqrt((array**2).mean(-1)), rtol=1e-9)
    np.testing.assert_allclose(amplitudes[..., 1:], np.stack([array.mean(-1), abs(array).max(-1)], -1), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_has_features_without_nan(value: float):
    signal = torch.full((2, 1, 2048), value)
    rate = torch.full((2,), RATE)
    assert (moments.moments(signal) == 0).all()
    assert (spectra.whitened(signal) == 0).all()
    assert (spectra.envelope_spectrum(signal, rate) == 0).all()
    assert spectra.log_bands(signal, rate, edges_hz=(0.0, 100.0, 6000.0)).isfinite().all()
    assert lines.above_floor_db(spectra.envelope_spectrum(signal, rate)).isfinite().all()


def test_power_in_bands_of_windows_with_rates_of_their_own():
    """Two tones at 1 kHz and 3 kHz; at twice the rate the same samples are 2 kHz and 6 kHz."""
    time = torch.arange(6000) / RATE
    tones = (2 * torch.pi * 1000 * time).sin() + 2 * (2 * torch.pi * 3000 * time).sin()
    found = spectra.log_bands(
        tones.expand(2, 1, -1), torch.tensor([RATE, 2 * RATE]), edges_hz=(0.0, 1500.0, 2500.0, 4000.0, 8000.0)
    ).exp()
    expected = torch.tensor([[[0.2, 0.0, 0.8, 0.0]], [[0.0, 0.2, 0.0, 0.8]]])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_the_envelope_is_that_of_scipys_hilbert():
    """In the whole band the analytic signal is scipy's; in a part of it, that of the filtered signal."""
    raw = noise(1, 1, 5001)
    rate = torch.tensor([RATE])
    whole = spectra.squared_envelope(raw, rate, low_hz=torch.tensor([1.0]), high_hz=torch.tensor([RATE]))
    centred = raw[0, 0].numpy() - raw.mean().item()
    expected = abs(of_scipy.hilbert(centred)) ** 2
    np.testing.assert_allclose(whole[0, 0], expected - expected.mean(), atol=1e-4)
    time = np.arange(5000) / RATE
    modulated = (1 + 0.5 * np.cos(2 * np.pi * 60 * time)) * np.cos(2 * np.pi * 3000 * time)
    disturbed = torch.from_numpy(modulated + 4 * np.cos(2 * np.pi * 480 * time))[None, None]
    spectrum = spectra.envelope_spectrum(disturbed, rate, low_hz=2000.0, high_hz=4000.0)[0, 0]
    hertz = spectra.bins_hz(5000, rate)[0]
    assert float(hertz[spectrum.argmax()]) == pytest.approx(60, abs=RATE / 5000)


def test_whitening_leaves_phases_alone():
    time = torch.arange(8192) / 8192
    signal = noise(1, 1, 8192) * 0.1 + (2 * torch.pi * 500 * time).sin()
    flat = torch.fft.rfft(spectra.whitened(signal)).abs()[0, 0, 1:-1]
    assert flat.max() / flat.min() < 1.01
    before, after = torch.fft.rfft(signal)[0, 0, 1:-1], torch.fft.rfft(spectra.whitened(signal))[0, 0, 1:-1]
    torch.testing.assert_close((before / after).angle(), torch.zeros(4095, dtype=before.real.dtype), atol=1e-3, rtol=0)


def test_the_kurtogram_finds_the_band_of_impacts():
    """Decaying oscillations at 4.4 kHz in noise: between 2/3 and 3/4 of half the rate, whatever the level."""
    draw = np.random.default_rng(1)
    pulse = np.exp(-np.arange(60) / 12) * np.sin(2 * np.pi * 4400 / RATE * np.arange(60))
    impacts = np.zeros((4, 1, 8192))
    impacts[..., ::300] = 8
    signal = torch.from_numpy(
        of_scipy.oaconvolve(impacts, pulse[None, None], axes=-1)[..., :8192] + draw.normal(size=(4, 1, 8192))
    )
    band = kurtogram.best_band(kurtogram.kurtogram(signal))
    assert band.low * RATE / 2 <= 4400 <= band.high * RATE / 2
    assert band.high - band.low <= 1 / 3
    silent = kurtogram.kurtogram(noise(64, 1, 8192)).mean((0, 1))
    assert silent.abs().max() < 0.1
    with pytest.raises(
        ValueError, match="kurtogram: the window is too short for 7 levels; got 128 samples; expected 385"
    ):
        kurtogram.kurtogram(noise(1, 1, 128))


def test_the_tree_of_bands_is_antonis():
    sizes = [len(kurtogram.bands(levels)) for levels in range(8)]
    assert sizes == [0, 1, 3, 6, 10, 16, 24, 36]  # 1, 2, 3, 4, 6, 8, 12 bands
    assert kurtogram.bands(3)[-1] == (2 / 3, 1.0)


def test_heights_over_the_floor_do_not_depend_on_unit_or_slope():
    spectrum = torch.rand(2, 1, 1001, generator=torch.Generator().manual_seed(0)) + 0.5
    spectrum[..., 400] *= 30
    level = lines.above_floor_db(spectrum)
    sloped = lines.above_floor_db(1000 * spectrum * torch.linspace(1, 4, 1001))
    assert level[0, 0, 400] == pytest.approx(20 * np.log10(30), abs=5)
    torch.testing.assert_close(level, sloped, atol=1.5, rtol=0)
    at = torch.tensor([[399.4, 400.6, 2000.0, torch.nan], [10.0, 400.0, -1.0, 1000.0]])
    found = lines.heights(level, at)[:, 0]
    assert found[0, 0] == found[0, 1] == level[0, 0, 400]
    assert found[1, 1] >= level[1, 0, 400]
    assert found.isnan().tolist() == [[False, False, True, True], [False, False, True, False]]


def test_harmonics_of_a_line_that_has_slipped_are_found_together():
    level = torch.zeros(1, 1, 2000)
    level[..., [303, 606, 909, 1212]] = 20.0  # 1 % above 300
    comb = lines.comb(
        level, torch.tensor([1.0]), torch.tensor([[300.0, 250.0, torch.nan]]), harmonics=4, tolerance=0.02
    )
    assert comb.height_db[0, 0, 0].tolist() == [20.0] * 4
    assert float(comb.rate[0, 0, 0]) == pytest.approx(1.01, abs=1e-3)
    assert comb.height_db[0, 0, 1].max() == 0
    assert comb.height_db[0, 0, 2].isnan().all()
    assert bool(comb.rate[0, 0, 2].isnan())


def test_sidebands_of_each_channel_are_around_its_own_centre():
    level = torch.zeros(2, 2, 1000)
    level[1, 0, [270, 330]] = torch.tensor([10.0, 20.0])  # around 300, 30 apart
    level[1, 1, [440, 560]] = 8.0  # around 500, twice 30 apart
    centre = torch.tensor([[300.0, 500.0], [300.0, 500.0]])[..., None]  # (B, C, M)
    found = lines.sidebands(level, torch.ones(2), centre, torch.tensor([30.0, 30.0]), orders=2)
    assert found.shape == (2, 2, 1, 2)
    assert found[1].tolist() == [[[15.0, 0.0]], [[0.0, 8.0]]]
    assert not found[0].any()
    assert lines.sidebands(level, torch.ones(2), centre * torch.nan, torch.ones(2), orders=1).isnan().all()


def test_the_free_comb_is_found_among_lines_of_the_shaft():
    """Harmonics of 5.43 orders with sidebands of the shaft, beside higher lines at whole orders."""
    level = torch.zeros(2, 1, 4000)
    per_order = 25.0  # lines
    for k in (1, 2, 3, 4):
        level[0, 0, round(5.43 * k * per_order)] = 15.0
        for side in (-1, 1):
            level[0, 0, round((5.43 * k + side) * per_order)] = 9.0
    for k in range(1, 12):
        level[0, 0, round(k * per_order)] = 30.0
    found = free_comb.free_comb(level, torch.tensor([1.0, 1.0]), torch.tensor([25.0, torch.nan]))
    assert float(found.order[0, 0]) == pytest.approx(5.43, abs=0.03)
    assert found.height_db[0, 0].tolist() == [15.0] * 4
    assert found.shaft_db[0, 0].tolist() == [9.0, 0.0]
    assert found.whole_db[0, 0].tolist() == [30.0] * 3
    for part in found:
        assert part[1].isnan().all()


@pytest.fixture(scope="module")
def faults() -> list[tuple[str, NDArray[np.float32], float, float, dict[str, float]]]:
    """Simulated recordings of three seconds with faults of the second severity: fault, signal, rate, speed, orders."""
    rigs = ["motor", "pump", "gearbox", "spindle"]
    source = Simulated(rigs=rigs, bearings=2, conditions=2, seconds=3.0, snr_db=6.0, seed=0)
    table = source.table()
    chosen = table[
        (table["fault_severity_level"] == 2) & table["fault_type"].isin(["inner", "outer", "rolling_element"])
    ]
    return [
        (
            row["fault_type"],
            source.signal(row, (CHANNEL,))[0].astype(np.float32),
            float(row["fs"]),
            float(row["speed_rpm"]) / 60,
            {"inner": row["bpfi"], "outer": row["bpfo"], "rolling_element": 2 * row["bsf"]},
        )
        for _, row in chosen.iterrows()
    ]


def test_the_free_comb_finds_outer_races_without_their_geometry(faults):
    """Where they are not struck near a whole order, as the pump's are at 3.07; inner ones' sidebands may be higher."""
    right, of = 0, 0
    for fault, raw, rate, speed, orders in faults:
        if fault == "outer" and abs(orders["outer"] - round(orders["outer"])) > 0.1:
            signal = spectra.whitened(torch.from_numpy(raw)[None, None])
            level = lines.above_floor_db(spectra.envelope_spectrum(signal, torch.tensor([rate])))
            found = free_comb.free_comb(level, torch.tensor([rate / signal.shape[-1]]), torch.tensor([speed]))
            right, of = right + (abs(float(found.order) / orders["outer"] - 1) < 0.02), of + 1
    assert right == of == 12


def test_every_simulated_fault_shows_its_own_line_within_two_per_cent(faults):
    """Of the three families of harmonics the fault's own is the highest, and its rate within the tolerance."""
    missed = []
    for fault, raw, rate, speed, orders in faults:
        signal = spectra.whitened(torch.from_numpy(raw)[None, None])
        level = lines.above_floor_db(spectra.envelope_spectrum(signal, torch.tensor([rate])))
        base = torch.tensor([[order * speed for order in orders.values()]])
        found = lines.comb(level, torch.tensor([rate / signal.shape[-1]]), base, harmonics=3, tolerance=0.02)
        total = dict(zip(orders, found.height_db[0, 0].sum(-1).tolist(), strict=True))
        if max(total, key=total.get) != fault or total[fault] < 20:
            missed.append((fault, rate, round(speed, 1), total))
    assert len(faults) >= 24
    assert not missed, missed
