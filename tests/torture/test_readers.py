"""Thousands of damaged files of every format: each is refused by name, or read; none ends, stops or fills the process.

A sample runs with the slow tests; `PHMBENCH_TORTURE=full` runs all. A number makes a mutation: the file that failed is
made again by `python -m tests.torture.reading WHAT NUMBER 1 FOLDER`, where it is left.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.torture.counting import FULL, count
from tests.torture.reading import READINGS

NUMBER = 5000 if FULL else 60  # files of each format


class Tally(NamedTuple):
    """How many were tried, and what was said of those that did not end well."""

    count: int
    read: int
    failed: list[str]


def tried(what: str, number: int, folder: Path) -> Tally:
    """Read mutations 0 to `number`; a process that dies of one is followed by another from the next on."""
    first, done, read, failed = 0, 0, 0, []
    while first < number:
        words = [sys.executable, "-m", "tests.torture.reading", what, str(first), str(number - first), str(folder)]
        run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        said = [line.split(" ", 1) for line in run.stdout.splitlines()]
        assert said, run.stderr  # not even begun
        done += len(said)
        read += sum(end == "read" for _, *rest in said for end in rest)
        failed += [f"{n} {rest}" for n, rest in said if rest.startswith("FAILED")]
        if run.returncode:
            failed.append(f"{said[-1][0]} ended the process with {run.returncode}: {run.stderr[-500:]}")
        first = int(said[-1][0]) + 1
    return Tally(done, read, failed)


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.timeout(0 if FULL else 300)
@pytest.mark.parametrize("what", sorted(READINGS))
def test_damaged_files(what: str, tmp_path: Path):
    tally = tried(what, NUMBER, tmp_path)
    count("mutated files", what, tally.count, tally.count - len(tally.failed))
    assert tally.failed == []
    assert tally.count == (NUMBER)
    assert tally.read or READINGS[what].sealed  # else some are harmless
