"""The same method under other splits: what leaking is worth."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Command

pytestmark = pytest.mark.slow
SMALL = (
    "data=simulated", "data.sources.simulated.bearings=4", "data.sources.simulated.rigs=[motor]",
    "data.sources.simulated.conditions=2", "pipeline=baseline", "estimator=amplitude",
)  # fmt: skip


def test_the_gap_is_what_the_records_say(command: Command):
    done = command("experiment=leakage_gap", *SMALL, "repeats=1", "+task/split@other_splits.severity=severity")
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in done.result["other_splits"]}
    assert list(rows) == ["load", "recordings", "time_blocks", "window_random", "severity"]
    assert "refused" in done.out
    for name, row in rows.items():
        kept = done.folder / f"split-{name}" / "metrics.json"
        assert kept.exists() is (row["refused"] is None)
        if row["refused"] is None:
            inside = json.loads(kept.read_text())
            assert inside["metrics"] == row["metrics"]
            assert inside["split"]["level"] == row["split"]["level"]
    own = done.result
    assert own["split"]["name"] == "units"
    assert own["folds"]
    gain = rows["time_blocks"]["metrics"]["test/macro_f1"] - own["metrics"]["test/macro_f1"]
    assert f"{gain:+.3f}" in done.out
    assert f"{gain:+.3f}" in (done.folder / "report.html").read_text()
    assert rows["window_random"]["split"]["leaky"] is True
    assert own["split"]["leaky"] is False


def test_the_run_itself_is_the_same_without_others(command: Command):
    alone = command(*SMALL)
    beside = command(*SMALL, "+task/split@other_splits.again=recordings")
    assert alone.result["metrics"] == beside.result["metrics"]
    assert "other_splits" not in alone.result
