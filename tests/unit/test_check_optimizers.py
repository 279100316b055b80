"""Ranges of optimizers and schedules are told before torch is imported, and are torch's own."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from phmbench.check import check
from phmbench.check.optimizers import AT_LEAST_0, SHARES, _wrong
from tests.contract.composing import composed


def found(*words: str, **changes: Any) -> list[str]:
    config = composed(*words)
    for key, value in changes.items():
        part, name = key.split("__")
        config = {**config, "task": {**config["task"], part: {**config["task"][part], name: value}}}
    return [str(finding) for finding in check(config) if finding.severity == "error"]


@pytest.mark.parametrize(
    ("words", "key", "value", "said"),
    [
        ((), "optimizer__lr", -1.0, "task.optimizer.lr: too small; got -1.0; expected at least 0"),
        ((), "optimizer__weight_decay", -0.1, "task.optimizer.weight_decay: too small; got -0.1"),
        ((), "optimizer__betas", [0.9, 1.5], "task.optimizer.betas: one is out of range; got [0.9, 1.5]; expected"),
        (("task/optimizer=sgd",), "optimizer__momentum", -1, "task.optimizer.momentum: too small; got -1"),
        (("task/scheduler=one_cycle",), "scheduler__pct_start", 1.5, "task.scheduler.pct_start: no share; got 1.5"),
    ],
)
def test_values_out_of_range(words: tuple[str, ...], key: str, value: Any, said: str):
    (one,) = found(*words, **{key: value})
    assert said in one


def classes() -> Iterator[tuple[Any, str]]:
    """torch's optimizers, each with the parameters that have a range here."""
    for cls in vars(torch.optim).values():
        if inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer:
            for name in inspect.signature(cls).parameters:
                if name in (*AT_LEAST_0, *SHARES, "betas"):
                    yield pytest.param(cls, name, id=f"{cls.__name__}-{name}")


@pytest.mark.parametrize(("cls", "name"), classes())
def test_what_is_refused_here_torch_refuses_or_does_not_look_at(cls: Any, name: str):
    """And what torch's own defaults are is not refused."""
    default = inspect.signature(cls).parameters[name].default
    assert not list(_wrong({name: default}))
    for value in (0.0, 0.5, 1e-8, 0.999):
        good = (value, value) if name == "betas" else value
        assert not list(_wrong({name: good}))
    bad = (0.9, -0.1) if name == "betas" else -0.1
    ((said, _),) = _wrong({name: bad})
    assert said == name
    if (cls.__name__, name) not in LENIENT:
        with pytest.raises(ValueError, match=r"[Ii]nvalid|should|must"):
            cls([torch.nn.Parameter(torch.zeros(2, 2))], **{name: bad})


LENIENT = {("Adafactor", "eps"), ("Muon", "eps"), ("ASGD", "alpha")}
"""Of Adafactor it is two numbers; the others torch does not look at."""
