"""One training step taken apart: what each module gave, the gradient it got, and where that was first not finite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from phmbench.training.names import named_modules
from phmbench.types import parts

if TYPE_CHECKING:
    from phmbench.tasks.base import Task


class Values(NamedTuple):
    """A tensor in three numbers."""

    low: float  # of the finite values; NaN where there is none
    high: float
    bad: float  # share of values that are NaN or infinite


@dataclass
class Visit:
    """One call of a module."""

    name: str
    kind: str  # class
    module: nn.Module = field(repr=False)
    fed_well: bool = True  # whether its input was finite
    output: Values | None = None
    gradient: Values | None = None  # of the loss with respect to the output; None where none came
    passed_well: bool = True  # whether the gradients with respect to its input, and of its parameters, are finite
    weights_well: bool = True  # whether its parameters are finite


class Trace(NamedTuple):
    """What was found; `visits` in the order in which the modules ended."""

    visits: list[Visit]
    loss: float
    where: Literal["batch", "forward", "loss", "backward", "nowhere"]
    first: Visit | None  # the module that gave the first value that is not finite, where it was one


def trace(task: Task, batch: Any) -> Trace:
    """Take one step, without its end, and look at all that flows through the modules; parameters get no gradient.

    The first module is the innermost whose input was finite and whose output was not, or, where all outputs are, whose
    output got a finite gradient and whose input or parameters did not.

    Args:
        task: in training mode, on the batch's device.
        batch: what `task.losses` takes.
    """
    layers = named_modules(task)
    visits: list[Visit] = []
    hooks = []
    for name, layer in layers.items():
        open_visits: list[Visit] = []
        hooks.append(layer.register_forward_pre_hook(_enter(name, open_visits)))
        hooks.append(layer.register_forward_hook(_leave(open_visits, visits)))
    try:
        loss = task.losses(batch)["loss"]
        named = {key: p for key, p in task.named_parameters() if p.requires_grad}
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True) if loss.requires_grad else ()
    finally:
        for hook in hooks:
            hook.remove()
    of = {id(p): g for p, g in zip(named.values(), found, strict=False) if g is not None}
    for visit in visits:
        visit.passed_well &= all(_finite(of[id(p)]) for p in visit.module.parameters() if id(p) in of)
    return Trace(visits, float(loss.detach()), *_first(batch, visits, loss, of))


def _first(batch: Any, visits: list[Visit], loss: Tensor, of: dict[int, Tensor]) -> tuple[Any, Visit | None]:
    signals = [getattr(part, "signal", None) for part in parts(batch)]
    if any(isinstance(signal, Tensor) and not _finite(signal) for signal in signals):
        return "batch", None
    forward = _innermost([v for v in visits if v.fed_well and v.output is not None and v.output.bad > 0])
    if forward:
        return "forward", forward[0]
    if not _finite(loss.detach()):
        return "loss", None
    if all(_finite(g) for g in of.values()):
        return "nowhere", None
    backward = _innermost([v for v in visits if v.gradient is not None and not v.gradient.bad and not v.passed_well])
    return ("backward", backward[-1]) if backward else ("loss", None)


def _innermost(visits: list[Visit]) -> list[Visit]:
    """Those that have none of the others inside them."""
    return [v for v in visits if not any(other.name.startswith(f"{v.name}.") for other in visits)]


def _enter(name: str, open_visits: list[Visit]) -> Any:
    def enter(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        weights_well = all(_finite(p.detach()) for p in module.parameters(recurse=False))
        visit = Visit(name, type(module).__name__, module, weights_well=weights_well)
        open_visits.append(visit)
        visit.fed_well = all(_finite(t.detach()) for t in _tensors(given))

        def back(gradient: Tensor) -> None:
            visit.passed_well &= _finite(gradient)

        def own(value: Any) -> Any:
            """A tensor of this module's alone, so that what others give back to the same one is told apart."""
            if not isinstance(value, Tensor) or not value.requires_grad or getattr(module, "inplace", False):
                return value
            value = value.view_as(value)
            value.register_hook(back)
            return value

        return tuple(own(value) for value in given)

    return enter


def _leave(open_visits: list[Visit], visits: list[Visit]) -> Any:
    def leave(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        visit = open_visits.pop()
        visits.append(visit)
        tensors = list(_tensors(output))
        if tensors:
            visit.output = _values(tensors[0].detach()) if len(tensors) == 1 else _values(_joined(tensors))

        def back(gradient: Tensor) -> None:
            visit.gradient = _values(gradient)

        if len(tensors) == 1 and tensors[0].requires_grad:
            tensors[0].register_hook(back)  # type: ignore[no-untyped-call]

    return leave


def _tensors(value: Any) -> Iterator[Tensor]:
    """Floating tensors in what a module takes or gives; not those of a batch, whose context may be NaN: not known."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list) or type(value) is tuple:
        for inner in value:
            yield from _tensors(inner)


def _joined(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.detach().float().flatten() for t in tensors])


def _finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())


def _values(values: Tensor) -> Values:
    finite = values[values.isfinite()].float()
    if not finite.numel():
        return Values(float("nan"), float("nan"), 1.0 if values.numel() else 0.0)
    return Values(float(finite.min()), float(finite.max()), 1 - finite.numel() / values.numel())
