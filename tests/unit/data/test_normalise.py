"""Normalisation and noise against hand arithmetic, and the modules against NumPy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from phmbench.data.normalise import TrainStatistics, add_noise, per_window
from phmbench.data.normalise_torch import PerWindowStandardise, Standardise
from phmbench.errors import ConfigError, DataError


def windows(seed=0, shape=(6, 2, 64), scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * scale + shift).astype(np.float32)


def test_a_window_by_hand():
    """(1, 3): mean 2, deviations −1 and 1, variance 1 → (−1, 1). (0, 4): mean 2, variance 4 → (−1, 1)."""
    batch = np.array([[[1, 3]], [[0, 4]]], np.float32)
    assert per_window(batch) is batch
    assert batch.tolist() == [[[-1, 1]], [[-1, 1]]]


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e6])
def test_each_window_and_channel_gets_zero_mean_and_unit_variance_whatever_its_unit(scale):
    batch = per_window(windows(scale=scale, shift=3 * scale))
    assert np.allclose(batch.mean(-1), 0, atol=1e-5)
    assert np.allclose(batch.std(-1), 1, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6, -1e-20])
def test_a_constant_window_becomes_zeros(value):
    batch = per_window(np.full((2, 1, 2047), value, np.float32))
    assert np.all(batch == 0)


def test_statistics_by_hand():
    """Channel 0: 1, 3, 5, 7: mean 4, squares 9 + 1 + 1 + 9 = 20, variance 5. Channel 1: constant 2: deviation 0."""
    batches = [np.array([[[1, 3], [2, 2]]], np.float32), np.array([[[5, 7], [2, 2]]], np.float32)]
    statistics = TrainStatistics.fit(batches)
    assert statistics.mean.ravel().tolist() == [4, 2]
    assert statistics.std.ravel() == pytest.approx([5**0.5, 0])
    batch = np.array([[[4, 9], [2, 5]]], np.float32)
    assert statistics.apply(batch)[0, 0].tolist() == pytest.approx([0, 5**0.5])
    assert batch[0, 1].tolist() == [0, 0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any), st.floats(-1e4, 1e4))
def test_statistics_do_not_depend_on_how_windows_are_batched(sizes, shift):
    whole = windows(1, (sum(sizes), 2, 16), shift=shift)
    parts = np.split(whole, np.cumsum(sizes)[:-1])
    statistics = TrainStatistics.fit(iter(parts))
    assert statistics.mean.ravel() == pytest.approx(whole.mean((0, 2), dtype=np.float64), rel=1e-6, abs=1e-6)
    assert statistics.std.ravel() == pytest.approx(whole.std((0, 2), dtype=np.float64), rel=1e-4)


def test_statistics_of_nothing_say_what_to_do():
    with pytest.raises(
        DataError, match=r"data\.normalise: no training windows .*; got 0; expected at least 1; set data"
    ):
        TrainStatistics.fit([])


def test_statistics_of_other_channels_say_what_to_do():
    with pytest.raises(DataError, match=r"data\.normalise: .*; got 1 channels; expected 2; choose data\.channels"):
        TrainStatistics.fit([windows()]).apply(windows(shape=(3, 1, 8)))


@given(arrays(np.float32, (2, 2, 8), elements=st.floats(-1e3, 1e3, width=32)))
def test_modules_give_what_numpy_gives(batch):
    signal = torch.from_numpy(batch.copy())
    statistics = TrainStatistics.fit([windows(shift=5)])
    assert Standardise(statistics=statistics)(signal).numpy() == pytest.approx(statistics.apply(batch.copy()), abs=1e-4)
    # A window that is all but constant may fall on either side of the bound, where mean and spread are rounded anew.
    spread = batch.std(-1) / np.maximum(np.abs(batch.mean(-1)), 1e-30)
    clear = (spread > 1e-5) | (spread == 0)
    ours, theirs = per_window(batch.copy()), PerWindowStandardise()(signal).numpy()
    assert ours[clear] == pytest.approx(theirs[clear], abs=1e-2)


def test_modules_keep_statistics_in_the_state():
    module = Standardise(statistics=TrainStatistics.fit([windows(shift=5)]))
    other = Standardise(statistics=TrainStatistics.fit([windows(7)]))
    other.load_state_dict(module.state_dict())
    signal = torch.from_numpy(windows(3))
    assert torch.equal(other(signal), module(signal))


def test_numpy_parts_need_no_torch():
    code = (
        "import sys, phmbench.data.normalise, phmbench.data.windows, phmbench.data.store; print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 20.0])
def test_noise_has_the_power_that_was_asked_for(snr_db):
    clean = windows(shape=(4, 2, 20_000), scale=3.0, shift=100.0)
    noise = add_noise(clean.copy(), snr_db, 0, np.arange(4)).astype(np.float64) - clean
    measured = 10 * np.log10(clean.var(-1) / noise.var(-1))
    assert measured == pytest.approx(
        np.full((4, 2), snr_db), abs=0.15
    )  # √(2/20000) = 1 % = 0.04 dB, and rounding at 100
    assert abs(np.corrcoef(noise[:, 0])[0, 1]) < 0.03  # windows have noise of their own
    assert abs(np.corrcoef(noise[0])[0, 1]) < 0.03  # and so have channels


def test_noise_of_a_window_is_the_same_in_any_batch():
    clean, rows = windows(), np.array([5, 900_000_000_000, 3, 17, 4, 8])
    whole = add_noise(clean.copy(), 10, 1, rows)
    order = np.array([4, 1, 0])
    assert np.array_equal(add_noise(clean[order].copy(), 10, 1, rows[order]), whole[order])
    assert not np.array_equal(add_noise(clean.copy(), 10, 2, rows), whole)


def test_a_constant_window_gets_no_noise():
    batch = np.full((1, 1, 16), 2.0, np.float32)
    assert np.all(add_noise(batch, 0, 0, np.array([0])) == 2)


def test_a_ratio_that_is_none_says_what_to_do():
    with pytest.raises(ConfigError, match=r"data\.noise_db: not a ratio; got nan; expected a finite number of dB; set"):
        add_noise(windows(), float("nan"), 0, np.arange(6))
