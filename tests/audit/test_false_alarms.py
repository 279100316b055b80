"""What is separate passes: all clean splits of all rigs, and a thousand random sets of simulated recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from phmbench.data.audit import audit
from phmbench.data.sources.bearing_datasets import BearingDatasets
from phmbench.data.sources.simulated import Simulated
from phmbench.data.sources.simulated_runs import SimulatedRuns
from phmbench.data.splits.possible import options
from phmbench.data.store import prepare
from phmbench.data.windows import index
from phmbench.errors import DataError
from tests.audit.recordings import RIGS, described

WINDOW = 1024
CLEAN = [name for name in options() if name != "window_random"]


def passed(source: object, cache: Path, label: str) -> list[str]:
    """Clean splits that these recordings allow, each audited with the hashes and profiles of a real store."""
    store = prepare(
        {"made": source},  # type: ignore[dict-item]
        where=None, ids=None, channels=None, sample_rate=12000.0, cache=cache,
    )  # fmt: skip
    table = store.table.assign(label=store.table[label])
    windows = index(table["length"].to_numpy(np.int64), WINDOW, WINDOW)
    done = []
    for name in CLEAN:
        split = options()[name]
        for target in list(split.targets(table).values()) or [None]:
            if target is not None:
                split.target = tuple(target)
            try:
                assignment = split(table, windows, WINDOW)
            except DataError:  # not possible with these recordings
                continue
            found = audit(assignment, table=table, windows=windows, window=WINDOW, fingerprints=store.fingerprints)
            assert (found.shared["samples"], found.shared["copies"]) == (0, 0)
            assert not any("is a copy of" in finding for finding in found.findings)
            done.append(name)
    return done


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "where", "label", "splits"),
    [
        ("cwru", "fs == 12000", "fault_type", 20),
        ("cwru", None, "fault_type", 4),
        ("hit_sm", None, "fault_type", 12),
        ("hit_sm", 'fault_type != "normal"', "fault_type", 19),
        ("mfpt", None, "fault_type", 14),
        ("femto", "snapshot % 12 == 1", "condition", 3),
    ],
)
def test_every_clean_split_of_the_real_rigs(
    name: str, where: str | None, label: str, splits: int, real_data: Path, cache: Path
):
    source = BearingDatasets(name=name, root=real_data, where=where)
    assert len(passed(source, cache, label)) >= splits


def test_every_clean_split_of_the_simulator(cache: Path):
    source = Simulated(rigs=RIGS, bearings=2, conditions=4, seconds=1.25, snr_db=10.0, seed=0)
    assert len(passed(source, cache, "fault_type")) >= 15


@pytest.mark.slow
def test_every_clean_split_of_simulated_lives(cache: Path):
    source = SimulatedRuns(
        rigs=["motor", "spindle"], runs=3, snapshots=40, interval_s=60.0, seconds=0.25, snr_db=10.0, seed=0
    )
    assert passed(source, cache, "rig")


def alarm_free(rig: str, seed: int, snr_db: float, hundredths: int, option: str) -> None:
    """Draw a set of recordings, split it, audit it."""
    conditions = 4 if option == "speed" else 2  # two speeds, and two loads at each
    source = Simulated(
        rigs=[rig], bearings=1, conditions=conditions, seconds=hundredths / 100, snr_db=snr_db, seed=seed
    )
    table = source.table()
    table = table[table["fault_type"].isin(["normal", "inner"])].reset_index(drop=True)
    told = [described(source.signal(row, ["vibration"])[0], float(row["fs"])) for _, row in table.iterrows()]
    table = table.assign(content=[one for one, _ in told], label=table["fault_type"])
    windows = index(table["n_samples"], 512, 512)
    try:
        split = options()[option](table, windows, 512)
    except DataError:
        reject()  # the recordings do not allow the split: no set to audit, and none to be counted
    found = audit(split, table=table, windows=windows, window=512, fingerprints=np.stack([p for _, p in told]))
    assert (found.shared["samples"], found.shared["copies"]) == (0, 0)
    assert not any("is a copy of" in finding for finding in found.findings)


SETS = {
    "seed": st.integers(0, 2**31),
    "snr_db": st.floats(-10, 40),
    "hundredths": st.integers(10, 60),
    "option": st.sampled_from(["units", "recordings", "time_blocks", "load", "speed", "hold_out"]),
}


@pytest.mark.parametrize("rig", RIGS)
@settings(max_examples=5, deadline=None)
@given(**SETS)
def test_random_simulated_sets(rig: str, seed: int, snr_db: float, hundredths: int, option: str):
    alarm_free(rig, seed, snr_db, hundredths, option)


@pytest.mark.slow
@pytest.mark.parametrize("rig", RIGS)
@settings(max_examples=250, deadline=None)
@given(**SETS)
def test_a_thousand_random_simulated_sets(rig: str, seed: int, snr_db: float, hundredths: int, option: str):
    alarm_free(rig, seed, snr_db, hundredths, option)
