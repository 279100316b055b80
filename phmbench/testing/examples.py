"""Small batches to check with."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from phmbench.types import Batch, Context


def tones(windows: int, *, channels: int, window: int, classes: int) -> tuple[Tensor, Tensor]:
    """Noisy tones whose frequency is the class: signal (B, C, L) of size about one, label (B,).

    Phases are random, so that a class is not one shape; frequencies are spread from 1/32 to 1/4 of the sampling rate.
    """
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(windows) % classes
    rate = 1 / 32 * 8 ** (label / max(1, classes - 1))  # cycles per sample
    phase = torch.rand(windows, channels, 1, generator=generator)
    angle = 2 * torch.pi * (rate[:, None, None] * torch.arange(window) + phase)
    return angle.sin() + 0.3 * torch.randn(windows, channels, window, generator=generator), label


def context_of(windows: int) -> Context:
    """Everything known: a shaft at 30 revolutions per second, sampled at 12 kHz, on rig 0."""
    return Context(
        rate_hz=torch.full((windows,), 12_000.0),
        speed_hz=torch.full((windows,), 30.0),
        orders=torch.tensor([[3.58, 5.42, 2.36, 0.4]]).repeat(windows, 1),
        rig=torch.zeros(windows, dtype=torch.int64),
    )


def batch_of(windows: int, *, channels: int, window: int, classes: int, domains: int) -> Batch:
    """A batch of tones in which every domain has every class."""
    signal, label = tones(windows, channels=channels, window=window, classes=classes)
    domain = torch.arange(windows) // classes % domains
    return Batch(signal, label, domain, torch.arange(windows), context_of(windows))


def require_explicit(target: Callable[..., Any]) -> None:
    """A configuration is checked against the signature: it must be there, and say everything.

    Raises:
        AssertionError: it takes `*args` or `**kwargs`, an argument by position, or has no docstring.
    """
    name = target.__name__
    own = (
        getattr(target, "__init__", None) is not nn.Module.__init__
    )  # which takes anything, and refuses it when called
    for parameter in inspect.signature(target).parameters.values() if own else ():
        assert parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL), (
            f"{name}: takes *{parameter.name}; expected every argument by its name; a misspelt one would be accepted"
        )
        assert parameter.kind is parameter.KEYWORD_ONLY, (
            f"{name}: takes {parameter.name} by position; expected keyword-only arguments; write a * before it"
        )
    assert (target.__doc__ or "").strip(), f"{name}: has no docstring; expected one sentence and the arguments"


def require_paper(target: Callable[..., Any]) -> None:
    """Raise AssertionError unless the docstring has a line `Paper: …`."""
    assert "Paper:" in (target.__doc__ or ""), (
        f"{target.__name__}: no line 'Paper: …' in the docstring; name its source"
    )
