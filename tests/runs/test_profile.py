"""`profile=true` on whole runs: several processes and seeds; and that without it nothing of it is there."""

from __future__ import annotations

import json

import pytest

from phmbench.record import profile
from tests.conftest import TINY, Command

pytestmark = pytest.mark.slow


def test_seeds_in_two_processes_each(command: Command):
    """The first process of each seed is looked at; the table is the sum over both."""
    done = command(*TINY, "trainer=ddp_cpu", "trainer.max_epochs=1", "repeats=2", "profile=true")
    assert done.code == 0, done.err
    assert "time of 2 fits" in done.out
    assert "profile   " in done.out
    assert "USDT" not in done.err  # torch's own profiler keeps quiet
    found = profile.read(done.folder)
    assert found is not None
    assert found.fits == 2
    for seed in (0, 1):
        folder = done.folder / f"seed-{seed}"
        one = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert sum(one["parts"].values()) == pytest.approx(metrics["seconds"]["fit"], rel=0.3)
        assert (folder / one["trace"]).exists()
    assert "Where the time went" in (done.folder / "report.html").read_text(encoding="utf-8")


def test_without_it_nothing_is_imported_or_written(command: Command):
    done = command(*TINY, "trainer=debug", env={"PYTHONPROFILEIMPORTTIME": "1"})  # each import is a line of stderr
    assert done.code == 0, done.err
    assert "phmbench.training.fit" in done.err
    assert "phmbench.training.profile" not in done.err
    assert not (done.folder / "profile.json").exists()
