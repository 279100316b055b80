"""Sweeps through a real Slurm of one node, which tests/clusters/slurm.sh starts: `make test-slurm`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phmbench.record.status import state
from tests.conftest import ROOT, TINY, Command
from tests.runs.test_sweep_parallel import RATES, running, started, until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif("SLURM_CONF" not in os.environ, reason="make test-slurm starts a Slurm"),
]
QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")
SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=10")


def slurm(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def test_a_grid_is_an_array(command: Command):
    done = command(*QUICK, "-m", "seed=0,1,2", *SLURM)
    assert done.code == 0, done.err
    assert len(list(done.folder.glob("*/metrics.json"))) == 3
    (script,) = {path.resolve() for path in (done.folder / ".submitit").glob("*/*submission.sh")}
    assert "--array=0-2%3" in script.read_text()
    assert "test macro f1" in done.out


def test_a_search(command: Command):
    done = command(*QUICK, RATES, "n_trials=4", "refit=0", *SLURM, "hydra.sweeper.n_jobs=2", program="sweep")
    assert done.code == 0, done.err
    (folder,) = (done.folder.parent / "outputs" / "sweeps").iterdir()
    assert len(list(folder.glob("*/metrics.json"))) == 4


LONG = (*QUICK, "trainer.max_epochs=400", "trainer.callbacks.early_stopping=null", "-m", "seed=0", *SLURM)


@pytest.mark.parametrize("how", ["requeue", "time is up"])
def test_a_job_that_is_put_back_goes_on_from_its_last_checkpoint(how: str, tmp_path: Path, cache: Path):
    """By Slurm (SIGTERM, then SIGKILL), and by submitit, whose own signal says that the time will be up."""
    folder = tmp_path / "grid"
    with started(str(ROOT / "train.py"), *LONG, f"hydra.sweep.dir={folder}", folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 1, seconds=90)
        (run,) = running(folder)
        job = slurm("squeue", "--noheader", "--format=%A").split()[0]
        if how == "requeue":
            slurm("scontrol", "requeue", job)
            until(lambda: slurm("squeue", "--noheader", "--format=%t").split() == ["PD"])
            slurm("scontrol", "update", f"JobId={job}", "StartTime=now")  # Slurm would wait for two minutes
        else:
            slurm("scancel", "--signal=USR2", f"{job}.0")
        out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out + err
    assert state(run) == "done"
    assert "resumed: " in (run / "log.txt").read_text()


def test_a_job_that_is_cancelled_is_left_to_the_same_command(tmp_path: Path, cache: Path):
    folder = tmp_path / "grid"
    words = (str(ROOT / "train.py"), *LONG, f"hydra.sweep.dir={folder}")
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 1, seconds=90)
        (run,) = running(folder)
        slurm("scancel", slurm("squeue", "--noheader", "--format=%A").split()[0])
        _, err = sweep.communicate(timeout=100)
    assert sweep.returncode == 1, err
    assert "got no result; expected its process to run to its end" in err
    assert state(run) == "interrupted"
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out + err
    assert state(run) == "done"
    assert "resumed: " in (run / "log.txt").read_text()


def test_several_nodes_from_a_job_of_two_tasks(tmp_path: Path, cache: Path):
    """`srun python train.py trainer=multinode` in a script; two tasks stand for two machines with a process each."""
    words = (*QUICK, "trainer=multinode", "trainer.accelerator=cpu", "trainer.num_nodes=1", "trainer.devices=2",
             "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    script = tmp_path / "job.sh"
    script.write_text(
        f"#!/bin/bash\n#SBATCH --ntasks-per-node=2 --nodes=1 --output={tmp_path}/out.txt\n"
        f"srun {sys.executable} {ROOT / 'train.py'} {' '.join(words)}\n"
    )
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(["sbatch", "--wait", str(script)], check=False, env=variables, cwd=tmp_path, timeout=200)
    said = (tmp_path / "out.txt").read_text()
    result = json.loads((tmp_path / "run" / "metrics.json").read_text()) if "Results" in said else pytest.fail(said)
    assert result["batch"]["processes"] == 2
    assert sum(map(sum, result["confusion"]["counts"])) == result["split"]["test"]["windows"]
    assert said.count("Results\n") == 1
