"""Copies are found whatever was done to them; recordings of the same machine are not taken for copies."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from phmbench.data import fingerprint
from phmbench.data.fingerprint import PROFILE_SIZE, SAME, content_hash, copies, profile

RATE = 12_000


def machine(seed, seconds=2.0, rate=48_000, channels=1):
    """Impacts 107 times a second that ring at 3 kHz, a shaft of 29 Hz and noise: the seed is the recording's alone."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * rate)) / rate
    ring = np.exp(-time_s[:480] * 900) * np.sin(2 * np.pi * 3000 * time_s[:480])
    impacts = (np.diff(np.floor(time_s * 107.3 + rng.uniform()), prepend=0) > 0) * 1.0
    tones = np.sin(2 * np.pi * 29 * time_s + rng.uniform(0, 6))
    signal = np.convolve(impacts, ring)[: time_s.size] + 0.3 * tones
    return signal + 0.2 * rng.standard_normal((channels, time_s.size))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 50), st.floats(-6, 6), st.sampled_from([-1, 1]), st.floats(-30, 30))
def test_every_rescaled_and_shifted_copy_has_the_same_hash(seed, decades, sign, shift):
    """Recorded with 16 bits as real ones are; offsets up to 30 standard deviations; rounded to float32 afterwards."""
    raw = np.round(machine(seed % 5, 0.2, RATE, channels=1 + seed % 2) * 8000) / 8000
    gain = sign * 10.0**decades
    copy = (gain * (raw + shift * raw.std())).astype(np.float32)
    assert content_hash(copy) == content_hash(raw.astype(np.float32))


def test_ten_thousand_random_gains_and_offsets_of_continuous_signals():
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((1, 1024)).astype(np.float32)
    expected = content_hash(raw)
    gains = 10 ** rng.uniform(-6, 6, 10_000) * rng.choice([-1, 1], 10_000)
    offsets = rng.normal(0, 10, 10_000)
    hashes = {content_hash((g * (raw + o)).astype(np.float32)) for g, o in zip(gains, offsets, strict=True)}
    assert hashes == {expected}


def test_a_hash_tells_recordings_apart():
    hashes = {content_hash(machine(seed, 0.2)) for seed in range(50)}
    assert len(hashes) == 50
    signal = machine(0, 0.2)
    assert content_hash(signal[:, :-1]) != content_hash(signal)
    assert content_hash(signal[:, ::-1]) != content_hash(signal)


def test_a_channel_with_its_sign_changed_is_the_same():
    signal = machine(0, 0.2, channels=2)
    assert content_hash(signal * np.array([[1], [-1]])) == content_hash(signal)
    assert content_hash(signal[::-1]) != content_hash(signal)


def test_a_dead_sensor_has_nothing_to_recognise():
    assert content_hash(np.full((2, 100), 3.0)) == ""
    assert not profile(np.full((2, 4096), 3.0), RATE).any()
    assert content_hash(np.stack([np.zeros(100), np.arange(100.0)])) != ""


@pytest.mark.parametrize("samples", [1, 2, 7, 63, 100, 2560])
def test_short_recordings_have_a_hash_and_a_profile(samples):
    signal = np.random.default_rng(samples).standard_normal((1, samples))
    assert isinstance(content_hash(signal), str)
    vector = profile(signal, 25_600)
    assert vector.shape == (PROFILE_SIZE,)
    assert np.all(np.isfinite(vector))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [12_000, 16_000, 25_600])
def test_resampled_and_rescaled_copies_have_the_same_profile(seed, rate):
    raw = machine(seed)
    copy = -0.02 * resample_poly(raw, rate, 48_000, axis=1, padtype="mean") + 4
    assert profile(copy, rate) @ profile(raw, 48_000) > 0.99
    there_and_back = resample_poly(copy, 48_000, rate, axis=1, padtype="mean")[:, 9:]
    assert profile(there_and_back, 48_000) @ profile(raw, 48_000) > SAME


def test_recordings_of_one_machine_have_profiles_of_their_own():
    vectors = np.stack([profile(machine(seed, 1.0), 48_000) for seed in range(40)])
    products = vectors @ vectors.T
    assert np.allclose(np.diag(products), 1, atol=1e-5)
    assert np.max(products - np.eye(40)) < 0.7


def test_a_run_up_that_all_recordings_share_does_not_make_them_copies():
    """Amplitude grows a hundredfold in each: the same trend, other noise."""
    trend = np.logspace(0, 2, 48_000)
    vectors = np.stack([profile(machine(seed, 1.0) * trend, 48_000) for seed in range(20)])
    assert np.max(vectors @ vectors.T - np.eye(20)) < 0.7


