"""PatchTransformer: size, patches, positions, and attention against PyTorch's own."""

import pytest
import torch
from torch import nn

from phmbench.models.patch_transformer import Attention, PatchTransformer


def test_size():
    """Width 64, patches of 64. Embedding 64 · 64 + 64 = 4160, positions 32 · 64 = 2048, last normalisation 128. A
    layer: attention 64 · 192 + 64 · 64 + 64 = 16 448, hidden layer 64 · 256 + 256 + 256 · 64 + 64 = 33 088, two
    normalisations 256: 49 792; four of them 199 168. In all 205 504, as the docstring says."""
    size = sum(each.numel() for each in PatchTransformer(channels=1, window=2048).parameters())
    assert size == 4160 + 2048 + 128 + 4 * 49_792 == 205_504
    assert "205 504" in PatchTransformer.__doc__


def test_each_patch_is_a_token_and_the_rest_is_left_out():
    """200 samples in patches of 64: three tokens; the last 8 samples change nothing."""
    model = PatchTransformer(channels=2, window=200, width=16).eval()
    signal = torch.randn(3, 2, 200)
    assert model.sequence(signal).shape == (3, 16, 3)
    changed = signal.clone()
    changed[..., 192:] = 0
    assert torch.equal(model(signal), model(changed))


def test_order_of_the_patches_matters():
    """Without positions the mean over patches would be the same for any order."""
    torch.manual_seed(0)
    model = PatchTransformer(channels=1, window=256, width=16).eval()
    nn.init.normal_(model.position)
    signal = torch.randn(1, 1, 256)
    assert not torch.allclose(model(signal), model(signal.roll(64, -1)), atol=1e-3)


def test_attention_is_that_of_pytorch():
    torch.manual_seed(0)
    ours, theirs = Attention(8, heads=2), nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.project.weight,
            "in_proj_bias": torch.zeros(24),
            "out_proj.weight": ours.mix.weight,
            "out_proj.bias": ours.mix.bias,
        }
    )
    tokens = torch.randn(3, 5, 8)
    assert torch.allclose(ours(tokens), theirs(tokens, tokens, tokens)[0], atol=1e-6)


def test_a_window_that_is_too_short_says_what_to_do():
    message = (
        "window: too short for PatchTransformer; got 127 samples; expected 128 or more; "
        "set data.window to at least 128, or take a smaller model.patch"
    )
    with pytest.raises(ValueError, match=message):
        PatchTransformer(channels=1, window=127)


def test_heads_that_do_not_divide_the_width_say_what_to_do():
    with pytest.raises(ValueError, match=r"heads: .* got 3 heads and a width of 64; .* set model.width=63"):
        PatchTransformer(channels=1, window=2048, heads=3)


def test_gradient_checkpointing_keeps_less_and_gives_the_same():
    """With dropout: what is computed again drops the same. Bytes kept for the backward pass are counted as they are
    saved."""

    def step(gradient_checkpointing):
        torch.manual_seed(0)
        model = PatchTransformer(channels=1, window=1024, gradient_checkpointing=gradient_checkpointing)
        signal, kept = torch.randn(8, 1, 1024), {}

        def keep(tensor):
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model(signal).square().mean()
        loss.backward()
        return loss, [p.grad for p in model.parameters()], sum(kept.values())

    loss, gradients, kept = step(gradient_checkpointing=False)
    again, same, fewer = step(gradient_checkpointing=True)
    assert torch.equal(loss, again)
    assert all(torch.equal(one, other) for one, other in zip(gradients, same, strict=True))
    assert fewer < kept / 4
