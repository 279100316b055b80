"""Checkpoints: read as weights only, begun from, and gone on with after their folder has moved."""

from __future__ import annotations

import csv
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
    import pickle
    import zipfile

    import torch

    if not path.is_file():
        raise ConfigError(f"init: no file {path}; expected a checkpoint, such as outputs/…/checkpoints/best.ckpt")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ConfigError(
            f"init: {path} cannot be loaded as weights only; {reason}; take best.ckpt of a run"
        ) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("state_dict"), dict):
        raise ConfigError(f"init: {path} is not a checkpoint; expected one with state_dict, such as best.ckpt of a run")
    return loaded


def relocate(path: Path) -> None:
    """Let a last.ckpt whose folder has moved name the checkpoints beside it: Lightning would forget the best one."""
    import torch

    checkpoint = read_checkpoint(path)
    moved = False
    for state in checkpoint.get("callbacks", {}).values():
        old = state.get("dirpath") if isinstance(state, dict) else None
        if old is not None and Path(old) != path.parent:
            moved = True
            for key, value in state.items():
                if isinstance(value, str) and key.endswith(("_path", "dirpath")):
                    state[key] = _moved(value, old, path.parent)
            best = state.get("best_k_models", {})
            state["best_k_models"] = {_moved(name, old, path.parent): score for name, score in best.items()}
    if moved:
        beside = path.with_suffix(".moved")
        torch.save(checkpoint, beside)
        beside.replace(path)


def _moved(name: str, old: str, folder: Path) -> str:
    return str(folder / Path(name).relative_to(old)) if name and Path(name).is_relative_to(old) else name


class Curves:
    """csv/metrics.csv over several sittings: Lightning's logger begins it anew at each."""

    def __init__(self, folder: Path) -> None:
        self.file, self.earlier = folder / "metrics.csv", folder / "earlier.csv"

    def put_aside(self) -> None:
        """Before a run goes on."""
        if self.file.is_file():
            self._write(self.earlier, self._joined())
            self.file.unlink()

    def join(self) -> None:
        """After it has ended."""
        if self.earlier.is_file():
            self._write(self.file, self._joined())
            self.earlier.unlink()

    def _joined(self) -> list[dict[str, str]]:
        """Rows of both; an epoch that was begun again counts once, as it was the second time."""
        old, new = self._read(self.earlier), self._read(self.file)
        first = min((int(row["epoch"]) for row in new if row.get("epoch")), default=None)
        return [row for row in old if first is None or not row.get("epoch") or int(row["epoch"]) < first] + new

    @staticmethod
    def _read(file: Path) -> list[dict[str, str]]:
        if not file.is_file():
            return []
        with file.open(newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))

    @staticmethod
    def _write(file: Path, rows: list[dict[str, str]]) -> None:
        names = list(dict.fromkeys(name for row in rows for name in row))
        beside = file.with_suffix(".part")
        with beside.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, names, restval="")
            writer.writeheader()
            writer.writerows(rows)
        beside.replace(file)
