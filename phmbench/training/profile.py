"""Where the time of a fit goes, for `profile=true`: every moment belongs to one part, and the parts sum to the whole.

Lightning tells its profiler when each of its actions begins and ends. They nest (a training step runs inside the
optimizer's), so time is charged to the innermost one alone. On a GPU the device is synchronised where one part gives
way to another: work that was only queued would be charged to whoever waits for it later.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.profilers import Profiler
from torch.autograd.profiler import record_function

from phmbench import interrupt
from phmbench.record import profile

log = logging.getLogger("phmbench")

HOOKS = {
    "train_dataloader_next": "data",
    "val_next": "data",
    "batch_to_device": "transfer",
    "transfer_batch_to_device": "transfer",
    "training_step": "forward",
    "backward": "backward",
    "optimizer_step": "optimizer",
    "optimizer_zero_grad": "optimizer",
    "configure_gradient_clipping": "optimizer",
    "lr_scheduler_step": "optimizer",
    "validation_step": "validation",
    "save_checkpoint": "checkpoints",
    "log_metrics": "logging",
    "run_training_epoch": "rest",
}
"""What is called, the last word of an action's name → the part its time belongs to."""
OWNERS = {
    "[Callback]ModelCheckpoint": "checkpoints",
    "[Callback]LossLog": "logging",
    "[Callback]Progress": "logging",
}
"""Who is called, the first word. What is in neither table belongs to the part it happens in."""
FIRST, TRACED = 1, 3  # the trace begins at the second batch, the first being slower, and holds three


def part_of(action: str) -> str | None:
    """The part of an action of Lightning's; None: that of the action around it."""
    owner, _, hook = action.rpartition(".")
    if owner.startswith("[LightningModule]") and hook == "on_validation_epoch_end":
        return "metrics"
    if hook == "on_save_checkpoint":  # callbacks add to what is being saved
        return None
    return HOOKS.get(hook) or next((part for who, part in OWNERS.items() if owner.startswith(who)), None)


