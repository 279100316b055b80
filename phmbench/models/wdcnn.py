"""A convolutional network whose wide first kernel is a bank of band filters on the raw signal."""

from torch import Tensor, nn

from phmbench.models.blocks import Count, he_normal, require_window

LAYERS = (
    (32, 1),
    (64, 1),
    (64, 1),
    (64, 0),
)  # channels and padding of the convolutions after the first (paper, Table 1)


class WDCNN(nn.Module):
    """A wide first convolution against high-frequency noise, then four small ones, each followed by a pooling of two.

    Paper: Zhang, Peng, Li, Chen & Zhang (2017), A new deep learning model for fault diagnosis with good anti-noise and
        domain adaptation ability on raw vibration signals, Sensors 17(2), 425, DOI 10.3390/s17020425, Table 1.
    Deviations: the softmax is the head's; the hidden layer is as wide as its paper says, but what it sees grows with
        the window; several channels enter the first convolution together; AdaBN is not part of the model.
    Shapes: signal (B, C, L) to feature (B, F).
    Size: 53 060 parameters for one channel and 2048 samples.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L; at least 1024 with the default kernel and stride (paper: 2048).
        kernel: samples under a filter of the first layer (paper, Table 1: 64).
        stride: step of the first layer, samples (paper, Table 1: 16).
        width: filters of the first layer (paper, Table 1: 16).
        hidden: neurons of the last, fully connected layer, F (paper, Table 1: 100).

    Raises:
        ValueError: the window is too short for five poolings, or the kernel is shorter than its stride.
    """

    def __init__(
        self,
        *,
        channels: Count,
        window: Count,
        kernel: Count = 64,
        stride: Count = 16,
        width: Count = 16,
        hidden: Count = 100,
    ) -> None:
        super().__init__()
        if kernel < stride:
            raise ValueError(
                f"kernel: a filter shorter than its stride skips samples; got {kernel} with a stride of {stride}; "
                f"expected {stride} or more; set model.kernel={stride} or a smaller model.stride"
            )
        # Padded by kernel − stride in all, so that L samples become L / stride (paper: 2048 become 128); four poolings
        # divide by 16; the last convolution, without padding, takes 2, and its pooling needs 2 to be left.
        require_window("WDCNN", window=window, least=stride * 2**4 * 4, otherwise=", or take a smaller model.stride")
        pad = kernel - stride
        layers: list[nn.Module] = [nn.ConstantPad1d((pad // 2, pad - pad // 2), 0.0)]
        layers += self._layer(channels, width, kernel=kernel, stride=stride, padding=0)
        for inputs, (outputs, padding) in zip((width, 32, 64, 64), LAYERS, strict=True):
            layers += self._layer(inputs, outputs, kernel=3, stride=1, padding=padding)
        self.convolutions = nn.Sequential(*layers)
        length = (window // stride // 2**4 - 2) // 2
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(64 * length, hidden), nn.ReLU())
        self.n_features = hidden
        self.apply(he_normal)

    def forward(self, signal: Tensor) -> Tensor:
        feature: Tensor = self.hidden(self.convolutions(signal))  # (B, F)
        return feature

    def early(self) -> list[nn.Module]:
        """The first two layers, which give maps (B, C', L')."""
        return [self.convolutions[4], self.convolutions[8]]  # poolings; each layer has four modules, after the padding

    @staticmethod
    def _layer(inputs: int, outputs: int, *, kernel: int, stride: int, padding: int) -> list[nn.Module]:
        convolution = nn.Conv1d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        return [convolution, nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2)]
