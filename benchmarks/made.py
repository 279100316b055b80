"""Recordings that are made, not measured, and a split that trains on nearly all of them: what loader and step read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from phmbench.data.datamodule import VibrationData
from phmbench.types import Assignment, Windows


class Noise:
    """Recordings of normal noise, of two classes.

    Args:
        recordings: how many.
        samples: of each.
    """

    default_channels: tuple[str, ...] | None = None

    def __init__(self, *, recordings: int, samples: int) -> None:
        self.recordings, self.samples = recordings, samples

    def fingerprint(self) -> dict[str, object]:
        return {"noise": [self.recordings, self.samples]}

    def table(self) -> pd.DataFrame:
        rows = [
            {"dataset": "made", "rig": "made", "recording": f"made/{i}", "unit": f"made/{i}", "condition": None,
             "channels": ("x",), "fs": 12000.0, "n_samples": self.samples, "fault_type": ("normal", "inner")[i % 2]}
            for i in range(self.recordings)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def signal(self, row: pd.Series, channels: Sequence[str]) -> np.ndarray:
        """(1, T) float32."""
        seed = int(str(row["recording"]).rpartition("/")[2])
        return np.random.default_rng(seed).standard_normal((1, self.samples), np.float32)


class LastTwo:
    """The last recording is the test set, the one before it validates, all others train."""

    level = "recording"

    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        last = len(table) - 1
        train, val, test = (
            np.flatnonzero(found)
            for found in (windows.recording < last - 1, windows.recording == last - 1, windows.recording == last)
        )
        return Assignment(
            train=train, val=val, test=test, classes=("inner", "normal"),
            domain=np.where(windows.recording == last, -1, 0), domains=("all",),
            name="last_two", level="recording", validation_level="recording",
        )  # fmt: skip

    def targets(self, table: pd.DataFrame) -> dict[str, list[str]]:
        return {}


def data(folder: Path, *, recordings: int, samples: int, window: int, hop: int, batch: int, normalise: str):
    """A datamodule over made recordings, prepared; all that is not said here is as conf/data says."""
    import yaml

    from phmbench.config import conf_dir

    node = yaml.safe_load((conf_dir() / "data" / "_common.yaml").read_text("utf-8"))
    del node["_target_"], node["defaults"]
    node |= {"augment": None, "window": window, "hop": hop, "batch_size": batch, "normalise": normalise}
    source = {"made": Noise(recordings=recordings, samples=samples)}
    made = VibrationData(sources=source, split=LastTwo(), cache=str(folder), seed=0, **node)
    made.assign()
    return made
