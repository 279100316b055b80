"""The largest batch that fits into memory, found by trials in processes of their own.

A trial is the fit itself, on real batches and for two steps of the optimizer, with as many processes as the run has and
a limit on their memory. What runs out of memory is left in no good state (oneDNN remembers that it could not make a
convolution, ranks wait for one that is gone), so each trial ends with its processes; the weights, seeds and random
states of this one are not touched.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.config import Config
from phmbench.errors import ConfigError, PhmbenchError
from phmbench.training import memory, ranks
from phmbench.training.launch import launch

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.record import Record

log = logging.getLogger("phmbench")

SMALLEST = 2  # windows a batch: one alone has no variance for BatchNorm
IN_BATCHES = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "val_check_interval")
"""Settings of the trainer that count batches where they are whole numbers."""


def settled(config: Config, record: Record) -> Config:
    """The configuration with a batch that fits, where `fit_memory` asks for one; the record keeps it in the place of
    the old one, so that a resumed or repeated run has the same batches.

    Args:
        config: the checked configuration of the whole run; folds and seeds share what is found for the largest fit.
        record: of the whole run.

    Raises:
        PhmbenchError: no batch fits, or a trial failed for another reason.
        ConfigError: the memory that is available cannot be told.
    """
    if not config["fit_memory"]:
        return config
    if not _on_gpu(config) and memory.available() is None:
        raise ConfigError("fit_memory: this system does not say how much memory is available; got a fit on its CPU; "
                          "expected Linux, or a GPU; leave fit_memory out and set data.batch_size")  # fmt: skip
    one = fullest(config)
    size = asked = whole(one)
    log.info("fit_memory: trying %d windows a batch", asked)
    if int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))) == 0 or not ranks.joined():
        alone = ranks.wanted(config["trainer"]) == 1 and not ranks.joined()
        room = memory.room() if alone else None
        size = asked if fits(one, record, asked, room=room) else largest(one, record, below=asked, room=room)
    if ranks.joined():
        size = ranks.board().smallest(size)
    settled = {**(config if size == asked else divided(config, size, asked // size)), "fit_memory": False}
    if not ranks.rank():
        record.keep_config(settled)
        _say(record, asked, size)
    return settled


def _say(record: Record, asked: int, size: int) -> None:
    if size == asked:
        log.info("fit_memory: %d windows a batch fit; nothing was changed", asked)
    else:
        record.warn(
            f"fit_memory: {asked} windows a batch do not fit into memory; each step adds the gradients of "
            f"{asked // size} batches of {size}, of the same windows; BatchNorm and losses between windows see {size}"
        )


def fullest(config: Config) -> Config:
    """The configuration of the fit with the most training windows: of one of the folds."""
    from phmbench import build
    from phmbench.pipelines.axes import folds

    if config["folds"] is None:
        return config
    task = config["task"]
    each = [
        {**config, "folds": None, "task": {**task, "split": {**task["split"], "target": target}}}
        for target in folds(config).values()
    ]
    sizes = []
    for one in each:
        data = build.data(one)
        data.assign()
        sizes.append(len(data.assignment.train))
    return each[sizes.index(max(sizes))]


def divided(config: Config, size: int, parts: int) -> Config:
    """The same steps of the optimizer from batches of `size` windows, `parts` of which make one of before."""
    trainer = dict(config["trainer"])
    trainer["accumulate_grad_batches"] = parts * int(trainer.get("accumulate_grad_batches") or 1)
    for name in IN_BATCHES:
        if type(trainer.get(name)) is int:
            trainer[name] *= parts
    return {**config, "data": {**config["data"], "batch_size": size}, "trainer": trainer}


def largest(config: Config, record: Record, *, below: int, room: int | None = None) -> int:
    """The largest divisor of `below` that fits as a batch: only then gradients of whole batches add up to the same.

    Args:
        config: of one fit.
        record: of the run.
        below: windows of a batch that does not fit.
        room: as of `fits`.

    Raises:
        PhmbenchError: none does.
    """
    sizes = [size for size in range(SMALLEST, below // 2 + 1) if below % size == 0]
    found, low, high = 0, 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        if fits(config, record, sizes[middle], room=room):
            found, low = sizes[middle], middle + 1
        else:
            high = middle
    if not found:
        raise PhmbenchError(
            f"data.batch_size: no batch fits into memory; got {below} windows a batch; expected one of its parts "
            f"({', '.join(map(str, sizes)) or 'it has none'}) to fit; choose a smaller model, a shorter data.window, "
            "or a data.batch_size with more divisors"
        )
    return found


def fits(config: Config, record: Record, size: int, *, room: int | None = None) -> bool:
    """Whether two steps with batches of `size` windows find enough memory, in each process of the run on this machine.

    Args:
        config: of one fit.
        record: of the run.
        size: windows of a batch, B.
        room: bytes that the process which will train may take; None: that process will be like those of the trial.

    Raises:
        PhmbenchError: they fail for another reason.
    """
    tried = {**config, "data": {**config["data"], "batch_size": size}}
    try:
        launch(trial, ranks.wanted(config["trainer"]), str(record.path), json.dumps(tried), str(room or ""))
    except PhmbenchError as error:
        if not memory.exhausted(error) and "SIGKILL" not in str(error):  # by which the system ends what takes too much
            raise
        log.info("%d windows a batch do not fit", size)
        return False
    log.info("%d windows a batch fit", size)
    return True


def trial(path: str, text: str, room: str) -> None:
    """One process of a trial: two steps without a limit, of the smallest batch, then two of the wanted one within it.

    The first two start threads and load libraries, which cannot fail in good order.

    Args:
        path: of the record.
        text: the configuration.
        room: bytes that the process which will train may take; "" where that is a process like this one.
    """
    from phmbench import build

    config: Config = json.loads(text)
    data = build.data(config)
    data.assign()
    used = 0 if _on_gpu(config) else memory.private()
    most = int(room) if room else (memory.room() or 0) // ranks.wanted(config["trainer"])
    wanted, data.batch_size = data.batch_size, min(SMALLEST, data.batch_size)
    _steps(config, data, Path(path))
    if _on_gpu(config):
        memory.limit_gpu()
    else:
        memory.limit(used + int((1 - memory.KEPT_FREE) * most))
    data.batch_size = wanted
    _steps(config, data, Path(path))


def _steps(config: Config, data: VibrationData, folder: Path) -> None:
    """Fit for two steps and validate for one batch; where gradients are accumulated, they are kept over a batch."""
    from phmbench import build

    batches = min(2, int(config["trainer"].get("accumulate_grad_batches") or 1))
    short = {
        **config["trainer"], "callbacks": None, "enable_checkpointing": False, "num_sanity_val_steps": 0,
        "max_epochs": -1, "min_epochs": None, "max_steps": 2, "min_steps": None, "max_time": None,
        "limit_train_batches": 2 * batches, "limit_val_batches": 1, "accumulate_grad_batches": batches,
        "val_check_interval": 1.0, "check_val_every_n_epoch": 1, "num_nodes": 1,
    }  # fmt: skip
    trainer = build.trainer({**config, "trainer": short, "logger": None}, folder, extra=[])
    trainer.fit(build.task(config, data.facts), data)


def whole(config: Config) -> int:
    """Windows of a training batch: what is asked for, or what there are."""
    from phmbench import build

    data = build.data(config)
    data.assign()
    return max(1, min(data.batch_size, len(data.assignment.train) // ranks.processes(config["trainer"])))


def _on_gpu(config: Config) -> bool:
    import torch

    accelerator: Any = config["trainer"].get("accelerator", "auto")
    return accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available()
