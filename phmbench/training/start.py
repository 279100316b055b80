"""A quick start: Lightning imported without the two large modules that nobody asked for.

`torch._dynamo` (the compiler) is imported by Lightning for one `isinstance` and by the first optimizer for two
decorators; `scipy.signal` by torchmetrics for one alias. Together they take half of the way to the first step. Here a
stand-in answers those few questions, and becomes the real module the moment that anything else is asked of it
(`torch.compile`, `torch._dynamo.config`, …). `scipy.signal` is kept away only while torchmetrics is imported.

Used by the commands alone, and not where several processes are chosen: importing phmbench as a library changes nothing.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

DYNAMO, SIGNAL = "torch._dynamo", "scipy.signal"


def import_lightning(*, lean: bool) -> None:
    """Import torch and Lightning, with the collector off: collections during imports find nothing and take a third.

    Args:
        lean: without `torch._dynamo` and `scipy.signal` until they are needed.
    """
    if "lightning.pytorch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401

        if lean:
            with _dynamo_later(), _signal_later():
                importlib.import_module("lightning.pytorch")
        else:
            importlib.import_module("lightning.pytorch")
    finally:
        gc.freeze()  # what was imported stays: later collections need not look at it
        if collecting:
            gc.enable()


def alone(trainer: Mapping[str, Any]) -> bool:
    """Whether a trainer's settings are those of one process on one device, as far as they tell without torch."""
    return trainer.get("strategy") in (None, "auto") and trainer.get("devices") == 1


class _IsOptimized(type):
    """`isinstance(x, OptimizedModule)` is false for all x as long as nothing was compiled."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = sys.modules.get("torch._dynamo.eval_frame")
        return real is not None and isinstance(instance, real.OptimizedModule)


class _OptimizedModule(metaclass=_IsOptimized):
    """Stands for `torch._dynamo.OptimizedModule`."""


class _Dynamo(ModuleType):
    """Stands for `torch._dynamo` until more is asked of it than it knows."""

    OptimizedModule = _OptimizedModule
    importing = True  # Lightning; a package would be asked for its submodules by `from … import`

    @staticmethod
    def graph_break(*args: Any, **kwargs: Any) -> None:
        """Nothing is traced."""

    @staticmethod
    def disable(fn: Callable[..., Any] | None = None, *args: Any, **kwargs: Any) -> Any:
        """Nothing is traced: the function as it is, or a decorator that leaves it so."""
        return fn if fn is not None else lambda function: function

    def __getattr__(self, name: str) -> Any:
        if self.importing and name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real_dynamo(self), name)


def _real_dynamo(stand_in: ModuleType) -> ModuleType:
    import torch

    if sys.modules.get(DYNAMO) is stand_in:
        del sys.modules[DYNAMO]
        if torch.__dict__.get("_dynamo") is stand_in:
            del torch._dynamo
        importlib.import_module(DYNAMO)
    return sys.modules[DYNAMO]


@contextmanager
def _dynamo_later() -> Iterator[None]:
    import torch

    if DYNAMO in sys.modules:
        yield
        return
    stand_in = _Dynamo(DYNAMO)
    sys.modules[DYNAMO] = stand_in
    torch._dynamo = stand_in
    try:
        yield
    finally:
        stand_in.importing = False


@contextmanager
def _signal_later() -> Iterator[None]:
    import scipy

    if SIGNAL in sys.modules:
        yield
        return
    stand_in = ModuleType(SIGNAL)
    stand_in.hamming = None  # type: ignore[attr-defined]  # the alias that torchmetrics wants to see
    sys.modules[SIGNAL] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(SIGNAL) is stand_in:
            del sys.modules[SIGNAL]
        if scipy.__dict__.get("signal") is stand_in:
            delattr(scipy, "signal")
