"""What facts that are no fault physics give away: on recordings made for it, the simulator, and hit_sm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phmbench.data import shortcuts as module
from phmbench.data.shortcuts import _f1, _guessed, _mains, _step, shortcuts
from phmbench.data.sources.bearing_datasets import BearingDatasets
from phmbench.data.sources.simulated import Simulated
from phmbench.data.splits.hold_out import HoldOut
from phmbench.data.splits.recordings import Recordings
from phmbench.data.splits.time_blocks import TimeBlocks
from phmbench.data.splits.units import Units
from phmbench.data.store import Store, prepare
from phmbench.data.windows import index

WINDOW = 256


class Made:
    """Forty recordings of noise; the second class differs in one fact alone."""

    default_channels = ("x",)

    def __init__(self, fact: str) -> None:
        self.fact = fact

    def fingerprint(self) -> dict[str, object]:
        return {"made": self.fact}

    def table(self) -> pd.DataFrame:
        rows = np.arange(40)
        odd = rows % 2 == 1
        return pd.DataFrame(
            {
                "dataset": "made", "rig": "made", "recording": [f"made/{r:02d}" for r in rows],
                "unit": [f"made/u{r}" for r in rows], "condition": "c", "channels": [("x",)] * 40,
                "fs": 4000.0, "n_samples": np.where(odd & (self.fact == "duration"), 5000, 4096),
                "fault_type": np.where(odd, "inner", "normal"),
            }
        )  # fmt: skip

    def signal(self, row: pd.Series, channels: Any) -> np.ndarray:
        number = int(row["recording"][-2:])
        rng, odd = np.random.default_rng(number), number % 2 == 1
        x = rng.standard_normal(int(row["n_samples"]))
        if self.fact == "value step":
            return (np.round(x / (0.02 if odd else 0.01)) * (0.02 if odd else 0.01))[None]
        x = 3 * x if odd and self.fact == "amplitude" else x
        if odd and self.fact == "electrical line":
            x = x + 0.6 * np.sin(2 * np.pi * 50 * np.arange(len(x)) / 4000)
        return (x - x.mean() + (0.1 if odd and self.fact == "offset" else 0.0))[None]


def looked_at(source: Any, split: Any, cache: Path, *, window: int = WINDOW, test: bool = True, **kept: Any) -> Any:
    store = prepare({"made": source}, where=None, ids=None, channels=None, cache=cache, **{"sample_rate": None, **kept})
    return of_store(store, split, window=window, test=test)


def of_store(store: Store, split: Any, *, window: int = WINDOW, test: bool = True) -> dict[str, Any]:
    table = store.table.assign(label=store.table["fault_type"])
    windows = index(table["length"].to_numpy(np.int64), window, window)
    assignment = split(table, windows, window)
    return shortcuts(assignment, table=table, windows=windows, window=window, store=store, test=test)


@pytest.mark.parametrize("fact", ["amplitude", "offset", "value step", "duration", "electrical line"])
def test_a_planted_shortcut_is_found_and_no_other(fact: str, tmp_path: Path):
    found = looked_at(Made(fact), Recordings(val=0.2, test=0.3, seed=0), tmp_path)
    assert found["facts"][fact]["test"] > 0.95
    assert found["facts"][fact]["classes"].keys() == {"inner", "normal"}
    others = {"offset", "duration", "sampling rate"} - {fact}  # no other follows from the one that was planted
    assert all(found["facts"][name]["test"] < 0.75 for name in others & set(found["facts"]))
    assert "sampling rate" in found["constant"]


def test_without_the_test_set_validation_alone_is_scored(tmp_path: Path):
    found = looked_at(Made("amplitude"), Recordings(val=0.2, test=0.3, seed=0), tmp_path, test=False)
    assert set(found["facts"]["amplitude"]) == {"val", "classes"}
    assert set(found["chance"]) == {"val"}


def test_it_is_computed_once_for_a_store_and_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    split = Recordings(val=0.2, test=0.3, seed=0)
    first = looked_at(Made("amplitude"), split, tmp_path)
    monkeypatch.setattr(module, "_facts", None)  # cannot be called again
    assert looked_at(Made("amplitude"), split, tmp_path) == first
    with pytest.raises(TypeError):
        looked_at(Made("amplitude"), Recordings(val=0.2, test=0.3, seed=1), tmp_path)


def test_a_damaged_file_is_made_again(tmp_path: Path):
    split = Recordings(val=0.2, test=0.3, seed=0)
    first = looked_at(Made("amplitude"), split, tmp_path)
    (file,) = tmp_path.rglob("*.shortcuts/*.json")
    file.write_text('{"fac')
    assert looked_at(Made("amplitude"), split, tmp_path) == first


class Equalised(Simulated):
    """Every recording with one amplitude."""

    def fingerprint(self) -> dict[str, object]:
        return {**super().fingerprint(), "equalised": True}

    def signal(self, row: pd.Series, channels: Any) -> np.ndarray:
        x = super().signal(row, channels)
        return x / x.std()


def test_the_simulator_with_equal_gains_gives_nothing_away(tmp_path: Path):
    rigs = ["motor", "pump", "gearbox", "spindle"]
    source = Equalised(rigs=rigs, bearings=2, conditions=2, seconds=1.25, snr_db=10.0, seed=0)
    found = looked_at(source, Units(val=0.2, test=0.3, target=None, seed=0), tmp_path, window=2048, sample_rate=12000.0)
    assert all(scores["test"] < found["chance"]["test"] + 0.15 for scores in found["facts"].values()), found


@pytest.mark.realdata
def test_hit_sm_is_told_by_amplitude_offset_and_tones(real_data: Path, tmp_path: Path):
    """As its description says: healthy files by their amplitude; in time, the fixed tones name the files."""
    source = BearingDatasets(name="hit_sm", root=real_data, where=None)
    by_speed = looked_at(source, HoldOut(column="speed", target=None, val=0.2, seed=0), tmp_path, window=2048)
    assert by_speed["facts"]["amplitude"]["classes"]["normal"] > 0.95
    assert by_speed["facts"]["amplitude"]["test"] > by_speed["chance"]["test"] + 0.2
    assert by_speed["facts"]["offset"]["test"] > by_speed["chance"]["test"] + 0.1
    in_time = looked_at(source, TimeBlocks(val=0.2, test=0.2), tmp_path, window=2048)
    assert in_time["facts"]["electrical line"]["test"] > 0.7


def test_scores_by_hand():
    """Class 0: one of two right, none else told so: F1 2/3; class 1: both right, one told too much: 4/5."""
    assert _f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])) == {0: 2 / 3, 1: 0.8}
    assert _guessed(np.array([0.5, 0.5]), np.array([0, 1])) == 0.5


def test_steps_and_lines():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20_000)
    for step in (1e-3, 1.25e-6, 0.5):
        grid = (np.round(x * 0.01 / step) * step if step < 0.1 else np.round(x / step) * step).astype(np.float32)
        assert _step(grid.astype(np.float64)) == pytest.approx(step, rel=0.05) or len(np.unique(grid)) < 12
    assert _step(x) == 0
    assert _step(np.zeros(100)) == 0
    line = x + np.sin(2 * np.pi * 180 * np.arange(20_000) / 8000)
    hertz, decibel = _mains(line, 8000.0)
    assert hertz == 180
    assert decibel > 15
