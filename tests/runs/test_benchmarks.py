"""The benchmarks run and say what they have to say; what they measure is no matter of tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.timing import Row, figure, interval, ratio, rounds, spawn
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)  # it starts many processes, one after the other
@pytest.mark.parametrize(("part", "rows"), [("startup", 5), ("loader", 4), ("step", 2), ("store", 5), ("sweep", 2)])
def test_each_part_measures_what_the_page_shows(part: str, rows: int, tmp_path: Path):
    words = [sys.executable, "-m", "benchmarks", "--only", part, "--rounds", "1", "--tiny", "--out", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))[part]
    assert {"date", "machine", "versions", "commit", "command", "rounds", "load"} <= set(found)
    assert len(found["rows"]) == rows
    for row in found["rows"]:
        assert row["low"] <= row["value"] <= row["high"]
        assert (row["reached"] is None) == (row["at_most"] is row["at_least"] is None)
        assert f"| {row['what']} |" in (tmp_path / "RESULTS.md").read_text("utf-8")


def test_the_clock_ends_at_the_marker_and_contenders_take_turns():
    program = "import sys, time; print('now', flush=True); time.sleep(0.3); sys.exit(2)"
    done = spawn([sys.executable, "-c", program], marker="now", codes=(2,))
    assert done["output"] == "now\n"
    calls = []
    contenders = {name: lambda name=name: calls.append(name) or {"wall": 1.0} for name in "ab"}
    assert rounds(contenders, 2, warmup=1) == {"a": [{"wall": 1.0}] * 2, "b": [{"wall": 1.0}] * 2}
    assert "".join(calls) == "abbaab"


def test_a_failing_command_ends_the_benchmark():
    with pytest.raises(SystemExit, match="exit code 3"):
        spawn([sys.executable, "-c", "raise SystemExit(3)"])


def test_ratios_are_of_one_round_and_the_interval_is_of_order_statistics():
    """Nine values: P(median outside of the 2nd to 8th) = 2·(1 + 9)/512 = 0.039; of the 3rd to 7th 0.18, too much."""
    assert interval([9, 8, 7, 6, 5, 4, 3, 2, 1]) == (5, 2, 8)
    assert interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    slow, quick = [{"wall": 2.0, "cpu": 4.0}, {"wall": 6.0, "cpu": 4.0}], [{"wall": 1.0, "cpu": 1.0}] * 2
    row = ratio("a", slow, quick, at_most=3.0)
    assert (row.value, row.low, row.high, row.cpu, row.reached) == (4.0, 2.0, 6.0, 4.0, False)
    assert figure("memory", [1.0], "MiB", at_most=2.0).reached is True


def test_what_became_slower_is_beyond_both_intervals():
    def part(*rows: Row) -> results.Results:
        return {"step": {"rows": [row.plain() for row in rows]}}

    before = part(Row("time", 1.0, 0.9, 1.1, at_most=2.0), Row("speed", 1.0, 0.9, 1.1, at_least=0.5))
    assert results.slower(before, before) == []
    assert results.slower(part(Row("time", 1.15, 1.05, 1.2, at_most=2.0)), before) == []
    assert results.slower(part(Row("speed", 1.5, 1.4, 1.6, at_least=0.5)), before) == []
    assert results.slower(part(Row("time", 1.3, 1.2, 1.4, at_most=2.0)), before) == [
        "step: time: 1 × (0.9–1.1) → 1.3 × (1.2–1.4)"
    ]
    assert len(results.slower(part(Row("speed", 0.7, 0.6, 0.8, at_least=0.5)), before)) == 1
