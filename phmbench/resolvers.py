"""What conf/ may ask for besides what OmegaConf knows: `${phmbench.name:…}`."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def metric_mode(monitor: str) -> str:
    """Whether a metric is to be maximised: errors and losses are not."""
    last = monitor.rsplit("/", 1)[-1]
    return "min" if last in {"loss", "mae", "rmse", "mse", "risk"} or last.endswith(("_loss", "_error")) else "max"


def user_cache() -> str:
    """The user's cache folder, as the platform names it."""
    if sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(root / "phmbench")


def run_name(choices: Mapping[str, str]) -> str:
    """`classification-wdcnn-cwru`, the end of a run directory's name; of an evaluation `classification-evaluate-cwru`,
    since its model is the checkpoint's."""
    what = "pipeline" if choices.get("pipeline") == "evaluate" else "model"
    what = "estimator" if choices.get("estimator") else what
    return "-".join(str(choices[group]) for group in ("task", what, "data"))


def digest(words: Sequence[str]) -> str:
    """Of the words of a command, in whatever order they were typed."""
    return hashlib.sha256("\0".join(sorted(map(str, words))).encode()).hexdigest()[:8]


def register() -> None:
    """What conf/ may ask for besides what OmegaConf knows."""
    from omegaconf import OmegaConf

    own: dict[str, Callable[..., Any]] = {
        "mode": metric_mode,
        "user_cache": user_cache,
        "name": run_name,
        "digest": digest,
    }
    for name, function in own.items():
        OmegaConf.register_resolver(f"phmbench.{name}", function, replace=True)
