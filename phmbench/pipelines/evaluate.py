"""No training: a checkpoint, tested on the test set of data and split."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phmbench.config import Config
from phmbench.errors import ConfigError
from phmbench.record import Record

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.training.fit import Fitted


def run(*, cfg: Config, record: Record, windows: Literal["test", "all"]) -> dict[str, Any]:
    """Test the checkpoint `init`; model, head, classes and statistics are those it was trained with.

    The audit spans both runs: what the checkpoint was trained on is compared with what is tested here, and the level
    of the record is what separates the two.

    Args:
        cfg: the checked configuration; its model and head give way to the checkpoint's own.
        record: where split and predictions go.
        windows: "test": the test set of the split; "all": every window of the data, whatever the split.

    Raises:
        ConfigError: no `init`, or not a checkpoint of phmbench.
        LeakageError: the checkpoint was trained or selected on samples of the test set.
    """
    from phmbench.pipelines.outcome import describe, network, prepared
    from phmbench.training import ranks
    from phmbench.training.launch import launch

    if cfg["profile"]:
        raise ConfigError(
            "profile: it is the fit that is looked at; got profile=true with pipeline=evaluate, which trains nothing; "
            "leave it out, or choose pipeline=fit_test"
        )
    asked = network(cfg)
    cfg, checkpoint = with_parts(cfg)
    if network(cfg) != asked:
        record.warn(f"model: {network(cfg)} is tested, which the checkpoint holds, and not {asked}")
    processes = ranks.processes(cfg["trainer"])
    state, every = checkpoint["VibrationData"], windows == "all"
    data = prepared(cfg, record, processes=processes, adopt=state, test_all=every)
    if not every:
        _say_what_could_be(record, data)
    if processes == 1 or ranks.joined():
        fitted = tested(cfg, record, data, checkpoint)
    else:
        fitted = launch(_rank, processes, str(record.path), windows)
    return describe(cfg, data, fitted)


def with_parts(cfg: Config) -> tuple[Config, dict[str, Any]]:
    """The configuration with the checkpoint's own model and head, checked anew, and the checkpoint.

    Raises:
        ConfigError: no `init`, not a checkpoint of phmbench, or one that names targets that are not trusted.
    """
    from phmbench.check import require
    from phmbench.pipelines.outcome import network
    from phmbench.training.checkpoints import read_checkpoint

    if cfg["init"] is None:
        raise ConfigError("init: pipeline=evaluate tests a checkpoint; got none; set init=…/checkpoints/best.ckpt")
    checkpoint = read_checkpoint(Path(cfg["init"]))
    parts, state = checkpoint.get("phmbench_parts"), checkpoint.get("VibrationData")
    if not isinstance(parts, dict) or not isinstance(state, dict):
        raise ConfigError(f"init: {cfg['init']} says nothing of its model and data; expected a checkpoint of phmbench")
    cfg = {**cfg, "model": parts["model"], "task": {**cfg["task"], "head": parts["head"]}}
    require(cfg)
    if cfg.get("choices"):
        choices = {group: option for group, option in cfg["choices"].items() if group != "model/front"}
        cfg["choices"] = {**choices, "model": f"{network(cfg)} (of the checkpoint)"}
    return cfg, checkpoint


def _say_what_could_be(record: Record, data: VibrationData) -> None:
    """A split keeps windows of a rig for training; a checkpoint that has seen none of the rig can be tested on all."""
    tested, known = len(data.assignment.test), int((data.label_of[data.windows.recording] >= 0).sum())
    if tested < known and data.shared is not None and data.shared["rigs"] == 0:
        record.warn(
            f"test: {tested} of {known} windows are tested, those of the split's test set, though the checkpoint has "
            "seen no window of these rigs; set pipeline.windows=all to test all of them"
        )


def tested(cfg: Config, record: Record, data: VibrationData, checkpoint: dict[str, Any]) -> Fitted:
    """The test itself, in this process. Nothing is trained: no checkpoint is written, nothing is stopped early."""
    from phmbench import build
    from phmbench.training.fit import test

    started = time.perf_counter()
    alone = {**cfg, "trainer": {**cfg["trainer"], "callbacks": None, "enable_checkpointing": False}}
    trainer = build.trainer(alone, record.path, extra=[])
    set_up = time.perf_counter() - started
    fitted = test(cfg, record, data, trainer, checkpoint)
    return fitted._replace(seconds={"set_up": set_up, "fit": 0.0, **fitted.seconds})


def _rank(path: str, windows: Literal["test", "all"]) -> Fitted:
    """One process of a distributed test."""
    from phmbench import build

    record = Record.attach(Path(path))
    cfg, checkpoint = with_parts(record.config)
    data = build.data(cfg)
    if windows == "all":
        data.test_all()
    data.adopt(checkpoint["VibrationData"])
    return tested(cfg, record, data, checkpoint)
