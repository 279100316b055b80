"""Simulated rigs: many physical bearings per fault, and what a paper's data rarely have, the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from phmbench.data.sources import signal_model
from phmbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2
"""To be raised with every change that alters a signal: stores that were built before are then other stores."""

CHANNEL = "vibration"


class Simulated:
    """Bearings of simulated rigs with seeded faults: recordings are made when they are read, never stored.

    Each physical bearing has a seat of its own (resonances, transfer path, noise, slip, gain), so that a network can
    know a bearing without knowing its fault: random windows then score higher than unseen bearings do.

    Papers: see signal_model.py.

    Args:
        rigs: names of signal_model.RIGS.
        bearings: physical bearings per rig, class and severity; healthy ones are three times as many (no severities).
        conditions: nominal operating conditions (speed, load) at which each bearing is recorded.
        seconds: length of a recording.
        snr_db: power of a fault of severity 2 over the power of the noise, in dB.
        seed: of all that is random; the same seed gives the same signals.

    Raises:
        DataError: a rig is not known, or named twice.
    """

    default_channels: tuple[str, ...] | None = (CHANNEL,)

    def __init__(
        self,
        *,
        rigs: Sequence[str],
        bearings: Annotated[int, Ge(1)],
        conditions: Annotated[int, Ge(1), Le(4)],
        seconds: Annotated[float, Gt(0)],
        snr_db: float,
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.rigs = checked_rigs(rigs)
        self.bearings, self.conditions = bearings, conditions
        self.seconds, self.snr_db, self.seed = seconds, snr_db, seed

    def fingerprint(self) -> dict[str, object]:
        """The arguments and the version of the signal model."""
        return {
            "source": "simulated", "version": VERSION, "rigs": list(self.rigs), "bearings": self.bearings,
            "conditions": self.conditions, "seconds": self.seconds, "snr_db": self.snr_db, "seed": self.seed,
        }  # fmt: skip

    def table(self) -> pd.DataFrame:
        """One row per recording; `bearing_index` and `condition_index` say which draw of the model it is."""
        import pandas as pd

        rows = [
            self._row(rig, fault, severity, bearing, condition)
            for rig in self.rigs
            for fault in signal_model.FAULTS
            for severity in ((0,) if fault == "normal" else (1, 2, 3))
            for bearing in range(self.bearings * (3 if fault == "normal" else 1))
            for condition in range(self.conditions)
        ]
        return pd.DataFrame(rows)

    def signal(self, row: pd.Series, channels: Sequence[str]) -> NDArray[np.floating[Any]]:
        """The recording of `row`: (1, time) float64.

        Raises:
            DataError: another channel than "vibration" is asked for.
        """
        refuse_other_channels(row, channels)
        name = str(row["rig"]).removeprefix("simulated/")
        rig = signal_model.RIGS[name]
        key = [
            self.seed, list(signal_model.RIGS).index(name), signal_model.FAULTS.index(row["fault_type"]),
            int(row["fault_severity_level"]), int(row["bearing_index"]),
        ]  # fmt: skip
        bearing = signal_model.draw_bearing(rig, row["fault_type"], np.random.default_rng(key))
        x = signal_model.record(
            rig, bearing, speed_rpm=row["speed_rpm"], load=row["load"], seconds=self.seconds, snr_db=self.snr_db,
            fault_db=signal_model.SEVERITY_DB[int(row["fault_severity_level"])],
            rng=np.random.default_rng([*key, 1 + int(row["condition_index"])]),
        )  # fmt: skip
        return x[None]

    def _row(self, name: str, fault: str, severity: int, bearing: int, condition: int) -> dict[str, object]:
        rig = signal_model.RIGS[name]
        nominal, load = rig.conditions[condition]
        unit = f"{name}-{fault}-{severity}-{bearing}" if severity else f"{name}-{fault}-{bearing}"
        if self.seed:  # other bearings, so that a checkpoint can be tested on machines of another seed
            unit += f"-seed{self.seed}"
        # Induction motors slow down under load, here by up to 1 %, and no two starts give the same speed.
        rng = np.random.default_rng(
            [
                self.seed,
                list(signal_model.RIGS).index(name),
                signal_model.FAULTS.index(fault),
                severity,
                bearing,
                condition,
            ]
        )
        measured = nominal * (1 - 0.005 * condition / 4 + rng.uniform(-0.003, 0.003))
        return {
            **row_of(rig, unit=f"simulated/{unit}", nominal=nominal, load=load, speed=measured, seconds=self.seconds),
            "recording": f"simulated/{unit}-{nominal:g}rpm-{load:g}N",
            "fault_type": fault,
            "fault_location": None if fault == "normal" else "test_bearing",
            "fault_severity_level": severity,
            "native_label": f"{fault}-{severity}" if severity else fault,
            "run_id": None, "time_s": np.nan, "rul_s": np.nan,
            "bearing_index": bearing, "condition_index": condition,
        }  # fmt: skip


def row_of(
    rig: signal_model.Rig, *, unit: str, nominal: float, load: float, speed: float, seconds: float
) -> dict[str, object]:
    """What each recording of a rig has in its row, whatever is wrong with the bearing."""
    bpfo, bpfi, bsf, ftf = rig.bearing.orders()
    return {
        "dataset": "simulated", "rig": f"simulated/{rig.name}", "recording": None, "unit": unit,
        "condition": f"{nominal:g} rpm, {load:g} N", "channels": (CHANNEL,), "fs": float(rig.rate_hz),
        "n_samples": round(seconds * rig.rate_hz), "speed_rpm": speed, "speed_nominal_rpm": nominal, "load": load,
        "load_unit": "N", "signal_unit": None, "bpfo": bpfo, "bpfi": bpfi, "bsf": bsf, "ftf": ftf,
    }  # fmt: skip


def checked_rigs(rigs: Sequence[str]) -> tuple[str, ...]:
    """The names, if all are rigs of the simulator and none comes twice."""
    known = list(signal_model.RIGS)
    if not rigs or any(r not in known for r in rigs) or len(set(rigs)) < len(rigs):
        raise DataError(
            f"simulated.rigs: not rigs of the simulator, each once; got {list(rigs)}; expected of {', '.join(known)}; "
            "name these"
        )
    return tuple(rigs)


def refuse_other_channels(row: pd.Series, channels: Sequence[str]) -> None:
    """Raise DataError unless the simulator's one channel is asked for."""
    if list(channels) != [CHANNEL]:
        raise DataError(
            f"{row['recording']}: has no such channels; got {list(channels)}; expected ['{CHANNEL}']; "
            "leave data.channels at null"
        )
