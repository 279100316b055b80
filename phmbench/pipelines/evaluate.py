"""No training: a checkpoint, tested on the test set of data and split."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from phmbench.config import Config
from phmbench.errors import ConfigError, LeakageError
from phmbench.record import Record


def run(*, cfg: Config, record: Record) -> dict[str, Any]:
    """Test the checkpoint `init`; model, head, classes and statistics are those it was trained with.

    The audit spans both runs: what the checkpoint was trained on is compared with what is tested here.

    Args:
        cfg: the checked configuration; its model and head give way to the checkpoint's own.
        record: where split and predictions go.

    Raises:
        ConfigError: no `init`, or not a checkpoint of phmbench.
        LeakageError: the checkpoint was trained or selected on samples of the test set.
    """
    from phmbench import build
    from phmbench.check import require
    from phmbench.pipelines.outcome import describe, prepared
    from phmbench.training.fit import read_checkpoint, test

    if cfg["init"] is None:
        raise ConfigError("init: pipeline=evaluate tests a checkpoint; got none; set init=…/checkpoints/best.ckpt")
    started = time.perf_counter()
    checkpoint = read_checkpoint(Path(cfg["init"]))
    parts, state = checkpoint.get("phmbench_parts"), checkpoint.get("VibrationData")
    if not isinstance(parts, dict) or not isinstance(state, dict):
        raise ConfigError(f"init: {cfg['init']} says nothing of its model and data; expected a checkpoint of phmbench")
    cfg = {**cfg, "model": parts["model"], "task": {**cfg["task"], "head": parts["head"]}}
    require(cfg)  # a checkpoint from elsewhere names targets too
    data = prepared(cfg, record, adopt=state)
    shared = overlap(data, state)
    if shared["samples"]:
        raise LeakageError(
            f"init: the checkpoint was trained or selected on {shared['samples']} samples of this test set; "
            "choose the split it was trained with, or recordings it has not seen"
        )
    task = build.task(cfg, data.facts)
    trainer = build.trainer({**cfg, "trainer": _alone(cfg["trainer"])}, record.path, extra=[])
    set_up = time.perf_counter() - started
    fitted = test(cfg, record, data, task, trainer, checkpoint)
    fitted = fitted._replace(seconds={"set_up": set_up, "fit": 0.0, **fitted.seconds})
    result = describe(cfg, data, fitted)
    for level in ("recordings", "units"):
        if result["split"]["shared"].get(level) is not None:
            result["split"]["shared"][level] = shared[level]
    return result


def _alone(trainer: dict[str, Any]) -> dict[str, Any]:
    """Nothing is trained or chosen here: no checkpoint is written, nothing is stopped early."""
    return {**trainer, "callbacks": None, "enable_checkpointing": False}


def overlap(data: Any, state: dict[str, Any]) -> dict[str, int]:
    """What the test set here shares with what the checkpoint has seen: samples, recordings, units."""
    import numpy as np

    from phmbench.data.datamodule import runs

    seen = {one["recording"]: one for one in state["trained_on"]}
    contents = {one["content"]: one for one in state["trained_on"]}
    units = {one["unit"] for one in state["trained_on"] if one["unit"] is not None}
    rows = data.assignment.test
    samples, recordings, shared_units = 0, set(), set()
    for r in np.unique(data.windows.recording[rows]):
        facts = data.table.iloc[int(r)]
        one = seen.get(str(facts["recording"])) or contents.get(str(facts["content"]))
        if str(facts["unit"]) in units:
            shared_units.add(str(facts["unit"]))
        if one is None:
            continue
        recordings.add(int(r))
        ratio = float(data.rate_of[int(r)]) / one["rate_hz"]
        mine = runs(data.windows.start[rows[data.windows.recording[rows] == r]], data.window)
        samples += sum(common(a, b, [x * ratio for x in theirs]) for a, b in mine for theirs in one["runs"])
    return {"samples": samples, "recordings": len(recordings), "units": len(shared_units)}


def common(first: float, last: float, other: list[float]) -> int:
    """Samples that two runs [first, last] share."""
    return max(0, int(min(last, other[1]) - max(first, other[0])) + 1)
