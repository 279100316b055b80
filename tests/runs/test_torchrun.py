"""Processes that torchrun has started."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from phmbench.record import Record
from tests.conftest import ROOT, TINY
from tests.runs.test_ranks import dying

pytestmark = pytest.mark.slow


def torchrun(*words: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", *words]
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(start, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_a_trainer_for_one_process_is_refused(tmp_path: Path, cache: Path):
    words = (*TINY, "task/split=recordings", f"hydra.run.dir={tmp_path / 'run'}")
    done = torchrun(str(ROOT / "train.py"), *words, folder=tmp_path, cache=cache)
    assert done.returncode != 0
    assert "2 processes were started, and the trainer's settings are for 1" in done.stderr


MULTINODE = (
    *TINY, "task/split=recordings", "model=spectral_linear", "trainer=multinode", "trainer.accelerator=cpu",
    "trainer.devices=1", "trainer.max_epochs=1", "trainer.deterministic=true",
)  # fmt: skip


def ended(*all_of: subprocess.Popen[str]) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each, once all have ended."""
    outputs = [process.communicate(timeout=200) for process in all_of]
    return [(process.returncode, *said) for process, said in zip(all_of, outputs, strict=True)]


def started(*words: str, folder: Path, cache: Path, **variables: str) -> subprocess.Popen[str]:
    given = {"PHMBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(
        [sys.executable, *words], cwd=folder, env={**os.environ, **given}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])


def test_two_machines_by_torchrun(tmp_path: Path, cache: Path):
    """Two agents on this one, each with a process: a grid, of which each job is run once, by both, into one folder."""
    agent = ("-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d",
             f"--rdzv-endpoint=localhost:{free_port()}", "--rdzv-id=test", "--local-addr=localhost")  # fmt: skip
    words = (str(ROOT / "train.py"), *MULTINODE, "-m", "seed=0,1")
    done = ended(*(started(*agent, *words, folder=tmp_path, cache=cache / "machines") for _ in range(2)))
    assert [code for code, _, _ in done] == [0, 0], done
    results = [json.loads(file.read_text()) for file in tmp_path.glob("outputs/sweeps/*/*/metrics.json")]
    assert sorted(result["seed"] for result in results) == [0, 1]
    for result in results:
        assert result["batch"] == {"size": 64, "processes": 2, "accumulated": 1, "effective": 128}
        assert sum(map(sum, result["confusion"]["counts"])) == result["split"]["test"]["windows"]
    for said in ("job 2 of 2", "test macro f1"):
        assert sorted(out.count(said) for _, out, _ in done) == [0, 1], said  # by the first process alone


def test_two_machines_by_srun(tmp_path: Path, cache: Path):
    """The variables that srun would set, by hand."""
    port = str(free_port())

    def task(number: int) -> subprocess.Popen[str]:
        slurm = {
            "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "test", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2",
            "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_NODELIST": "localhost", "SLURM_LOCALID": "0",
            "SLURM_PROCID": str(number), "SLURM_NODEID": str(number), "MASTER_PORT": port,
        }  # fmt: skip
        return started(str(ROOT / "train.py"), *MULTINODE, folder=tmp_path, cache=cache / "machines", **slurm)

    done = ended(task(1), task(0))
    assert [code for code, _, _ in done] == [0, 0], done
    (record,) = tmp_path.glob("outputs/*/*/metrics.json")
    assert json.loads(record.read_text())["batch"]["processes"] == 2


TOLD = "rank 1 failed: ZeroDivisionError: what a user's own class could raise"


@pytest.mark.parametrize("how", ["raise", "late", "kill"])
def test_a_rank_that_dies_ends_the_run(how: str, tmp_path: Path, cache: Path):
    """The record says what the rank told before it ended; torchrun names the rank.

    A killed one tells nothing: whether the other sees first that it is gone, or is first told to end, is a race.
    """
    words = (*TINY, "task/split=recordings", "trainer=ddp_cpu", "model=spectral_linear", "--trust", "tests")
    dies = dying("on_train_batch_start", how)
    run = tmp_path / "run"
    done = torchrun(str(ROOT / "train.py"), *words, *dies, f"hydra.run.dir={run}", folder=tmp_path, cache=cache)
    assert done.returncode != 0
    assert re.search(r"Root Cause .*\n.*\n.*\n.*host .*\n  rank      : 1 ", done.stderr), done.stderr
    state = Record.attach(run).state
    said = {"failed": "rank 0 ended: another process is gone", "interrupted": "interrupted; go on with it"}
    assert (said[state] if how == "kill" else TOLD) in done.stderr
    assert state == "failed" or how == "kill"
    if state == "failed":
        told = json.loads((run / "status.json").read_text())["error"]
        assert (said[state] if how == "kill" else TOLD) in told
    assert ("in _die" in (run / "log.txt").read_text()) is (how != "kill")


def test_a_grid_with_repeats_and_its_resumption(tmp_path: Path, cache: Path):
    words = (*TINY[:-2], "task/split=recordings", "trainer=ddp_cpu", "model=spectral_linear", "trainer.max_epochs=1")
    grid = tmp_path / "grid"
    done = torchrun(
        str(ROOT / "train.py"), *words, "repeats=2", "-m", "seed=0,5", f"hydra.sweep.dir={grid}",
        folder=tmp_path, cache=cache / "fresh",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = sorted(grid.glob("*/seed-*/metrics.json"), key=lambda file: file.parent.name)
    assert [file.parent.name for file in results] == ["seed-0", "seed-1", "seed-5", "seed-6"]
    for said in ("seed 5 (1 of 2)", "job 2 of 2", "job      test macro f1"):
        assert done.stdout.count(said) == 1, said  # by the first process only
    job = results[-1].parent.parent
    before = {file: file.read_text() for file in (results[-1], job / "metrics.json")}
    for file in before:
        file.unlink()
        status = file.with_name("status.json")
        status.write_text(status.read_text().replace('"done"', '"interrupted"'))
    resumed = torchrun("-m", "phmbench", "resume", str(job), folder=tmp_path, cache=cache / "fresh")
    assert resumed.returncode == 0, resumed.stderr
    for file, text in before.items():
        assert json.loads(file.read_text())["metrics"] == json.loads(text)["metrics"]


def test_a_failed_job_ends_the_grid_of_all_processes(tmp_path: Path, cache: Path):
    """One process must not go on with the next job while another is still in this one."""
    words = (*TINY[:-2], "task/split=recordings", "trainer=ddp_cpu", "model=spectral_linear", "trainer.max_epochs=1")
    grid = tmp_path / "grid"
    done = torchrun(
        str(ROOT / "train.py"), *words, "-m", "task.optimizer.fused=true", "task.optimizer.foreach=true,false",
        f"hydra.sweep.dir={grid}", folder=tmp_path, cache=cache,
    )  # fmt: skip
    assert done.returncode != 0
    assert "task.optimizer: `fused` and `foreach` cannot be" in done.stderr
    assert not list(grid.glob("*/metrics.json"))
    assert len(list(grid.glob("*/status.json"))) == 1
