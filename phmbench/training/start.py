"""A quick start: Lightning imported without the four large modules that nobody asked for.

`torch._dynamo` (the compiler) is imported by Lightning for one `isinstance` and by the first optimizer for two
decorators; `torch._inductor` (its back end) by `use_deterministic_algorithms` for one flag; `scipy.signal` by
torchmetrics for one alias, and matplotlib for two annotations. Together they take half of the way to the first step.
Here a stand-in answers those few questions, and becomes the real module the moment that anything else is asked of it
(`torch.compile`, `torch._dynamo.config`, …). `scipy.signal` and matplotlib are kept away only while torchmetrics is
imported; the flag reaches `torch._inductor` through the environment variable that it reads when it is imported.

Used by the commands alone, and not where several processes are chosen: importing phmbench as a library changes nothing.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

DYNAMO, INDUCTOR, SIGNAL, PLOT = "torch._dynamo", "torch._inductor", "scipy.signal", "torchmetrics.utilities.plot"


def import_lightning(*, lean: bool) -> None:
    """Import torch and Lightning, with the collector off: collections during imports find nothing and take a third.

    Args:
        lean: without `torch._dynamo`, `torch._inductor`, `scipy.signal` and matplotlib until they are needed.
    """
    if "lightning.pytorch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401

        if lean:
            _inductor_later()
            with _dynamo_later(), _absent(_signal()), _absent(_Plots(PLOT)):
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
        if name == "__file__" or (self.importing and name.startswith("__")):
            raise AttributeError(name)  # `inspect` asks every module for its file, in the middle of others' imports
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


def _inductor_later() -> None:
    """Let `use_deterministic_algorithms` tell the compiler's back end, where it is not imported yet, by environment."""
    import torch

    whole = torch.use_deterministic_algorithms

    @functools.wraps(whole)
    def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
        if INDUCTOR in sys.modules:
            whole(mode, warn_only=warn_only)
        else:
            os.environ["TORCHINDUCTOR_DETERMINISTIC"] = str(int(mode))
            torch._C._set_deterministic_algorithms(mode, warn_only=warn_only)

    torch.use_deterministic_algorithms = use_deterministic_algorithms


class _Plots(ModuleType):
    """Stands for `torchmetrics.utilities.plot`: its functions hand over to the real one when they are called."""

    _AX_TYPE = _PLOT_OUT_TYPE = _CMAP_TYPE = object  # for annotations, as where matplotlib is not installed

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: getattr(importlib.import_module(PLOT), name)(*args, **kwargs)


def _signal() -> ModuleType:
    stand_in = ModuleType(SIGNAL)
    stand_in.hamming = None  # type: ignore[attr-defined]  # the alias that torchmetrics wants to see
    return stand_in


@contextmanager
def _absent(stand_in: ModuleType) -> Iterator[None]:
    """Put a stand-in before a module that is not imported yet; afterwards all is as if neither had been asked for."""
    name = stand_in.__name__
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        package, _, last = name.rpartition(".")
        if vars(sys.modules.get(package, stand_in)).get(last) is stand_in:
            delattr(sys.modules[package], last)
