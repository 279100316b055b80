"""Sweeps through a real Slurm of one node, which tests/clusters/slurm.sh starts: `make test-slurm`."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phmbench.record.status import state
from tests.conftest import ROOT, TINY, Command
from tests.runs.test_sweep_parallel import RATES, running, started, until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif("SLURM_CONF" not in os.environ, reason="make test-slurm starts a Slurm"),
]
QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")
SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=60")


def slurm(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(autouse=True)
def _empty_queue() -> Iterator[None]:
    yield
    slurm("scancel", f"--user={getpass.getuser()}")
    until(lambda: not slurm("squeue", "--noheader").split(), seconds=120)


def status(folder: Path) -> dict[str, Any]:
    """What `phmbench sweep-status --json` says."""
    words = (sys.executable, "-m", "phmbench", "sweep-status", str(folder), "--json")
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60, env=variables())
    return dict(json.loads(done.stdout))


def variables() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def only_job() -> str:
    """The number of the one job in the queue."""
    (found,) = slurm("squeue", "--noheader", "--format=%A").split()
    return found


def start_now(job: str) -> None:
    """Of a job that is put back, as soon as it is: Slurm would wait for two minutes."""
    until(lambda: slurm("squeue", "--noheader", "--format=%t").split() == ["PD"], seconds=120)
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")


def test_a_grid_is_an_array(command: Command):
    done = command(*QUICK, "-m", "seed=0,1,2", *SLURM)
    assert done.code == 0, done.err
    assert len(list(done.folder.glob("*/metrics.json"))) == 3
    (script,) = {path.resolve() for path in (done.folder / ".submitit").glob("*/*submission.sh")}
    assert "--array=0-2%3" in script.read_text()
    assert "test macro f1" in done.out
    assert (found := status(done.folder))["counts"]["complete"] == found["wanted"] == 3


def test_a_search(command: Command):
    done = command(*QUICK, RATES, "n_trials=4", "refit=0", *SLURM, "hydra.sweeper.n_jobs=2", program="sweep")
    assert done.code == 0, done.err
    (folder,) = (done.folder.parent / "outputs" / "sweeps").iterdir()
    assert len(list(folder.glob("*/metrics.json"))) == 4
    assert (found := status(folder))["counts"]["complete"] == found["wanted"] == 4
    assert found["best"]["folder"] in {path.name for path in folder.iterdir()}


LONG = (*QUICK, "trainer.max_epochs=30", "trainer.callbacks.early_stopping=null", *SLURM)
GRID = (str(ROOT / "train.py"), "-m", "seed=0")


@pytest.mark.parametrize("how", ["requeue", "preempted"])
def test_a_job_that_is_put_back_goes_on_from_its_last_checkpoint(how: str, tmp_path: Path, cache: Path):
    """By Slurm (SIGTERM, then SIGKILL), and by submitit, whose own signal says to make room."""
    folder = tmp_path / "grid"
    with started(*GRID, *LONG, f"hydra.sweep.dir={folder}", folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 1, seconds=120)
        (run,) = running(folder)
        job = only_job()
        if how == "requeue":
            slurm("scontrol", "requeue", job)
        else:
            slurm("scancel", "--signal=USR2", f"{job}.0")
        start_now(job)
        out, err = sweep.communicate(timeout=400)
    assert sweep.returncode == 0, out + err
    assert state(run) == "done"
    assert "resumed: " in (run / "log.txt").read_text()


def test_a_job_that_runs_out_of_time_is_queued_again(tmp_path: Path, cache: Path):
    """Two minutes, twice: it goes on from its last checkpoint, and is left to the same command when it may not again.

    Slurm sends its signal up to a minute earlier than it is told to: with a second, it may come with the kill.
    """
    folder = tmp_path / "grid"
    words = (*GRID, *LONG, "trainer.max_epochs=100000", "hydra.launcher.timeout_min=2",
             "hydra.launcher.signal_delay_s=30", "hydra.launcher.max_num_timeout=1",
             f"hydra.sweep.dir={folder}")  # fmt: skip
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 1, seconds=120)
        (run,) = running(folder)
        start_now(only_job())
        _, err = sweep.communicate(timeout=300)
    assert sweep.returncode == 1, err
    assert "timed-out too many times" in " ".join(err.split())
    assert (run / "log.txt").read_text().count("resumed: ") == 1
    assert state(run) == "failed"
    assert status(folder)["counts"]["failed"] == 1


def test_a_job_that_is_cancelled_is_left_to_the_same_command(tmp_path: Path, cache: Path):
    folder = tmp_path / "grid"
    words = (*GRID, *LONG, f"hydra.sweep.dir={folder}")
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 1, seconds=120)
        (run,) = running(folder)
        slurm("scancel", only_job())
        _, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 1, err
    assert "got no result; expected its process to run to its end" in " ".join(err.split())
    assert state(run) == "interrupted"
    assert status(folder)["counts"]["interrupted"] == 1
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        out, err = sweep.communicate(timeout=400)
    assert sweep.returncode == 0, out + err
    assert state(run) == "done"
    assert "resumed: " in (run / "log.txt").read_text()


def test_a_trial_that_is_cancelled_goes_on(tmp_path: Path, cache: Path):
    """One of two jobs of a search: the other is told, and the trial is run again, from its last checkpoint."""
    folder = tmp_path / "search"
    words = (str(ROOT / "sweep.py"), *LONG, RATES, "n_trials=2", "refit=0", "hydra.sweeper.n_jobs=2",
             "hydra.launcher.array_parallelism=1", f"hydra.sweep.dir={folder}")  # fmt: skip
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 1, seconds=120)
        (run,) = running(folder)
        slurm("scancel", f"{slurm('squeue', '--noheader', '--states=R', '--format=%F').split()[0]}_0")
        out, err = sweep.communicate(timeout=400)
    assert sweep.returncode == 0, out + err
    assert state(run) == "done"
    assert "resumed: " in (run / "log.txt").read_text()
    assert status(folder)["counts"] == {"complete": 2, "running": 0, "failed": 0, "pruned": 0, "interrupted": 0}


def test_several_nodes_from_a_job_of_two_tasks(tmp_path: Path, cache: Path):
    """`srun python train.py trainer=multinode` in a script; two tasks stand for two machines with a process each."""
    words = (*QUICK, "trainer=multinode", "trainer.accelerator=cpu", "trainer.num_nodes=1", "trainer.devices=2",
             "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    script = tmp_path / "job.sh"
    script.write_text(
        f"#!/bin/bash\n#SBATCH --ntasks-per-node=2 --nodes=1 --output={tmp_path}/out.txt\n"
        f"srun {sys.executable} {ROOT / 'train.py'} {' '.join(words)}\n"
    )
    env = {**variables(), "PHMBENCH_CACHE": str(cache)}
    subprocess.run(["sbatch", "--wait", str(script)], check=False, env=env, cwd=tmp_path, timeout=200)
    said = (tmp_path / "out.txt").read_text()
    result = json.loads((tmp_path / "run" / "metrics.json").read_text()) if "Results" in said else pytest.fail(said)
    assert result["batch"]["processes"] == 2
    assert sum(map(sum, result["confusion"]["counts"])) == result["split"]["test"]["windows"]
    assert said.count("Results\n") == 1
