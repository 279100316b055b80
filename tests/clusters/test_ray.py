"""Sweeps on a local Ray of two workers: `make test-ray`."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from phmbench.record.status import state
from tests.conftest import ROOT, TINY, Command
from tests.runs.test_sweep_parallel import RATES, running, started, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
pytest.importorskip("ray")
QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")
RAY = ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2")
LONG = (*QUICK, "trainer.max_epochs=150", "trainer.callbacks.early_stopping=null")


def test_a_grid_on_two_workers(command: Command):
    words = (*QUICK, "-m", "seed=0,1", *RAY)
    done = command(*words)
    assert done.code == 0, done.err
    results = [json.loads(path.read_text()) for path in done.folder.glob("*/metrics.json")]
    assert len(results) == 2
    assert "test macro f1" in done.out


def test_a_search_on_two_workers(command: Command):
    done = command(*QUICK, RATES, "n_trials=4", "refit=1", *RAY, "hydra.sweeper.n_jobs=2", program="sweep")
    assert done.code == 0, done.err
    (folder,) = (done.folder.parent / "outputs" / "sweeps").iterdir()
    assert len(list(folder.glob("*/metrics.json"))) == 5
    assert (folder / "sweep.html").exists()
    assert "tested once" in done.out


@pytest.mark.parametrize("what", [("train.py", "-m", "seed=0,1"), ("sweep.py", RATES, "n_trials=2", "refit=0")])
def test_a_worker_that_is_killed_loses_nothing(what: tuple[str, ...], tmp_path: Path, cache: Path):
    """Its job goes on from its last checkpoint: by Ray's own retry, or by the search, or by the same command."""
    folder, (program, *own) = tmp_path / "sweep", what
    own += ["hydra.sweeper.n_jobs=2"] if program == "sweep.py" else []
    words = (str(ROOT / program), *LONG, *own, *RAY, f"hydra.sweep.dir={folder}")
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 2, seconds=180)
        victim = json.loads((running(folder)[0] / "status.json").read_text())["pid"]
        os.kill(victim, signal.SIGKILL)
        out, err = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, out + err
    assert [state(run) for run in running(folder)] == ["done", "done"]
    assert any("resumed: " in (run / "log.txt").read_text() for run in running(folder))
