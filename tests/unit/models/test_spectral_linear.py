"""SpectralLinear: the spectrum of a tone, and what drops out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phmbench.models.spectral_linear import SpectralLinear


def test_a_tone_stands_at_its_line():
    """Ten periods in 256 samples: line 10, which is feature 9, as the line at zero is left out."""
    time = torch.arange(256) / 256
    feature = SpectralLinear(channels=1, window=256)((2 * torch.pi * 10 * time).sin()[None, None])
    assert feature.shape == (1, 128)
    assert feature.argmax() == 9


def test_features_of_a_window_have_mean_zero_and_size_one():
    feature = SpectralLinear(channels=2, window=512)(torch.randn(3, 2, 512)).view(3, 2, 256)
    assert torch.allclose(feature.mean(-1), torch.zeros(3, 2), atol=1e-5)
    assert torch.allclose(feature.std(-1, correction=0), torch.ones(3, 2), atol=1e-4)


@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-2, 2), window=st.integers(16, 300))
def test_gain_and_offset_drop_out(gain, offset, window):
    """The offset is a share of the gain: next to one that is a thousand times larger, float32 keeps three digits."""
    model = SpectralLinear(channels=1, window=window)
    signal = torch.randn(2, 1, window, generator=torch.Generator().manual_seed(window))
    assert torch.allclose(model(gain * (signal + offset)), model(signal), atol=1e-2)


def test_silence_and_half_precision_give_numbers():
    model = SpectralLinear(channels=1, window=64)
    assert torch.allclose(model(torch.zeros(1, 1, 64)), torch.zeros(1, 32), atol=0.01)  # no line above another
    for kind in (torch.float16, torch.bfloat16):
        feature = model(torch.randn(2, 1, 64).to(kind))
        assert feature.dtype == kind
        assert bool(feature.isfinite().all())


def test_nothing_is_learned():
    model = SpectralLinear(channels=3, window=100)
    assert list(model.state_dict()) == []
    assert model.n_features == 150


def test_a_window_that_is_too_short_says_what_to_do():
    with pytest.raises(
        ValueError, match=r"window: too short for SpectralLinear; got 15 samples; expected 16 or more; set"
    ):
        SpectralLinear(channels=1, window=15)
