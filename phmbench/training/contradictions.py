"""Choices that contradict the data or the machine: found when both are known, and warned of."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from phmbench.check.contradictions import AT_ITS_END, LENGTHS
from phmbench.config import Config
from phmbench.data.batches import Batches
from phmbench.errors import ConfigError
from phmbench.training import memory, ranks

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData


def contradictions(config: Config, data: VibrationData, *, processes: int) -> Iterator[str]:
    """A sentence for each; the split has been made.

    Lightning and torch take all of them without a word.
    """
    windows, size = _unit(data)
    yield from _of_batches(config, windows=windows, size=size, count=processes)
    yield from _of_steps(config, data, processes=processes)
    yield from _of_workers(config, data, here=ranks.wanted(config["trainer"]))
    yield from _of_precision(config)
    yield from _of_signals(data)


def require_validation(config: Config, data: VibrationData, *, processes: int) -> None:
    """A limit on steps leaves room for one validation: without any, there is no checkpoint to test.

    Raises:
        ConfigError: it does not.
    """
    trainer, accumulated = config["trainer"], int(config["trainer"].get("accumulate_grad_batches") or 1)
    most, every = int(trainer.get("max_steps") or -1), trainer.get("val_check_interval")
    epoch, each = _batches(config, data, processes), trainer.get("check_val_every_n_epoch")
    rest = every if type(every) is int else _part(epoch, every)
    whole = max(1, int(each or 1)) - 1
    if type(every) is int and "check_val_every_n_epoch" in trainer and each is None:  # counted over epochs
        whole, rest = divmod(every, epoch)
    needed = whole * math.ceil(epoch / accumulated) + math.ceil(rest / accumulated)  # an epoch's last step may be short
    if 0 < most < needed:
        raise ConfigError(
            f"trainer.max_steps: the run ends before its first validation; got {most}; expected at least {needed}, "
            f"an epoch having {math.ceil(epoch / accumulated)} steps; set trainer.max_steps={needed}, or validate more "
            "often with trainer.val_check_interval"
        )


def _batches(config: Config, data: VibrationData, processes: int) -> int:
    """Of an epoch, in each process."""
    step = int(config["trainer"].get("accumulate_grad_batches") or 1)
    windows, size = _unit(data)
    batches = Batches(windows, size, rank=0, ranks=processes, seed=config["seed"], step=step)
    return _part(len(batches), config["trainer"].get("limit_train_batches"))


def _unit(data: VibrationData) -> tuple[int, int]:
    """What an epoch of training is made of: windows, so many a batch; or episodes, of which each is one."""
    if data.drawn is not None and data.drawn.trains:
        return data.drawn.number("train"), 1
    return len(data.assignment.train), data.batch_size


def _of_steps(config: Config, data: VibrationData, *, processes: int) -> Iterator[str]:
    """Schedules step once an epoch, and a limit on steps says how many there are."""
    node, most = config["task"].get("scheduler"), int(config["trainer"].get("max_steps") or -1)
    name = str(node["_target_"]).rpartition(".")[2] if node else ""
    key = LENGTHS.get(name)
    length = node.get(key) if key else None
    if most < 1 or not isinstance(length, int | float):
        return
    steps = math.ceil(_batches(config, data, processes) / int(config["trainer"].get("accumulate_grad_batches") or 1))
    epochs = math.ceil(most / steps)  # the last one may be a part
    if length > epochs or (name in AT_ITS_END and length == epochs):
        size = "longer than" if length > epochs else "as long as"
        instead = "fewer epochs" if name in AT_ITS_END else f"task.scheduler.{key}={epochs}"
        yield (
            f"task.scheduler.{key}: {size} the run; got {length:g} epochs, and trainer.max_steps={most} makes "
            f"{epochs}, of {steps} steps each; set {instead}"
        )


def _part(batches: int, limit: float | None) -> int:
    """Of an epoch's batches, by Lightning's rule: whole numbers are batches, others a share."""
    if limit is None:
        return batches
    return min(batches, limit) if type(limit) is int else max(1, int(batches * limit))


def _of_batches(config: Config, *, windows: int, size: int, count: int) -> Iterator[str]:
    if size * count > windows:
        yield (
            f"data.batch_size: more than there is to train on; got {size} windows in each of {count} processes, and "
            f"{windows} training windows; each batch has {windows // count}; set data.batch_size={windows // count} "
            "or a smaller data.hop"
        )
    accumulated = int(config["trainer"].get("accumulate_grad_batches") or 1)
    limit = config["trainer"].get("limit_train_batches")
    batches = max(1, windows // (size * count))
    batches = min(batches, limit) if type(limit) is int else batches
    if accumulated > batches:
        yield (
            f"trainer.accumulate_grad_batches: more than an epoch has; got {accumulated}, and {batches} batches: their "
            f"gradients are divided by {accumulated}; set trainer.accumulate_grad_batches={batches} or a smaller batch"
        )


def _of_workers(config: Config, data: VibrationData, *, here: int) -> Iterator[str]:
    if not data.num_workers:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if data.num_workers * here > cores:
        yield (
            f"data.num_workers: more processes than cores; got {data.num_workers} loader processes for each of {here}, "
            f"and {cores} cores; set data.num_workers=0, the fastest where the store fits into memory"
        )
        return
    assert data.store is not None
    size, left = int(data.store.signals.nbytes), memory.available()
    if left is not None and size < left:
        yield (
            f"data.num_workers: the store fits into memory; got {data.num_workers} loader processes for "
            f"{size / 2**30:.2f} GiB: to send a batch takes longer than to read it; set data.num_workers=0"
        )


def _of_signals(data: VibrationData) -> Iterator[str]:
    used = data.table.iloc[np.unique(data.windows.recording)]
    dead = used["recording"][used["content"].str.startswith("constant:")]
    if len(dead):
        names = list(map(str, dead[:3]))
        yield (
            f"data: {len(dead)} of {len(used)} recordings hold one value throughout; got {', '.join(names)}"
            f"{', …' if len(dead) > 3 else ''}; expected vibration: a sensor was dead or not connected; leave them out "
            "with data.where"
        )


def _of_precision(config: Config) -> Iterator[str]:
    import torch

    precision = str(config["trainer"].get("precision") or "32-true")
    on_gpu = config["trainer"].get("accelerator", "auto") != "cpu" and torch.cuda.is_available()
    if on_gpu and precision.startswith("bf16") and not torch.cuda.is_bf16_supported(including_emulation=False):
        yield f"trainer.precision: this GPU has no bfloat16; got {precision}, which is slow here; choose 16-mixed"
    elif not on_gpu and precision == "16-mixed":
        yield "trainer.precision: there is no GPU; got 16-mixed, for which bf16-mixed is taken; choose 32-true"
    elif not on_gpu and precision in ("bf16-mixed", "bf16-true", "16-true"):
        kind = "bf16" if precision.startswith("bf16") else "fp16"
        known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if known and not any(has is True for name, has in known.items() if name.endswith(kind)):
            yield f"trainer.precision: this CPU does not compute in {kind}; got {precision}, slow here; choose 32-true"
