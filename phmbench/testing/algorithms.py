"""The contract of an algorithm: `(network, batch)` to `{"loss": …}`."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.testing.examples import batch_of, require_explicit, require_paper
from phmbench.types import Batch

CHANNELS, WINDOW = 2, 32


def check_algorithm(
    cls: Callable[..., nn.Module],
    *,
    classes: int = 3,
    domains: int = 2,
    steps: int = 100,
    paper: bool = False,
    **arguments: Any,
) -> None:
    """Check an algorithm class against the contract.

    Checked: the signature is explicit; the result has a scalar `loss`, and all its parts are finite scalars; the loss
    reaches every parameter of the network; the batch is left as it is; the state survives a state dict; training
    with it learns classes that are easily told apart, in every domain.

    Args:
        cls: the class, called with `arguments` and with those of `classes`, `domains`, `features` that it takes.
        classes: number of classes of the batch.
        domains: number of source domains of the batch.
        steps: optimizer steps within which the classes must be learnt.
        paper: the docstring must name its source.
        arguments: design values, for instance a short warm-up.

    Raises:
        AssertionError: says which part of the contract does not hold, and what is expected.
    """
    require_explicit(cls)
    if paper:
        require_paper(cls)
    facts = {"classes": classes, "domains": domains, "features": 16}
    known = {key: value for key, value in facts.items() if key in inspect.signature(cls).parameters}
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        batch = batch_of(12 * classes * domains, channels=CHANNELS, window=WINDOW, classes=classes, domains=domains)
        algorithm, network = cls(**known, **arguments), _network(classes)
        _check_losses(algorithm, network, batch)
        fresh = cls(**known, **arguments)
        fresh.load_state_dict(algorithm.state_dict())
        _check_learning(algorithm, network, batch, steps=steps)
    finally:
        torch.set_rng_state(state)


def _network(classes: int) -> Network:
    body = nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * WINDOW, 16), nn.Tanh())
    return Network(body, Linear(features=16, classes=classes))


def _check_losses(algorithm: nn.Module, network: nn.Module, batch: Batch) -> None:
    name = type(algorithm).__name__
    before = [values.clone() for values in (*batch[:4], *batch.context)]
    losses = algorithm(network, batch)
    assert isinstance(losses, dict), f"{name}: gave {type(losses).__name__}; expected a dict with 'loss'"
    assert "loss" in losses, f"{name}: gave {sorted(losses)}; expected 'loss' among them, which is minimised"
    for key, value in losses.items():
        assert isinstance(value, Tensor), f"{name}: {key} is {type(value).__name__}; expected a tensor: .item() waits"
        assert value.ndim == 0, f"{name}: {key} has the shape {tuple(value.shape)}; expected a scalar; take the mean"
        assert bool(value.isfinite()), f"{name}: {key} is {float(value.detach())}; expected a finite number"
    assert losses["loss"].requires_grad, f"{name}: the loss has no gradient; expected one; nothing may be detached"
    for old, new in zip(before, (*batch[:4], *batch.context), strict=True):
        assert torch.equal(old, new), f"{name}: changed the batch that it was given; work on a copy"
    losses["loss"].backward()
    for key, parameter in network.named_parameters():
        grad = parameter.grad
        assert grad is not None, (
            f"{name}: the loss does not reach the network's {key}; expected every parameter to learn"
        )
        assert bool(grad.isfinite().all()), f"{name}: the gradient of the network's {key} is not finite"


def _check_learning(algorithm: nn.Module, network: nn.Module, batch: Batch, *, steps: int) -> None:
    name = type(algorithm).__name__
    parameters = [*network.parameters(), *algorithm.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        algorithm(network, batch)["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        right = network(batch.signal, batch.context).argmax(1) == batch.label  # (B,)
    share = float(right.double().mean())
    assert share > 0.9, (
        f"{name}: {share:.0%} of its training windows are right after {steps} steps; expected more than 90 %; "
        "look at signs and weights of the parts of the loss, or allow more steps"
    )
