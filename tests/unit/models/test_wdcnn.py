"""WDCNN against the sizes of its paper."""

import pytest
import torch

from phmbench.models.wdcnn import WDCNN


def test_lengths_are_those_of_the_paper():
    """Table 1, 2048 samples: 128 after the first convolution, halved by each pooling to 64, 32, 16, 8; the last
    convolution has no padding, 6, and its pooling leaves 3 positions of 64 channels."""
    model = WDCNN(channels=1, window=2048)
    lengths, signal = [], torch.randn(2, 1, 2048)
    for layer in model.convolutions:
        signal = layer(signal)
        if isinstance(layer, torch.nn.Conv1d | torch.nn.MaxPool1d):
            lengths.append(signal.shape[-1])
    assert lengths == [128, 64, 64, 32, 32, 16, 16, 8, 6, 3]
    assert signal.shape == (2, 64, 3)


def test_size():
    """Convolutions 64·16 + 3·16·32 + 3·32·64 + 2 · 3·64·64 = 1024 + 1536 + 6144 + 24 576 = 33 280, their normalisations
    2 · (16 + 32 + 3 · 64) = 480, the hidden layer 3 · 64 · 100 + 100 = 19 300; in all 53 060, as the docstring says."""
    size = sum(each.numel() for each in WDCNN(channels=1, window=2048).parameters())
    assert size == 33_280 + 480 + 19_300 == 53_060
    assert "53 060" in WDCNN.__doc__


def test_the_shortest_window_works():
    assert WDCNN(channels=1, window=1024).eval()(torch.randn(2, 1, 1024)).shape == (2, 100)


def test_a_window_that_is_too_short_says_what_to_do():
    message = (
        "window: too short for WDCNN; got 1023 samples; expected 1024 or more; "
        "set data.window to at least 1024, or take a smaller model.stride"
    )
    with pytest.raises(ValueError, match=message):
        WDCNN(channels=1, window=1023)


def test_a_smaller_stride_takes_a_shorter_window():
    """Stride 4: 4 · 16 · 4 = 256 samples."""
    assert WDCNN(channels=1, window=256, stride=4, kernel=16).eval()(torch.randn(2, 1, 256)).shape == (2, 100)


def test_a_kernel_shorter_than_its_stride_says_what_to_do():
    with pytest.raises(
        ValueError, match=r"kernel: .* got 8 with a stride of 16; expected 16 or more; set model.kernel=16"
    ):
        WDCNN(channels=1, window=2048, kernel=8)


@pytest.mark.parametrize(("kernel", "stride"), [(64, 16), (63, 16), (16, 16), (17, 8)])
def test_the_first_layer_divides_the_length_by_its_stride(kernel, stride):
    model = WDCNN(channels=1, window=2048, kernel=kernel, stride=stride)
    first = model.convolutions[1](model.convolutions[0](torch.randn(1, 1, 2048)))
    assert first.shape[-1] == 2048 // stride
