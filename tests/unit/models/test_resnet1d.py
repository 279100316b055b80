"""ResNet1d: size, shapes, and blocks that start as the identity."""

import pytest
import torch

from phmbench.models.resnet1d import Block, ResNet1d


def test_size():
    """Width 16. Stem: 15 · 16 + 2 · 16 = 272. A stage of width w from v has convolutions 3vw + 9ww (the other three),
    four normalisations 8w, and a way past, vw + 2w, where v ≠ w.
    Stage 16: 4 · 3 · 256 + 128 = 3200; 32 from 16: 1536 + 9216 + 256 + 512 + 64 = 11 584;
    64 from 32: 6144 + 36 864 + 512 + 2048 + 128 = 45 696; 128 from 64: 24 576 + 147 456 + 1024 + 8192 + 256 = 181 504.
    In all 242 256, as the docstring says."""
    size = sum(each.numel() for each in ResNet1d(channels=1, window=2048).parameters())
    assert size == 272 + 3200 + 11_584 + 45_696 + 181_504 == 242_256
    assert "242 256" in ResNet1d.__doc__


def test_eighteen_layers_with_weights():
    """Stem, four stages of two blocks of two convolutions, and the head: 1 + 16 + 1; ways past do not count."""
    model = ResNet1d(channels=1, window=2048)
    counted = [name for name, each in model.named_modules() if isinstance(each, torch.nn.Conv1d) and "past" not in name]
    assert len(counted) + 1 == 18


def test_width_and_blocks_decide_the_features():
    """Three stages from 8: 8, 16, 32 features; the stem takes a quarter of the length, pooling and the last two
    stages half each: 256 / 32."""
    model = ResNet1d(channels=2, window=256, width=8, blocks=[1, 2, 1]).eval()
    assert model.n_features == 32
    assert model.sequence(torch.randn(3, 2, 256)).shape == (3, 32, 8)


def test_a_block_starts_as_the_identity_behind_a_rectifier():
    signal = torch.randn(2, 4, 16)
    assert torch.equal(Block(4, 4, kernel=3, stride=1)(signal), signal.relu())


def test_the_shortest_window_works():
    assert ResNet1d(channels=1, window=64).eval()(torch.randn(2, 1, 64)).shape == (2, 128)


def test_a_window_that_is_too_short_says_what_to_do():
    message = (
        "window: too short for ResNet1d; got 63 samples; expected 64 or more; "
        "set data.window to at least 64, or give model.blocks fewer stages"
    )
    with pytest.raises(ValueError, match=message):
        ResNet1d(channels=1, window=63)


def test_an_even_kernel_says_what_to_do():
    with pytest.raises(ValueError, match=r"kernel: must be odd, so that both sides count alike; got 4; try 5"):
        ResNet1d(channels=1, window=256, kernel=4)


@pytest.mark.parametrize("blocks", [[], [2, 0]])
def test_a_stage_without_blocks_says_what_to_do(blocks):
    with pytest.raises(ValueError, match=r"blocks: each stage needs a block; got \[.*\]; expected counts .* try"):
        ResNet1d(channels=1, window=256, blocks=blocks)


def test_the_stem_of_the_paper():
    """Stride 2 gives filters of 7 samples, and both halve the length exactly."""
    model = ResNet1d(channels=1, window=256, stride=2).eval()
    assert model.stem[0].kernel_size == (7,)
    assert model.stem[0](torch.randn(1, 1, 256)).shape[-1] == 128
    assert model.sequence(torch.randn(1, 1, 256)).shape[-1] == 256 // 32
