"""What two or more models share."""

from typing import Annotated

from annotated_types import Ge, Lt
from torch import nn

Count = Annotated[int, Ge(1)]
Share = Annotated[float, Ge(0), Lt(1)]


def require_window(model: str, *, window: int, least: int, otherwise: str) -> None:
    """Refuse a window that is too short for a model.

    Args:
        model: name of the model.
        window: samples of a window.
        least: samples of the shortest window that makes sense.
        otherwise: what could be changed instead.

    Raises:
        ValueError: the window is shorter.
    """
    if window < least:
        raise ValueError(
            f"window: too short for {model}; got {window} samples; expected {least} or more; "
            f"set data.window to at least {least}{otherwise}"
        )


def he_normal(module: nn.Module) -> None:
    """Start a convolution or linear layer so that rectifiers after it keep the signal's size; for `Module.apply`.

    Paper: He, Zhang, Ren & Sun (2015), Delving deep into rectifiers, ICCV, arXiv 1502.01852, eq. 10.
    """
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
