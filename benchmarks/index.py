"""One child of `store.py`: index, split and audit a number of windows, with content fingerprints as a store holds them.

    python -m benchmarks.index WINDOWS

Ten windows a recording, fifty recordings a unit, five classes. Prints one JSON line: seconds of each stage, and the
peak of the process's memory in MiB, imports included.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from phmbench.data.audit import audit
from phmbench.data.fingerprint import PROFILE_SIZE
from phmbench.data.splits.units import Units
from phmbench.data.windows import index

WINDOW, EACH, OF_UNIT, CLASSES = 2048, 10, 50, 5


def recordings(number: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of a store, (R, …), and its profiles, (R, P)."""
    rng = np.random.default_rng(0)
    row = np.arange(number)
    unit = row // min(OF_UNIT, max(1, number // (10 * CLASSES)))  # ten units a class at least
    text = np.char.add
    table = pd.DataFrame(
        {
            "dataset": "made",
            "rig": text("rig", (unit % 4).astype(str)),
            "recording": text("made/", row.astype(str)),
            "unit": text("made/unit", unit.astype(str)),
            "condition": text("", (row % 8 * 100).astype(str)),
            "fault_type": text("class", (unit % CLASSES).astype(str)),
            "length": EACH * WINDOW,
            "content": [f"{value:032x}" for value in rng.permutation(number)],
        }
    )
    table["label"] = table["fault_type"]
    profiles = rng.standard_normal((number, PROFILE_SIZE), np.float32)
    return table, profiles / np.linalg.norm(profiles, axis=1, keepdims=True)


def _peak() -> float:
    """MiB; ru_maxrss would begin with what the process that started this one had."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def main() -> None:
    """Time the three stages."""
    table, profiles = recordings(int(sys.argv[1]) // EACH)
    marks = [time.perf_counter()]
    windows = index(table["length"].to_numpy(), WINDOW, WINDOW)
    marks.append(time.perf_counter())
    assignment = Units(val=0.2, test=0.2, target=None, seed=0)(table, windows, WINDOW)
    marks.append(time.perf_counter())
    found = audit(assignment, table=table, windows=windows, window=WINDOW, fingerprints=profiles)
    marks.append(time.perf_counter())
    assert found.shared["samples"] == found.shared["copies"] == 0
    assert len(windows.start) == int(sys.argv[1])
    stages = dict(zip(("index", "split", "audit"), np.diff(marks).tolist(), strict=True))
    peak = _peak()
    print(json.dumps({**stages, "seconds": marks[-1] - marks[0], "cpu": time.process_time(), "peak": peak}))


if __name__ == "__main__":
    main()
