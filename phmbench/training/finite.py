"""The end of a fit whose loss or gradients are not finite, with all that is needed to see it again."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from phmbench import types
from phmbench.errors import ConfigError, PhmbenchError, RecordError
from phmbench.training.checkpoints import read_checkpoint
from phmbench.training.trace import Trace, trace

FOLDER, FILE, TOLD = "failure", "failure.ckpt", "failure.json"
OTHERS = 30.0  # seconds in which the rank that saw it has saved, and its launcher has ended the others
SPREAD = "in a module that is not known, the parameters being spread over ranks"
AT_REST = 1.0  # a scaler of half precision starts at 65536 and halves; below 1 it is not the scale that overflows


class Finite(Callback):
    """Ends the fit at a step whose loss or gradients are NaN or infinite, before the weights are changed.

    Looked at is each step, on each device. On a GPU that is one synchronisation a step (a scaler of fp16 has one
    anyway): the price of knowing the batch, and of having the weights that it met. In fp16 a scaler skips steps with
    infinite gradients and lowers its scale, which is no error until the scale is below one.

    Into the folder go failure.json (epoch, step, the batch's windows, the first module that gave the value, the last
    good checkpoint) and failure.ckpt (weights, batch and random state), from which the step can be run again.

    Args:
        folder: where a failure is saved.
    """

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            shutil.rmtree(self.folder, ignore_errors=True)  # of an earlier sitting
        self.parameters = [p for p in pl_module.parameters() if p.requires_grad]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.batch, self.random = batch, random_state(pl_module.device)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self.loss = loss.detach()

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        at_rest = scaler is None or scaler.get_scale() < AT_REST
        grads = [p.grad for p in self.parameters if p.grad is not None] if at_rest else []
        sums = torch.stack([self.loss.float().reshape(()), *(g.sum(dtype=torch.float32) for g in grads)])
        # One number to wait for; a sum is NaN or infinite where a value is, and also where it overflows.
        if not math.isfinite(float(sums.sum())) and not all(bool(v.isfinite().all()) for v in (self.loss, *grads)):
            self._stop(trainer, pl_module)

    def _stop(self, trainer: Trainer, task: Any) -> None:
        what = "loss" if not bool(self.loss.isfinite()) else "gradient"
        if type(trainer.strategy).__name__ == "FSDPStrategy":  # one rank alone can neither save nor run a step
            raise PhmbenchError(self._message(trainer, what, None, SPREAD))
        contents = self._contents(trainer, task)
        found, place = self._again(trainer, task)
        if trainer.world_size > 1 and what == "gradient" and (found is None or found.where == "nowhere"):
            time.sleep(OTHERS)  # the gradients of all ranks are added: it may have been another one's batch
            if self.folder.exists():
                raise PhmbenchError("trainer: gradients of another rank are not finite; its own message says more")
        again = self._save(trainer, contents, what, found)
        raise PhmbenchError(f"{self._message(trainer, what, found, place)}{again}")

    def _again(self, trainer: Trainer, task: Any) -> tuple[Trace | None, str]:
        """The step run again, and where its first value that is not finite was; what that raises ends no run."""
        set_random_state(self.random)
        try:
            with trainer.precision_plugin.train_step_context():
                found = trace(task, self.batch)
        except Exception as error:  # out of memory, a module that a second pass is too much for, hooks of a user's own
            said = " ".join(str(error).split())[:200]
            return None, f"in a module that is not known: run again, the step ended in {type(error).__name__} ({said})"
        return found, place_of(found)

    def _contents(self, trainer: Trainer, task: LightningModule) -> dict[str, Any]:
        return {
            "state_dict": {name: value.detach().cpu().clone() for name, value in task.state_dict().items()},
            "batch": to_plain(self.batch),
            "random": self.random,
            "facts": trainer.datamodule.facts._asdict(),  # type: ignore[attr-defined]
        }

    def _save(self, trainer: Trainer, contents: dict[str, Any], what: str, found: Trace | None) -> str:
        """By the first rank that comes; how to see it again, in words."""
        run = self.folder.parent
        try:
            self.folder.mkdir(parents=True)
            self._write(contents, self._told(trainer, what, found))
        except FileExistsError:
            pass
        except (OSError, RuntimeError) as error:  # of torch's stream, on a full disk
            shutil.rmtree(self.folder, ignore_errors=True)
            return f"; the batch is not kept: {self.folder} cannot be written ({str(error).splitlines()[0]})"
        return f"; see it with: phmbench rerun {run} --at-failure"

    def _write(self, contents: dict[str, Any], told: dict[str, Any]) -> None:
        """failure.json last, so that what it speaks of is there."""
        torch.save(contents, self.folder / FILE)
        part = self.folder / f"{TOLD}.part"
        part.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, self.folder / TOLD)

    def _told(self, trainer: Trainer, what: str, found: Trace | None) -> dict[str, Any]:
        first = found.first if found else None
        return {
            "what": what,
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step + 1,
            "rank": trainer.global_rank,
            "where": found.where if found else None,
            "module": first.name if first else None,
            "type": first.kind if first else None,
            "checkpoint": last_good(self.folder.parent / "checkpoints"),
            "windows": windows(trainer.datamodule, self.batch),  # type: ignore[attr-defined]
        }

    def _message(self, trainer: Trainer, what: str, found: Trace | None, place: str) -> str:
        at = f"epoch {trainer.current_epoch + 1}, step {trainer.global_step + 1}"
        rank = f", rank {trainer.global_rank}" if trainer.world_size > 1 else ""
        good = last_good(self.folder.parent / "checkpoints") or "none yet"
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        scale = 1.0 if scaler is None else float(scaler.get_scale())
        loss = float(self.loss) / scale * trainer.accumulate_grad_batches  # by which Lightning has divided it
        return (
            f"trainer: the {what} is not finite; got {loss:.3g} as loss at {at}{rank}, {place}; expected numbers; "
            f"{_advice(found)}; last good checkpoint: {good}"
        )


def place_of(found: Trace) -> str:
    """In words, where the first value that is not finite was."""
    first = f"{found.first.name} ({found.first.kind})" if found.first else ""
    weights = ", whose weights are not finite" if found.first and not found.first.weights_well else ""
    return {
        "batch": "first in the signal of the batch",
        "forward": f"first in the output of {first}{weights}",
        "loss": "first in the loss itself: what the network gave is finite",
        "backward": f"first in the gradient that {first} passed back",
        "nowhere": "and in no module when the batch was run again",
    }[found.where]


def _advice(found: Trace | None) -> str:
    if found is not None and found.where == "batch":
        return "look at the recordings that failure.json names, and set data.nan=drop"
    return (
        "guard logarithms, roots and divisions there, lower task.optimizer.lr, set trainer.gradient_clip_val, or take "
        "trainer.precision=32-true"
    )


def windows(data: Any, batch: Any) -> list[dict[str, Any]]:
    """Recording and first sample of each window of a batch."""
    parts = types.parts(batch)
    rows = torch.cat([part.window for part in parts]).cpu().numpy()
    names = data.table["recording"].iloc[data.windows.recording[rows]]
    starts = data.windows.start[rows]
    return [{"recording": str(name), "start": int(start)} for name, start in zip(names, starts, strict=True)]


def last_good(folder: Path) -> str | None:
    """The newest checkpoint of a run whose weights are finite."""
    for name in ("last.ckpt", "best.ckpt"):
        with suppress(ConfigError):  # not there, or damaged
            weights = read_checkpoint(folder / name)["state_dict"].values()
            if all(bool(w.isfinite().all()) for w in weights if w.is_floating_point()):
                return f"{folder.name}/{name}"
    return None


def random_state(device: torch.device) -> dict[str, Tensor]:
    """State of the generators that a step may draw from."""
    states = {"cpu": torch.get_rng_state()}
    return {**states, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def set_random_state(states: Mapping[str, Tensor]) -> None:
    """Draw again what was drawn since `random_state`; of a GPU only where there is one."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def to_plain(value: Any) -> Any:
    """A batch in what loads with weights only: named tuples of `phmbench.types` become dictionaries."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {"type": type(value).__name__, "fields": {k: to_plain(v) for k, v in value._asdict().items()}}
    return value.detach().cpu() if isinstance(value, Tensor) else value


def from_plain(value: Any) -> Any:
    """What `to_plain` was given."""
    if isinstance(value, dict) and value.keys() == {"type", "fields"}:
        kinds = {name: kind for name, kind in vars(types).items() if hasattr(kind, "_fields")}
        return kinds[value["type"]](**{k: from_plain(v) for k, v in value["fields"].items()})
    return value


def read_failure(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is told of the failure of a run, or of one of its folds and seeds, and what its step is run again from.

    Raises:
        RecordError: the run has saved none.
        ConfigError: what it has saved is damaged.
    """
    inside = (f"{depth}{FOLDER}/{TOLD}" for depth in ("", "*/", "*/*/"))
    file = next((file for pattern in inside for file in sorted(path.glob(pattern))), path / FOLDER / TOLD)
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RecordError(
            f"{path}: no failure is saved there; got no {FOLDER}/{TOLD}; expected a run that stopped since its loss or "
            f"gradients were not finite; repeat the whole run with: phmbench rerun {path}"
        ) from None
    return told, read_checkpoint(file.parent / FILE)
