"""A transformer whose tokens are short pieces of the raw signal."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from phmbench.models.blocks import Count, Share, require_window


class PatchTransformer(nn.Module):
    """Cut the window into patches, embed each, let all attend to all, and take the mean over the patches.

    Paper: Nie, Nguyen, Sinthong & Kalagnanam (2023), A time series is worth 64 words, ICLR, arXiv 2211.14730, for the
        patches; Dosovitskiy et al. (2021), An image is worth 16×16 words, ICLR, arXiv 2010.11929, for the encoder.
    Deviations: patches do not overlap; all channels of a patch make one token; the mean in place of a class token;
        sizes are for windows of some thousand samples on two CPU cores. Samples after the last whole patch are not
        looked at, less than one patch in all.
    Shapes: signal (B, C, L) to feature (B, F); `sequence` gives (B, F, L'), L' = L // patch.
    Size: 205 504 parameters for one channel and 2048 samples.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; at least two patches.
        patch: samples of a patch (ICLR 2023: 16, for series of 336 to 512 values; here a window of 2048 gives as many).
        width: features of a token, F.
        depth: layers of the encoder (ICLR 2023: 3).
        heads: heads of the attention, a divisor of width (ICLR 2023: 16 for a width of 128).
        ratio: width of the hidden layer of each token, in widths (ICLR 2021, Table 1: 4).
        dropout: share of the values that each branch drops in training (ICLR 2021, Table 3: 0.1).
        gradient_checkpointing: compute the inside of each layer again in the backward pass instead of keeping it: a
            third more time, a fraction of the memory, the same gradients.

    Raises:
        ValueError: the window is shorter than two patches, or width is not a multiple of heads.
    """

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        patch: Annotated[int, Ge(2)] = 64,
        width: Count = 64,
        depth: Count = 4,
        heads: Count = 4,
        ratio: Count = 4,
        dropout: Share = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"heads: must divide the width; got {heads} heads and a width of {width}; "
                f"expected a divisor; set model.width={heads * max(1, round(width / heads))}"
            )
        require_window("PatchTransformer", window=window, least=2 * patch, otherwise=", or take a smaller model.patch")
        self.n_features = width
        self.embed = nn.Conv1d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.randn(window // patch, width) * 0.02)
        self.layers = nn.Sequential(*(Layer(width, heads=heads, ratio=ratio, dropout=dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.gradient_checkpointing = gradient_checkpointing

    def early(self) -> list[nn.Module]:
        """The embedding of patches, which gives maps (B, F, L')."""
        return [self.embed]

    def sequence(self, signal: Tensor) -> Tensor:
        """Features of each patch, (B, F, L')."""
        tokens = self.embed(signal).transpose(1, 2) + self.position  # (B, L', F)
        for layer in self.layers:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                tokens = checkpoint(layer, tokens, use_reentrant=False)
            else:
                tokens = layer(tokens)  # (B, L', F)
        features: Tensor = self.norm(tokens)
        return features.transpose(1, 2)

    def forward(self, signal: Tensor) -> Tensor:
        return self.sequence(signal).mean(-1)  # (B, F)


class Layer(nn.Module):
    """Attention between tokens, then a small network on each, both beside a path that carries the token past."""

    def __init__(self, width: int, *, heads: int, ratio: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads=heads), nn.Dropout(dropout))
        self.tokenwise = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, ratio * width),
            nn.GELU(),
            nn.Linear(ratio * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(tokens)  # (B, L', F)
        mixed: Tensor = tokens + self.tokenwise(tokens)
        return mixed


class Attention(nn.Module):
    """Scaled dot-product attention of all tokens with all, in several heads (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        shape = (3, self.heads, -1)
        query, key, value = (
            self.project(tokens).unflatten(-1, shape).permute(2, 0, 3, 1, 4)
        )  # (B, heads, L', F / heads)
        attended = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)  # (B, L', F)
        mixed: Tensor = self.mix(attended)
        return mixed
