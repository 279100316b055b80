"""Simulated runs to failure: bearings that are healthy at first and end with a fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from phmbench.data.sources import signal_model
from phmbench.data.sources.simulated import VERSION, checked_rigs, refuse_other_channels, row_of

if TYPE_CHECKING:
    import pandas as pd

FAULTS = ("inner", "outer", "rolling_element")
START_DB, END_DB = -12.0, 12.0
"""Power of the fault relative to severity 2, where it begins and at the end of life."""


class SimulatedRuns:
    """Runs to failure of simulated bearings, one snapshot every `interval_s`.

    A life is drawn from a Weibull distribution of shape 2, with `snapshots` as its median, and kept between half and
    twice that; the fault begins at 50 to 90 % of it and grows exponentially (its level in dB grows linearly in time),
    as spalls do in the second of the two stages that are commonly told apart. The snapshot's own fault_type is
    "normal" before that.

    Papers: Weibull (1939), A statistical theory of the strength of materials; Gebraeel et al. (2005), Residual-life
        distributions from component degradation signals: a Bayesian approach, IIE Transactions 37(6), 543-557,
        doi:10.1080/07408170590929018 (exponential growth); signals: see signal_model.py.

    Args:
        rigs: names of signal_model.RIGS.
        runs: runs per rig, each with a bearing of its own; conditions and faults take turns.
        snapshots: median life, in snapshots.
        interval_s: time between two snapshots, in s.
        seconds: length of a snapshot.
        snr_db: power of a fault of severity 2 over the power of the noise, in dB.
        seed: of all that is random.

    Raises:
        DataError: a rig is not known, or named twice.
    """

    default_channels: tuple[str, ...] | None = ("vibration",)

    def __init__(
        self,
        *,
        rigs: Sequence[str],
        runs: Annotated[int, Ge(1)],
        snapshots: Annotated[int, Ge(4)],
        interval_s: Annotated[float, Gt(0)],
        seconds: Annotated[float, Gt(0)],
        snr_db: float,
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.rigs = checked_rigs(rigs)
        self.runs, self.snapshots, self.interval_s = runs, snapshots, interval_s
        self.seconds, self.snr_db, self.seed = seconds, snr_db, seed

    def fingerprint(self) -> dict[str, object]:
        """The arguments and the version of the signal model."""
        return {
            "source": "simulated_runs", "version": VERSION, "rigs": list(self.rigs), "runs": self.runs,
            "snapshots": self.snapshots, "interval_s": self.interval_s, "seconds": self.seconds,
            "snr_db": self.snr_db, "seed": self.seed,
        }  # fmt: skip

    def table(self) -> pd.DataFrame:
        """One row per snapshot; `fault_db` is the true level of the fault, NaN while there is none."""
        import pandas as pd

        return pd.DataFrame([row for rig in self.rigs for run in range(self.runs) for row in self._run(rig, run)])

    def signal(self, row: pd.Series, channels: Sequence[str]) -> NDArray[np.floating[Any]]:
        """The snapshot of `row`: (1, time) float64.

        Raises:
            DataError: another channel than "vibration" is asked for.
        """
        refuse_other_channels(row, channels)
        name = str(row["rig"]).removeprefix("simulated/")
        rig, run = signal_model.RIGS[name], int(row["run_index"])
        key = [self.seed, 1000, list(signal_model.RIGS).index(name), run]  # 1000: never a key of Simulated
        bearing = signal_model.draw_bearing(rig, FAULTS[run % len(FAULTS)], np.random.default_rng(key))
        level = float(row["fault_db"])
        x = signal_model.record(
            rig, bearing, speed_rpm=row["speed_rpm"], load=row["load"], seconds=self.seconds, snr_db=self.snr_db,
            fault_db=-math.inf if math.isnan(level) else level,
            rng=np.random.default_rng([*key, 1 + int(row["snapshot"])]),
        )  # fmt: skip
        return x[None]

    def _run(self, name: str, run: int) -> list[dict[str, object]]:
        rig = signal_model.RIGS[name]
        rng = np.random.default_rng([self.seed, 2000, list(signal_model.RIGS).index(name), run])
        life = math.sqrt(-math.log(1 - rng.random()) / math.log(2))  # Weibull, shape 2, median 1
        count = round(self.snapshots * min(max(life, 0.5), 2.0))
        onset = rng.uniform(0.5, 0.9) * (count - 1)
        nominal, load = rig.conditions[run % len(rig.conditions)]
        unit = f"simulated/{name}-run-{run}" + (f"-seed{self.seed}" if self.seed else "")  # other bearings
        rows = []
        for k in range(count):
            level = START_DB + (END_DB - START_DB) * (k - onset) / (count - 1 - onset) if k >= onset else math.nan
            faulty = k >= onset
            speed = nominal * (1 + rng.uniform(-0.003, 0.003))
            rows.append({
                **row_of(rig, unit=unit, nominal=nominal, load=load, speed=speed, seconds=self.seconds),
                "recording": f"{unit}-{k:05d}",
                "fault_type": FAULTS[run % len(FAULTS)] if faulty else "normal",
                "fault_location": "test_bearing" if faulty else None,
                "fault_severity_level": np.nan, "native_label": None, "run_id": f"{name}-run-{run}",
                "time_s": k * self.interval_s, "rul_s": (count - 1 - k) * self.interval_s,
                "snapshot": k, "run_index": run, "fault_db": level,
            })  # fmt: skip
        return rows
