"""Checkpoints: read as weights only, begun from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError

if TYPE_CHECKING:
    from phmbench.tasks.base import Task

log = logging.getLogger("phmbench")


def start_from(task: Task, path: Path, classes: Sequence[str]) -> None:
    """Load the weights of a checkpoint that fit by name and shape, and say how many did.

    The head is left as it is where the checkpoint tells other classes than these, or does not say which: the same shape
    would not mean the same.

    Raises:
        ConfigError: not a checkpoint, or not one tensor fits.
    """
    checkpoint = read_checkpoint(path)
    weights = {k: v for k, v in checkpoint["state_dict"].items() if k.startswith("network.")}
    own, head = task.state_dict(), f"network.parts.{len(task.network.parts) - 1}."  # type: ignore[arg-type]
    same = tuple((checkpoint.get("VibrationData") or {}).get("classes", ())) == tuple(classes)
    fit = {
        k: v for k, v in weights.items() if k in own and own[k].shape == v.shape and (same or not k.startswith(head))
    }
    if not fit:
        raise ConfigError(f"init: no tensor of {path} fits this network; expected a checkpoint of the same model")
    task.load_state_dict(fit, strict=False)
    skipped = sorted(set(weights) - set(fit))
    log.info("init: %d tensors loaded from %s, %d skipped%s", len(fit), path, len(skipped),
             f" ({', '.join(skipped[:4])})" if skipped else "")  # fmt: skip


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint, weights only: nothing in it is executed.

    Raises:
        ConfigError: no such file, not a checkpoint, or one that holds more than plain values and tensors.
    """
    import torch

    if not path.is_file():
        raise ConfigError(f"init: no file {path}; expected a checkpoint, such as outputs/…/checkpoints/best.ckpt")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what bytes at random make of zip, pickle and torch is not to be listed
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ConfigError(
            f"init: {path} cannot be loaded as weights only; {reason}; take best.ckpt of a run"
        ) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("state_dict"), dict):
        raise ConfigError(f"init: {path} is not a checkpoint; expected one with state_dict, such as best.ckpt of a run")
    return loaded
