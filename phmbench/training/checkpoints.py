"""Checkpoints: read as weights only, begun from."""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError

if TYPE_CHECKING:
    from phmbench.tasks.base import Task

log = logging.getLogger("phmbench")


def start_from(task: Task, path: Path, classes: Sequence[str], *, warn: Callable[[str], None] = log.warning) -> None:
    """Load the weights of a checkpoint that fit by name and shape, and say how many did; warn where a model's did not.

    The head is left as it is where the checkpoint tells other classes than these, or does not say which: the same shape
    would not mean the same.

    Raises:
        ConfigError: not a checkpoint, or less than half of the model's tensors fit: it is of another model.
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
    model = [name for name in own if name.startswith("network.") and not name.startswith(head)]
    begun = sum(name in fit for name in model)
    if 2 * begun < len(model):
        raise ConfigError(
            f"init: a checkpoint of another model; got {path}, of which {begun} of {len(model)} tensors fit; expected "
            "at least half of the model's; choose the model that it was trained with"
        )
    if begun < len(model):
        warn(
            f"init: {len(model) - begun} of {len(model)} tensors of the model do not come from {path}, which has "
            "others in their places; they begin at random; choose the values of model.… that it was trained with"
        )
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
    damage = _damage(path)
    if damage:
        raise ConfigError(f"init: {path} {damage}; take a whole copy, or best.ckpt of another run")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file that is no archive; what is wrong with it is said below
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what bytes at random make of pickle and torch is not to be listed
        reason = "it is damaged, or none that torch has written"
        if isinstance(error, pickle.UnpicklingError):  # torch advises to load it all the same, and so to run it
            reason = "it holds more than tensors and plain values, which could run code, or is damaged"
        raise ConfigError(
            f"init: {path} cannot be loaded as weights only; {reason}; take best.ckpt of a run"
        ) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("state_dict"), dict):
        raise ConfigError(f"init: {path} is not a checkpoint; expected one with state_dict, such as best.ckpt of a run")
    return loaded


def _damage(path: Path) -> str:
    """What is wrong with the archive of a checkpoint: torch compares no checksums, and says EINVAL of half a one."""
    size = path.stat().st_size
    if not size:
        return "is empty"
    with path.open("rb") as file:
        archive = file.read(2) == b"PK"
    if not archive:
        return ""  # an older format of torch's, or none: torch will say
    try:
        with zipfile.ZipFile(path) as parts:
            bad = parts.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, zlib.error):
        return f"is cut off or damaged: {size} bytes, and no end of an archive"
    return f"is damaged in its part {bad}" if bad else ""
