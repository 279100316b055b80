"""The contract of a task: what is computed on a batch."""

from typing import Any

import torch
from torch import Tensor

from phmbench.testing.examples import batch_of
from phmbench.types import Batch

STAGES = ("val", "test")


def check_task(
    task: Any, batch: Batch | None = None, *, channels: int = 1, window: int = 2048, classes: int = 3
) -> None:
    """Check a task against the contract, as far as that goes without a trainer.

    Checked: `losses` gives a scalar loss with finite gradients to the network; the optimizer that it makes holds every
    parameter that can be learnt, each once; `observe` and `report` give finite or missing numbers by name for
    validation and test, without the stage in the name, and forget what they were shown; the state dict can be loaded.

    Args:
        task: an object made as `phmbench.build` would make it.
        batch: what it computes on; None: tones with the channels, window and classes given, in two domains.
        channels: of the network.
        window: samples of a window, of the network.
        classes: of the network's head.

    Raises:
        AssertionError: says which part of the contract does not hold, and what is expected.
    """
    name = type(task).__name__
    if batch is None:
        batch = batch_of(8 * classes, channels=channels, window=window, classes=classes, domains=2)
    _check_losses(name, task, batch)
    _check_optimizer(name, task)
    task.eval()
    with torch.no_grad():
        for stage in STAGES:
            _check_report(name, task, stage, batch)
    state = {key: value.clone() for key, value in task.state_dict().items()}
    task.load_state_dict(state)


def _check_losses(name: str, task: Any, batch: Batch) -> None:
    losses = task.train().losses(batch)
    assert isinstance(losses, dict), f"{name}: losses gave {type(losses).__name__}; expected a dict with 'loss'"
    assert "loss" in losses, f"{name}: losses gave {sorted(losses)}; expected 'loss' among them, which is minimised"
    loss = losses["loss"]
    assert isinstance(loss, Tensor), f"{name}: the loss is {type(loss).__name__}; expected a tensor"
    assert loss.ndim == 0, f"{name}: the loss has the shape {tuple(loss.shape)}; expected a scalar; take the mean"
    assert bool(loss.isfinite()), f"{name}: the loss is {float(loss.detach())}; expected a finite number"
    assert loss.requires_grad, f"{name}: the loss has no gradient; expected one; nothing may be detached"
    task.zero_grad()
    torch.autograd.backward(loss)
    learnt = [
        key for key, each in task.named_parameters() if each.grad is not None and bool(each.grad.isfinite().all())
    ]
    assert learnt, f"{name}: no parameter got a finite gradient from the loss; expected the network's to"
    task.zero_grad()


def _check_optimizer(name: str, task: Any) -> None:
    made = task.configure_optimizers()
    optimizer = made["optimizer"] if isinstance(made, dict) else made
    if not isinstance(optimizer, torch.optim.Optimizer):
        return  # several optimizers, or none: a task with a training loop of its own
    held = [id(each) for group in optimizer.param_groups for each in group["params"]]
    assert len(held) == len(set(held)), f"{name}: the optimizer holds a parameter twice; expected each once"
    left = [key for key, each in task.named_parameters() if each.requires_grad and id(each) not in set(held)]
    assert not left, f"{name}: the optimizer does not hold {', '.join(left)}; expected all that can be learnt"


def _check_report(name: str, task: Any, stage: str, batch: Batch) -> None:
    task.observe(stage, batch)
    first = task.report(stage)
    assert isinstance(first, dict), f"{name}: report gave {type(first).__name__}; expected metric → number"
    assert first, f"{name}: report({stage!r}) is empty; expected one metric at least"
    for metric, value in first.items():
        assert isinstance(value, float), f"{name}: {metric} is {type(value).__name__}; expected a float"
        assert not metric.startswith(tuple(f"{each}/" for each in STAGES)), (
            f"{name}: metric {metric} names its stage; expected the name alone: the stage is put before it"
        )
    task.observe(stage, batch)
    second = task.report(stage)
    same = all(a == second.get(key) or a != a for key, a in first.items())
    assert same, (
        f"{name}: the second report({stage!r}) of one batch differs; expected report to forget the epoch before"
    )
