"""A residual network on the raw signal."""

from collections.abc import Sequence

from torch import Tensor, nn

from phmbench.models.blocks import Count, he_normal, require_window


class ResNet1d(nn.Module):
    """Stages of residual blocks; each stage halves the length and doubles the width. Ends with the mean over time.

    Paper: He, Zhang, Ren & Sun (2016), Deep residual learning for image recognition, CVPR, arXiv 1512.03385, Table 1
        (18 layers: two blocks a stage).
    Deviations: one dimension; a quarter of the width and twice the stride of the first layer, for two CPU cores; the
        last normalisation of each block starts at zero, so that a block starts as the identity (Goyal et al. 2017,
        arXiv 1706.02677, section 5.1).
    Shapes: signal (B, C, L) to feature (B, F); `sequence` gives (B, F, L'), L' about L / (stride · 2^stages).
    Size: 242 256 parameters for one channel and 2048 samples; the window does not matter.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; at least one step of the last stage, stride · 2^stages: 64 as it stands.
        width: channels of the first stage (paper: 64); F is width · 2^(stages − 1).
        blocks: residual blocks of each stage (paper, Table 1, 18 layers: 2, 2, 2, 2).
        kernel: samples under a filter of the blocks, odd (paper: 3).
        stride: step of the first layer, samples (paper: 2); its filters are 4 · stride − 1 long (paper: 7).

    Raises:
        ValueError: the window is too short, the kernel is even, or a stage has no block.
    """

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        width: Count = 16,
        blocks: Sequence[int] = (2, 2, 2, 2),
        kernel: Count = 3,
        stride: Count = 4,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel: must be odd, so that both sides count alike; got {kernel}; try {kernel + 1}")
        if not blocks or min(blocks) < 1:
            raise ValueError(
                f"blocks: each stage needs a block; got {list(blocks)}; expected counts of 1 or more; try [2, 2, 2, 2]"
            )
        require_window(
            "ResNet1d", window=window, least=stride * 2 ** len(blocks), otherwise=", or give model.blocks fewer stages"
        )
        self.stem = nn.Sequential(
            nn.Conv1d(channels, width, 4 * stride - 1, stride=stride, padding=2 * stride - 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        stages: list[nn.Module] = []
        inputs = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                step = 2 if stage > 0 and block == 0 else 1
                stages.append(Block(inputs, width * 2**stage, kernel=kernel, stride=step))
                inputs = width * 2**stage
        self.stages, self.blocks = nn.Sequential(*stages), tuple(blocks)
        self.n_features = inputs
        self.apply(he_normal)

    def early(self) -> list[nn.Module]:
        """The last blocks of the first two stages, which give maps (B, C', L')."""
        return [self.stages[sum(self.blocks[: stage + 1]) - 1] for stage in range(min(2, len(self.blocks)))]

    def sequence(self, signal: Tensor) -> Tensor:
        """Features along time, (B, F, L')."""
        features: Tensor = self.stages(self.stem(signal))
        return features

    def forward(self, signal: Tensor) -> Tensor:
        return self.sequence(signal).mean(-1)  # (B, F)


class Block(nn.Module):
    """Two convolutions around which the input is carried past, (B, inputs, L) to (B, outputs, L / stride)."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        last = nn.BatchNorm1d(outputs)
        nn.init.zeros_(last.weight)  # the block starts as the identity
        self.body = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2, bias=False),
            last,
        )
        self.past: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:  # "option B" of the paper, section 4.1
            convolution = nn.Conv1d(inputs, outputs, 1, stride=stride, bias=False)
            self.past = nn.Sequential(convolution, nn.BatchNorm1d(outputs))

    def forward(self, signal: Tensor) -> Tensor:
        changed: Tensor = self.past(signal) + self.body(signal)
        return changed.relu()
