"""No training: a checkpoint, tested on the test set of data and split."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from phmbench.config import Config
from phmbench.errors import ConfigError, LeakageError
from phmbench.record import Record
from phmbench.types import LEVELS


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
    data = prepared(cfg, record, adopt=state, test_all=windows == "all")
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
    level = separated(shared)
    weak = LEVELS.index(level) < LEVELS.index("unit")
    apart = {
        "level": level,
        "validation_level": level,
        "weak": weak,
        "shared": {"copies": 0, "conditions": None, **shared},
    }
    return {**result, "split": {**result["split"], **apart}}


def _alone(trainer: dict[str, Any]) -> dict[str, Any]:
    """Nothing is trained or chosen here: no checkpoint is written, nothing is stopped early."""
    return {**trainer, "callbacks": None, "enable_checkpointing": False}


def separated(shared: dict[str, int | None]) -> str:
    """The highest level at which a test set and what a checkpoint has seen have nothing in common."""
    if shared["rigs"] == 0:
        return "rig"
    if shared["units"] == 0:
        return "unit"
    return "recording" if shared["recordings"] == 0 else "sample"


def overlap(data: Any, state: dict[str, Any]) -> dict[str, int | None]:
    """What the test set here shares with what the checkpoint has seen; units are None where they are not known."""
    import numpy as np

    from phmbench.data.datamodule import runs

    seen = {one["recording"]: one for one in state["trained_on"]}
    contents = {one["content"]: one for one in state["trained_on"]}
    units = {one["unit"] for one in state["trained_on"] if one["unit"] is not None}
    rows = data.assignment.test
    recordings = np.unique(data.windows.recording[rows])
    tested = data.table.iloc[recordings]
    samples, known = 0, 0
    for r, name, content in zip(recordings, tested["recording"], tested["content"], strict=True):
        one = seen.get(str(name)) or contents.get(str(content))
        if one is not None:
            known += 1
            ratio = float(data.rate_of[r]) / one["rate_hz"]
            mine = runs(data.windows.start[rows[data.windows.recording[rows] == r]], data.window)
            samples += sum(common(a, b, [x * ratio for x in theirs]) for a, b in mine for theirs in one["runs"])
    shared_units = len({str(unit) for unit in tested["unit"].dropna()} & units)
    unknown = bool(tested["unit"].isna().any()) or any(one["unit"] is None for one in state["trained_on"])
    rigs = len({str(rig) for rig in tested["rig"]} & set(state["rigs"]))
    return {
        "samples": samples,
        "recordings": known,
        "units": None if unknown and rigs and not shared_units else shared_units,
        "rigs": rigs,
    }


def common(first: float, last: float, other: list[float]) -> int:
    """Samples that two runs [first, last] share."""
    return max(0, int(min(last, other[1]) - max(first, other[0])) + 1)