def test_copies_by_hand():
    """Rows 0–4; row 3 has the hash of row 0, row 4 the profile of row 1; rows 0, 1, 2 are searched, 2, 3, 4 tested."""
    vectors = planted(5, 1, 1.0)[[1, 0, 2, 3, 4]]
    pairs = copies(["a", "b", "c", "a", "d"], vectors, np.array([0, 1, 2]), np.array([2, 3, 4]))
    assert pairs.tolist() == [[0, 3], [1, 4]]


def test_a_row_on_both_sides_is_no_copy_of_itself_but_of_its_double():
    vectors = np.zeros((3, PROFILE_SIZE), np.float32)
    both = np.array([0, 1, 2])
    assert copies(["a", "b", "c"], vectors, both, both).tolist() == []
    assert copies(["a", "b", "a"], vectors, both, both).tolist() == [[2, 0], [0, 2]]


@pytest.mark.parametrize(("a", "b"), [([], [0]), ([0], []), ([], [])])
def test_nothing_has_no_copies(a, b):
    vectors = np.ones((1, PROFILE_SIZE), np.float32)
    assert copies(["a"], vectors, np.array(a, np.int64), np.array(b, np.int64)).shape == (0, 2)


def planted(recordings, pairs, correlation, seed=0):
    """Random profiles, of which the last `pairs` are noisy copies of the first."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((recordings, PROFILE_SIZE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    noise = rng.standard_normal((pairs, PROFILE_SIZE)).astype(np.float32)
    noise -= np.sum(noise * vectors[:pairs], axis=1, keepdims=True) * vectors[:pairs]
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    vectors[-pairs:] = correlation * vectors[:pairs] + np.sqrt(1 - correlation**2) * noise
    return vectors


def test_the_search_among_many_finds_what_comparing_all_finds(monkeypatch):
    vectors = planted(4000, 200, 0.99)
    content, a, b = np.arange(4000), np.arange(2000), np.arange(2000, 4000)
    brute = copies(content, vectors, a, b)
    assert brute.tolist() == [[i, 3800 + i] for i in range(200)]
    monkeypatch.setattr(fingerprint, "BRUTE_PAIRS", 0)
    assert copies(content, vectors, a, b).tolist() == brute.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.95, 0.98])
def test_a_thousand_copies_are_found_among_a_hundred_thousand_recordings(threshold):
    """At the threshold itself, where 0.999 of each copy is the least probability; the search is far from all pairs."""
    vectors = planted(100_000, 1000, threshold + 0.002)
    pairs = copies(np.arange(100_000), vectors, np.arange(50_000), np.arange(50_000, 100_000), threshold=threshold)
    assert len(pairs) >= 995


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["cwru", "hit_sm", "mfpt", "femto"])
def test_real_recordings(name):
    """No two distinct recordings of a rig reach the threshold; all copies at 12 kHz do."""
    root = os.environ.get("PHMBENCH_DATA")
    if root is None:
        pytest.skip("PHMBENCH_DATA is not set")
    import bearing_datasets

    data = bearing_datasets.open(name, root=root)
    table = data.metadata()
    table = table[table["channel"] == table["channel"].iloc[0]]
    table = table.iloc[:: 8 if name == "femto" else 1]
    vectors, hashes, rng = [], [], np.random.default_rng(0)
    for number, row in enumerate(table.itertuples()):
        signal = np.array(data.signal(row.signal_id))
        vectors.append(profile(signal, row.fs))
        hashes.append(content_hash(signal.astype(np.float32)))
        if number % 6 == 0:
            copy = (10 ** rng.uniform(-4, 4) * (signal + rng.normal() * signal.std())).astype(np.float32)
            assert content_hash(copy) == hashes[-1], row.signal_id
            at_12k = profile(resample_poly(signal, 12_000, int(row.fs), padtype="mean"), 12_000)
            lengths = np.linalg.norm(at_12k) * np.linalg.norm(vectors[-1])  # of brief ones less than 1
            assert at_12k @ vectors[-1] / lengths > (0.98 if name == "femto" else 0.99), row.signal_id  # of 0.1 s
    assert len(set(hashes)) == len(hashes)
    everything = np.arange(len(hashes))
    found = copies(hashes, np.stack(vectors), everything, everything)
    assert found.tolist() == []
