"""Whether the parts of a network can read the recordings: said before the fit, and not by numbers that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phmbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.tasks.base import Task


def require_readable(task: Task, data: VibrationData) -> None:
    """See that the network's front can read all recordings of the split's sets, and its parts all rigs of the test.

    Raises:
        ConfigError: a part has something for each training rig, and a test rig is none of them.
        DataError: windows of too few revolutions, speed or geometry that is not known, an axis beyond the spectrum;
            names the first recording, how many there are, and what to choose instead.
    """
    _require_known_rigs(task, data)
    import torch

    from phmbench.types import Context

    front = getattr(task.network, "front", None)
    if front is None or not hasattr(front, "refusals"):
        return
    sets = (data.assignment.train, data.assignment.val, data.assignment.test, data.foreign)
    used = np.unique(np.concatenate([data.windows.recording[rows] for rows in sets]))
    context = Context(
        rate_hz=torch.from_numpy(data.rate_of[used]),
        speed_hz=torch.from_numpy(data.speed_of[used]),
        orders=torch.from_numpy(data.orders_of[used]),
        rig=torch.from_numpy(data.rig_of[used]),
    )
    for refusal in front.refusals(context):
        lacking = used[refusal.of.numpy()]
        if len(lacking):
            first = data.table["recording"].iloc[int(lacking[0])]
            raise DataError(
                f"model.front: {type(front).__name__} cannot read {len(lacking)} of {len(used)} recordings; got "
                f"{refusal.got}, first {first}; expected {refusal.expected}; {refusal.instead}"
            )


def _require_known_rigs(task: Task, data: VibrationData) -> None:
    """A part that reads the rig knows nothing of one that training has not seen: said before the fit, not after it."""
    reading = [type(p).__name__ for p in task.network.modules() if "rig" in getattr(p, "reads", ())]
    tested = data.windows.recording[data.assignment.test]
    foreign = sorted({str(rig) for rig in data.table["rig"].iloc[tested[data.rig_of[tested] < 0]]})
    if reading and foreign:
        raise ConfigError(
            f"task.head: {reading[0]} has a part for each training rig; got test rigs without: {', '.join(foreign)}; "
            "choose task/head=linear, or a split that leaves every rig in training"
        )
