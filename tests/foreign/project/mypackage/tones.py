"""A source: recordings from a test bench that whistles."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge

TONES_HZ = {"normal": 200.0, "inner": 700.0, "outer": 1900.0}


class Tones:
    """Three classes told apart by a tone, in noise.

    Args:
        units: machines for each class.
        seed: of the noise.
    """

    default_channels = ("microphone",)

    def __init__(self, *, units: Annotated[int, Ge(3)], seed: Annotated[int, Ge(0)]) -> None:
        self.units, self.seed = units, seed

    def fingerprint(self) -> dict[str, object]:
        return {"source": "mypackage.Tones", "version": 1, "units": self.units, "seed": self.seed}

    def table(self) -> pd.DataFrame:
        rows = [
            {
                "dataset": "tones",
                "rig": "tones",
                "recording": f"tones/{fault}-{unit}-{load}",
                "unit": f"tones/{fault}-{unit}",
                "condition": f"load {load}",
                "channels": self.default_channels,
                "fs": 8000.0,
                "n_samples": 8192,
                "fault_type": fault,
                "load": load,
            }
            for fault in TONES_HZ
            for unit in range(self.units)
            for load in (0, 1, 2)
        ]
        return pd.DataFrame(rows)

    def signal(self, row: pd.Series, channels: Sequence[str]) -> np.ndarray:
        rng = np.random.default_rng([self.seed, *str(row["recording"]).encode()])
        seconds = np.arange(row["n_samples"]) / row["fs"]
        tone = np.sin(2 * np.pi * (TONES_HZ[row["fault_type"]] * seconds + rng.random()))
        return (tone + rng.standard_normal(len(tone)))[None]  # (1, time)
