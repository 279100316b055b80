"""What Lightning does around every hook of every step, made cheap, by two of the things that a Trainer is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.profilers import PassThroughProfiler

HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_") or name in ("setup", "teardown"))
NOTHING = nullcontext()


class Unprofiled(PassThroughProfiler):
    """Times nothing, without a generator for each of the hundred actions of a step."""

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        """A block that is not timed."""
        return NOTHING


class Combined(Callback):
    """Several callbacks as one: Lightning calls all it has at each of the six hooks of a step, whether or not they do
    something there; of these, only those that do are called, in their order.

    Args:
        parts: callbacks without state of their own (`state_dict`), under whose name a checkpoint would keep it.
    """

    def __init__(self, parts: Sequence[Callback]) -> None:
        self.parts = tuple(parts)
        for hook in HOOKS:
            calls = [getattr(part, hook) for part in parts if getattr(type(part), hook) is not getattr(Callback, hook)]
            if calls:
                setattr(self, hook, calls[0] if len(calls) == 1 else partial(_call_each, calls))


def combined(callbacks: Sequence[Callback]) -> list[Callback]:
    """The same in fewer: those that keep state, by whose names a checkpoint knows it, and the others as one."""
    keeping = [callback for callback in callbacks if type(callback).state_dict is not Callback.state_dict]
    return [*keeping, Combined([callback for callback in callbacks if callback not in keeping])]


def _call_each(calls: Sequence[Callable[..., None]], *args: Any, **kwargs: Any) -> None:
    for call in calls:
        call(*args, **kwargs)
