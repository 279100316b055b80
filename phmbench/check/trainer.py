"""What Lightning's Trainer takes without a word, and then does nothing with, or stops with an error of another's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from phmbench.check.findings import Finding
from phmbench.errors import ConfigError
from phmbench.signatures import signature_of

TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
AT_LEAST = {
    "accumulate_grad_batches": 1, "gradient_clip_val": 0, "check_val_every_n_epoch": 1, "min_epochs": 0, "num_nodes": 1,
    "num_sanity_val_steps": -1,
}  # fmt: skip
"""Smallest value that means something."""
POSITIVE = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "val_check_interval")
"""A whole number of batches, or a part of them: with none there is no fit, no choice, or no result."""
OURS = {
    "fast_dev_run": (False, "it keeps no checkpoint, so there is none to test; choose trainer=debug"),
    "enable_checkpointing": (True, "the checkpoint that validation chose is what is tested; remove it"),
    "barebones": (False, "it leaves nothing to record; remove it"),
}
"""Parameter → the one value a run can have, and why."""


def check_trainer(config: Mapping[str, object]) -> list[Finding]:
    """Values that the signature allows and no run can mean."""
    node = config.get("trainer")
    try:
        if not isinstance(node, Mapping) or signature_of(str(node["_target_"])).definition.dotted != TRAINER:
            return []  # a Trainer of the user's own knows what it means
    except (ConfigError, KeyError):
        return []  # reported with the node
    found = [Finding(f"trainer.{name}", message) for name, message in _wrong(node)]
    if config.get("profile") is True and node.get("profiler") is not None:
        what = "profile=true brings a profiler of its own, and a Trainer has one; leave one of the two out"
        found.append(Finding("trainer.profiler", what))
    return found


def _wrong(node: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, least in AT_LEAST.items():
        if number(node.get(name)) < least:
            yield name, f"too small; got {node[name]}; expected at least {least}"
    for name in POSITIVE:
        if number(node.get(name)) <= 0:
            yield name, f"no batch at all; got {node[name]}; expected a number of batches, or a part up to 1.0"
    for name, (only, why) in OURS.items():
        if node.get(name, only) not in (only, None):
            yield name, f"not possible in a run; got {node[name]}; {why}"
    epochs, every = number(node.get("max_epochs")), number(node.get("check_val_every_n_epoch"))
    if epochs < 1 and epochs != -1:
        yield "max_epochs", f"no epoch at all; got {epochs}; expected at least 1, or -1 for no limit"
    elif 0 < epochs < every:
        yield "check_val_every_n_epoch", f"validation would never run; got {every}; expected at most {epochs}"
    steps = number(node.get("max_steps"))
    if steps < 1 and steps != -1:
        yield "max_steps", f"no step at all; got {steps:g}; expected at least 1, or -1 for no limit"
    strategy = str(node.get("strategy"))
    if strategy.startswith(("ddp_spawn", "ddp_fork", "ddp_notebook")):
        yield "strategy", f"starts processes of its own, as a run does; got {strategy}; choose ddp"
    devices = node.get("devices")
    if node.get("accelerator") == "cpu" and not isinstance(devices, int) and devices not in (None, "auto", "1"):
        yield "devices", f"a CPU has no numbered devices; got {devices}; expected a number of processes"
    elif number(devices) < (1 if node.get("accelerator") == "cpu" else -1) or number(devices) == 0:
        yield "devices", f"no process at all; got {devices}; expected at least 1, or on GPUs -1 for all of them"
    time = node.get("max_time")
    if isinstance(time, str) and not re.fullmatch(r"\d+:\d+:\d+:\d+", time.strip()):
        yield "max_time", f"no time; got {time}; expected days, hours, minutes and seconds, as 00:12:00:00"


def number(value: object) -> float:
    """NaN, which is neither less nor more than anything, where it is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
