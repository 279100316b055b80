"""Parts of the test set that are reported for themselves: rigs, conditions, and classes that no source has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from phmbench.data.datamodule import VibrationData


def groups(data: VibrationData) -> dict[str, dict[str, Tensor]]:
    """Test windows by rig and by condition, where there is more than one (and not more than can be read)."""
    import torch

    rows = data.assignment.test
    found: dict[str, dict[str, Tensor]] = {}
    for axis in ("rig", "condition"):
        names = data.table[axis].astype("object").to_numpy()[data.windows.recording[rows]]
        distinct = sorted({str(name) for name in names if name is not None and name == name})
        if 1 < len(distinct) <= 32:
            found[axis] = {name: torch.from_numpy(rows[names.astype(str) == name]) for name in distinct}
    return found


def foreign(data: VibrationData) -> dict[str, Tensor]:
    """Windows of the target by class, of the classes that no source has: they are called, and never scored."""
    import torch

    rows = data.foreign
    names = data.table["label"].astype(str).to_numpy()[data.windows.recording[rows]]
    return {name: torch.from_numpy(rows[names == name]) for name in sorted(set(names))}
