"""How long a forward pass takes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import torch
from torch import nn

from phmbench.sweep import jobs
from phmbench.training import ranks

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from phmbench.data.datamodule import VibrationData
    from phmbench.tasks.base import Task
    from phmbench.types import Batch

WARM_UP, PASSES = 5, 30
NAME = "model/latency_s"


def asked_for(task: Task, data: VibrationData, trainer: Trainer) -> dict[str, float]:
    """The latency as a metric, where this run is a trial of a search that has it as an objective; else nothing."""
    folder = jobs.trial()
    if folder is None or NAME not in jobs.read(folder)["trial"]["objectives"] or ranks.rank():
        return {}
    batch = data.batch(data.assignment.val[: data.batch_size])
    return {NAME: latency_s(task.network, batch, trainer.strategy.root_device)}


def latency_s(network: nn.Module, batch: Batch, device: torch.device) -> float:
    """Median seconds of a forward pass of one batch in evaluation mode, without gradients, after a warm-up.

    Args:
        network: signal (B, C, L) and context to scores; left on the device, in the mode in which it was.
        batch: (B, C, L) windows and their context, in memory.
        device: where it is measured; a GPU is waited for.
    """
    signal, context = batch.signal.to(device), type(batch.context)(*(v.to(device) for v in batch.context))
    training, took = network.training, []
    network.to(device).eval()
    with torch.inference_mode():
        for _ in range(WARM_UP + PASSES):
            _wait(device)
            begun = time.perf_counter()
            network(signal, context)
            _wait(device)
            took.append(time.perf_counter() - begun)
    network.train(training)
    return statistics.median(took[WARM_UP:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
