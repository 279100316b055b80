"""A callback by which a rank dies, for tests/runs/test_ranks.py."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from phmbench.training import finite


class Dies(Callback):
    """The second process of a run ends at a given moment.

    Args:
        where: name of the hook, such as on_train_batch_start.
        how: "raise", "late" (the same, and its process stays for some seconds without its connections), "exit"
            (at once, with code 3), "kill" (SIGKILL), "sleep" (for an hour, all ranks) or "spoil" (its gradients are
            NaN, of which the step run again shows nothing).
        epoch: the first in which it happens, from 0.
        once: a file that is there once it has happened; None: it happens each time.
    """

    def __init__(self, *, where: str, how: str, epoch: int = 0, once: str | None = None) -> None:
        self.how, self.epoch, self.once = how, epoch, None if once is None else Path(once)
        setattr(self, where, self._die)

    def _die(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        if self.how == "sleep":
            time.sleep(3600)
        if trainer.global_rank != 1 or trainer.current_epoch < self.epoch:
            return
        if self.once is not None:
            if self.once.exists():
                return
            self.once.touch()
        if self.how == "late":
            ending = sys.exit
            sys.exit = lambda code: (_linger(), ending(code))
        if self.how in ("raise", "late"):
            raise ZeroDivisionError("what a user's own class could raise")
        if self.how == "exit":
            os._exit(3)
        if self.how == "spoil":
            finite.OTHERS = 1.0  # seconds; two ranks on one machine need no more
            for parameter in pl_module.parameters():
                parameter.grad = torch.full_like(parameter, math.nan)
            return
        os.kill(os.getpid(), signal.SIGKILL)


def _linger() -> None:
    """What a slow end looks like to the others: the connections are closed, and the process is still there."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            connection = socket.socket(fileno=os.dup(number))
            connection.getpeername()  # one that listens has none, and gloo would abort the process if it closed
            connection.shutdown(socket.SHUT_RDWR)
    time.sleep(3)
