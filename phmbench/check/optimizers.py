"""Ranges of what torch's optimizers and schedules take: they look themselves, but once torch has been imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phmbench.check.findings import Finding
from phmbench.check.trainer import number
from phmbench.errors import ConfigError
from phmbench.signatures import signature_of

AT_LEAST_0 = (
    "lr", "weight_decay", "momentum", "eps", "lr_decay", "initial_accumulator_value", "momentum_decay", "max_lr",
    "eta_min",
)  # fmt: skip
SHARES = ("alpha", "rho", "pct_start")
"""0 to 1."""


def check_optimizers(config: Mapping[str, object]) -> list[Finding]:
    """Rates below zero, betas of 1 and more; lengths of schedules are looked at with the run's (`contradictions`)."""
    task, found = config.get("task"), list[Finding]()
    for part in ("optimizer", "scheduler"):
        node = task.get(part) if isinstance(task, Mapping) else None
        try:
            ours = isinstance(node, Mapping) and signature_of(str(node["_target_"])).definition.dotted
        except (ConfigError, KeyError):
            continue  # reported with the node
        if isinstance(node, Mapping) and str(ours).startswith("torch.optim."):
            found += [Finding(f"task.{part}.{name}", what) for name, what in _wrong(node)]
    return found


def _wrong(node: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in AT_LEAST_0:
        if number(node.get(name)) < 0:
            yield name, f"too small; got {node[name]}; expected at least 0"
    for name in SHARES:
        if number(node.get(name)) < 0 or number(node.get(name)) > 1:
            yield name, f"no share; got {node[name]}; expected 0 to 1"
    betas = node.get("betas")
    if isinstance(betas, list | tuple) and any(number(beta) < 0 or number(beta) >= 1 for beta in betas):
        yield "betas", f"one is out of range; got {list(betas)}; expected numbers from 0 to less than 1"