class FitProfiler(Profiler):
    """Charges the time from `begin` to `end` to parts and actions, and traces three training steps.

    Args:
        folder: of the run, where trace.json goes.
    """

    def __init__(self, *, folder: Path) -> None:
        super().__init__()
        self.folder, self.trace = folder, Trace(folder / profile.TRACE)
        self.parts = dict.fromkeys(profile.PARTS, 0.0)  # seconds
        self.actions: dict[tuple[str, str], list[float]] = {}  # action and part → seconds, calls
        self.known: dict[str, str | None] = {}
        self.stack: list[tuple[str, str, Any]] = []  # action, part, its mark in the trace
        self.base = ("before the first batch", "set_up")
        self.batches, self.is_running = 0, False
        self.synchronise: Callable[[], None] | None = None
        self.trainer: Any = None

    def attach(self, trainer: Any) -> None:
        """Let a trainer report to this profiler, and its loggers, which Lightning does not time."""
        self.trainer, trainer.profiler = trainer, self
        for logger in trainer.loggers:
            for name in ("log_metrics", "save"):
                setattr(
                    logger, name, self._timed(f"[Logger]{type(logger).__name__}.log_metrics", getattr(logger, name))
                )
        device = trainer.strategy.root_device
        if device.type != "cpu":
            self.synchronise = lambda: torch.accelerator.synchronize(device)

    def _timed(self, action: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.profile(action):
                return call(*args, **kwargs)

        return timed

    def begin(self) -> None:
        """The clock runs from here."""
        self.last, self.is_running = time.perf_counter(), True

    def end(self) -> None:
        """To here; later actions, those of the test, are not counted."""
        if self.is_running:
            self._charge(border=True)
            self._traced(self.trace.close)
            self.is_running = False

    def start(self, action_name: str) -> None:
        """An action begins."""
        if not self.is_running:
            return
        if action_name not in self.known:
            self.known[action_name] = part_of(action_name)
        part = self.known[action_name] or self._top()[1]
        self._charge(border=part != self._top()[1])
        if action_name == "run_training_epoch":
            self.base = ("between epochs", "rest")
        elif action_name == "run_training_batch":
            self._next_batch()
        self.actions.setdefault((action_name, part), [0.0, 0])[1] += 1
        self.stack.append((action_name, part, self.trace.mark(part, action_name)))

    def stop(self, action_name: str) -> None:
        """An action ends, and with it those inside it that an error has left open."""
        if not self.is_running or all(action_name != name for name, *_ in self.stack):
            return
        outer = self.stack[-2][1] if len(self.stack) > 1 else self.base[1]
        self._charge(border=outer != self._top()[1])
        while True:
            name, _, mark = self.stack.pop()
            if mark is not None:
                mark.__exit__(None, None, None)
            if name == action_name:
                return

    def _top(self) -> tuple[str, str]:
        return self.stack[-1][:2] if self.stack else self.base

    def _charge(self, *, border: bool) -> None:
        if border and self.synchronise is not None:
            self.synchronise()
        now = time.perf_counter()
        top = self._top()
        self.parts[top[1]] += now - self.last
        self.actions.setdefault(top, [0.0, 0])[0] += now - self.last
        self.last = now

    def _next_batch(self) -> None:
        if self.batches == FIRST:
            self._traced(self.trace.open)
        elif self.batches == FIRST + TRACED:
            self._traced(self.trace.close)
        self.batches += 1

    def _traced(self, call: Callable[[], None]) -> None:
        """Making the trace takes time as well, which belongs to no part of the fit."""
        call()
        now = time.perf_counter()
        self.parts["profiling"] += now - self.last
        self.last = now

    def content(self) -> dict[str, Any]:
        """What profile.json holds."""
        slowest = sorted(self.actions.items(), key=lambda item: -item[1][0])[:30]
        return profile.build(
            parts=self.parts,
            batches=self.batches,
            actions=[
                {"action": action, "part": part, "seconds": seconds, "calls": int(calls)}
                for (action, part), (seconds, calls) in slowest
            ],
            settings={} if self.trainer is None else settings(self.trainer),
            trace=self.trace.path.name if self.trace.is_written else None,
        )


class Trace:
    """A Chrome trace of a few steps, by torch's own profiler: operators on the CPU, kernels on a GPU.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.is_written = path, False
        self.profiler: torch.profiler.profile | None = None

    def open(self) -> None:
        """Begin."""
        os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # it would tell the screen of its start and stop
        self.profiler = torch.profiler.profile()
        self.profiler.start()

    def mark(self, part: str, action: str) -> Any:
        """Show an action in the trace, from now until the mark's exit; None while nothing is traced."""
        if self.profiler is None:
            return None
        return record_function(f"{part}: {action}").__enter__()  # type: ignore[no-untyped-call]

    def drop(self) -> None:
        """End, and write nothing: torch has one profiler a process, which another run may want."""
        profiler, self.profiler = self.profiler, None
        if profiler is not None:
            with contextlib.suppress(RuntimeError):  # what ended the run is what is to be told
                profiler.stop()

    def close(self) -> None:
        """End, and write the file; nothing where none was begun."""
        if self.profiler is None:
            return
        profiler, self.profiler = self.profiler, None
        profiler.stop()
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            profiler.export_chrome_trace(str(beside))
            beside.replace(self.path)
            self.is_written = True
        except (OSError, RuntimeError) as error:  # a full disk costs the trace, not the run
            log.warning("profile: %s cannot be written; got %s; the run goes on without it", self.path, error)
            with contextlib.suppress(OSError):
                beside.unlink()


def settings(trainer: Any) -> dict[str, Any]:
    """What the sentence about the bottleneck needs to know of the run."""
    data = getattr(trainer, "datamodule", None)
    return {
        "num_workers": getattr(data, "num_workers", 0),
        "batch_size": getattr(data, "batch_size", 1),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": trainer.strategy.root_device.type,
        "gpu_is_there": torch.cuda.is_available(),
        "precision": str(trainer.precision),
        "check_val_every_n_epoch": trainer.check_val_every_n_epoch or 1,
        "log_every_n_steps": trainer.log_every_n_steps,
        "loggers": [type(logger).__name__ for logger in trainer.loggers],
    }


@contextmanager
def profiled(folder: Path) -> Iterator[FitProfiler]:
    """Time what happens in the block; profile.json is written at its end, also where Ctrl-C ends it.

    Raises:
        RecordError: profile.json cannot be written.
    """
    profiler = FitProfiler(folder=folder)
    profiler.begin()
    try:
        yield profiler
    except (KeyboardInterrupt, interrupt.Stopped):
        profiler.end()
        profile.write(folder, profiler.content())
        raise
    except BaseException:
        profiler.trace.drop()
        raise
    profiler.end()
    profile.write(folder, profiler.content())
