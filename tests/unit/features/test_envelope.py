"""The band whose envelope is taken: given, or the kurtogram's, which training windows alone decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal as of_scipy

from phmbench import build
from phmbench.features.envelope import Envelope
from phmbench.pipelines import baseline
from phmbench.types import Batch, Context
from tests.contract.composing import QUICK, composed

RATE = 12_000.0


def impacts(hertz: float, *, windows: int = 4, length: int = 8192, seed: int = 0) -> torch.Tensor:
    """Decaying oscillations about 40 times a second in noise, (B, 1, L); exactly periodic ones whitening takes away."""
    draw = np.random.default_rng(seed)
    pulse = np.exp(-np.arange(60) / 12) * np.sin(2 * np.pi * hertz / RATE * np.arange(60))
    train = np.zeros((windows, 1, length))
    at = np.arange(0, length - 20, 300) + draw.integers(0, 6, (windows, len(range(0, length - 20, 300))))
    train[np.arange(windows)[:, None], 0, at] = 20
    found = of_scipy.oaconvolve(train, pulse[None, None], axes=-1)[..., :length]
    return torch.from_numpy(found + draw.normal(size=found.shape)).float()


def batch(signal: torch.Tensor) -> Batch:
    count = len(signal)
    context = Context(
        rate_hz=torch.full((count,), RATE),
        speed_hz=torch.full((count,), 10.0),
        orders=torch.tensor([[4.0, 6.0, 2.4, 0.4]]).expand(count, 4),
        rig=torch.zeros(count, dtype=torch.int64),
    )
    zeros = torch.zeros(count, dtype=torch.int64)
    return Batch(signal, zeros, zeros, torch.arange(count), context)


@pytest.mark.parametrize("whiten", [False, True])
def test_the_kurtogram_finds_the_band_and_says_so(whiten: bool):
    """Impacts around 4.4 kHz, 1 kHz wide; the line stands at their rate, 40 Hz."""
    envelope = Envelope(whiten=whiten, band="kurtogram")
    one = batch(impacts(4400))
    notes = envelope.learn(lambda: iter([one, one]))
    low, high = (edge * RATE / 2 for edge in envelope.found)
    assert 3000 <= low <= 4900
    assert 4400 <= high <= 6000
    assert notes[0].startswith(f"the kurtogram of 8 training windows chose the band from {envelope.found.low:.3g} to ")
    assert f"({low:.0f} to {high:.0f} Hz at 12000 Hz)" in notes[0]
    level = envelope.level_db(one)  # (B, 1, N)
    line = round(40 / (RATE / 8192))
    assert (level[:, 0, line - 1 : line + 2].amax(-1) > 15).all()


def test_ends_of_a_window_are_no_impacts():
    """A slow drift ends far from where it begins: whitened, the leap between both ends is a low impact."""
    drift = impacts(4400) * 0.02 + torch.linspace(-1, 1, 8192)
    envelope = Envelope(whiten=True, band="kurtogram")
    envelope.learn(lambda: iter([batch(drift)]))
    assert envelope.found.low >= 0.5


def test_a_given_band_learns_nothing():
    assert Envelope(whiten=True, band=[500.0, 10_000.0]).learn(lambda: iter([])) == []


def test_an_envelope_as_it_is_has_its_own_spectrum():
    time = torch.arange(6000) / RATE
    tone = 2 + (2 * torch.pi * 50 * time).cos() + 0.01 * torch.randn(6000, generator=torch.Generator().manual_seed(0))
    level = Envelope(whiten=False, band=None).level_db(batch(tone.expand(2, 1, -1)))
    assert level.argmax(-1).tolist() == [[25], [25]]  # 2 Hz from line to line


def test_bands_that_cannot_be():
    with pytest.raises(ValueError, match="band: ends before it begins; got 5000 to 500 Hz"):
        Envelope(whiten=True, band=[5000.0, 500.0])
    with pytest.raises(ValueError, match="band: lies above half the sampling rate; got 7000 Hz and a rate of 12000;"):
        Envelope(whiten=True, band=[7000.0, 8000.0]).level_db(batch(impacts(3000)))


def test_changing_test_windows_does_not_change_the_band(tmp_path: Path):
    """Test and validation windows are replaced by impacts of a band of their own: band, note and rows of training stay
    as they were to the bit; the same impacts in training windows do change it."""

    def tables(sets: tuple[str, ...]) -> tuple[Any, list[str], np.ndarray]:
        words = (*QUICK, "pipeline=baseline", "estimator=rf_orders", "estimator.features.band=kurtogram")
        config = composed(*words, "data.window=2048", "data.hop=2048", f"paths.cache={tmp_path}")
        data, estimator = build.data(config), build.estimator(config)
        data.assign()
        rows = {name: getattr(data.assignment, name) for name in ("train", "val", "test")}
        strange = np.concatenate([rows[name] for name in sets]) if sets else np.zeros(0, int)
        read = data.batch

        def batch_of(which: np.ndarray, **more: Any) -> Batch:
            one = read(which, **more)
            others = impacts(1500, windows=len(which), length=2048) * 100
            changed = torch.from_numpy(np.isin(which, strange))[:, None, None]
            return one._replace(signal=torch.where(changed, others, one.signal))

        data.batch = batch_of
        found = baseline._tables(data, rows, estimator, seed=0)
        return estimator.features.envelope.found, [n for n in data.notes if "kurtogram" in n], found["train"]

    band, notes, train = tables(())
    other_band, other_notes, other_train = tables(("val", "test"))
    assert (band, notes) == (other_band, other_notes)
    assert len(notes) == 1
    np.testing.assert_array_equal(train, other_train)
    assert tables(("train",))[0] != band
