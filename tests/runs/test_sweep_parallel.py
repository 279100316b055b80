"""Sweeps whose jobs run beside each other: joblib, submitit's local executor, ranks in both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from phmbench.record.status import state
from tests.conftest import ROOT, TINY, Command

pytestmark = pytest.mark.slow
pytest.importorskip("optuna")
pytest.importorskip("joblib")

QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
RATES = "task.optimizer.lr=tag(log,interval(1e-4,1e-2))"


def children(of: int) -> set[int]:
    """All processes that one has started, and those that these have, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, last = {of}, set[int]()
    while found != last:
        last = set(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found - {of}


def until(what: Callable[[], bool], *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextmanager
def started(*words: str, folder: Path, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep in a session of its own, which nothing outlives."""
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *words], cwd=folder, env=variables, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def running(folder: Path) -> list[Path]:
    """Run directories whose fit has begun and has made a checkpoint."""
    return sorted({path.parent.parent for path in folder.glob("*/checkpoints/last.ckpt")})


def test_a_grid_by_joblib(command: Command, tmp_path: Path):
    """Threads are shared, the store is built once, each job has its log and seed, and the screen a line for each."""
    words = (*QUICK, "-m", "seed=0,1", *JOBLIB)
    done = command(*words, env={"PHMBENCH_CACHE": str(tmp_path / "fresh")})
    assert done.code == 0, done.err
    assert done.out.count("· done, val/macro_f1 0.") == 2
    assert "Results\n" not in done.out
    assert "test macro f1" in done.out  # the grid's table, at the end
    runs = sorted(path.parent for path in done.folder.glob("*/metrics.json"))
    assert len(runs) == 2
    assert [state(run) for run in runs] == ["done", "done"]
    logs = [(run / "log.txt").read_text() for run in runs]
    assert sum("preparing the store" in text or "building the store" in text for text in logs) <= 1
    assert len(list((tmp_path / "fresh" / "stores").glob("*.h5"))) == 1
    jobs = [json.loads((run / "job.json").read_text()) for run in runs]
    assert [job["threads"] for job in jobs] == [max(1, len(os.sched_getaffinity(0)) // 2)] * 2
    assert sorted(job["config"]["seed"] for job in jobs) == [0, 1]
    again = command(*words)
    assert "2 done" in again.out
    assert "· done" not in again.out


def test_a_search_by_joblib_with_ranks(command: Command):
    """Two ranks in each of two trials: each trial once, one run directory each; the best one tests no window twice."""
    words = (*QUICK[:-1], "trainer=ddp_cpu", "trainer.max_epochs=1", "model=spectral_linear", RATES, "n_trials=2")
    done = command(*words, *JOBLIB, "refit=1", program="sweep")
    assert done.code == 0, done.err
    (folder,) = (done.folder.parent / "outputs" / "sweeps").iterdir()
    results = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/metrics.json")}
    assert [result["batch"]["processes"] for result in results.values()] == [2, 2, 2]
    (best,) = (result for name, result in results.items() if name.startswith("best-trial-"))
    (job,) = folder.glob("best-trial-*/job.json")
    assert json.loads(job.read_text())["threads"] == len(os.sched_getaffinity(0))
    assert sum(map(sum, best["confusion"]["counts"])) == best["split"]["test"]["windows"]


def test_a_process_of_joblib_that_is_killed_goes_on_in_another(tmp_path: Path, cache: Path):
    """The first kill loses nothing: its job goes on from its checkpoint."""
    folder = tmp_path / "grid"
    words = (str(ROOT / "train.py"), *QUICK, "trainer.max_epochs=150", "trainer.callbacks.early_stopping=null", "-m",
             "seed=0,1", *JOBLIB, f"hydra.sweep.dir={folder}")  # fmt: skip
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 2)
        victim = json.loads((running(folder)[0] / "status.json").read_text())["pid"]
        os.kill(victim, signal.SIGKILL)
        out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, err
    assert "its process ended, and goes on in another" in " ".join(out.split())
    assert [state(run) for run in running(folder)] == ["done", "done"]
    assert any("resumed: " in (run / "log.txt").read_text() for run in running(folder))


GRID, SEARCH = ("train.py", "-m", "seed=0,1"), ("sweep.py", RATES, "n_trials=3", "sweep_name=s")


@pytest.mark.parametrize(("what", "to"), [(GRID, "sweep"), (SEARCH, "group")])
def test_ctrl_c_ends_all_processes(what: tuple[str, ...], to: str, tmp_path: Path, cache: Path):
    """From the terminal, which reaches all of them, or sent to the command alone."""
    folder = tmp_path / "sweep"
    program, *own = what
    words = (str(ROOT / program), *QUICK, "trainer.max_epochs=100000", "trainer.callbacks.early_stopping=null", *own,
             *JOBLIB, f"hydra.sweep.dir={folder}")  # fmt: skip
    with started(*words, folder=tmp_path, cache=cache) as sweep:
        until(lambda: len(running(folder)) == 2)
        below = children(sweep.pid)
        (os.killpg if to == "group" else os.kill)(sweep.pid, signal.SIGINT)
        _, err = sweep.communicate(timeout=60)
        assert sweep.returncode == 130, err
        assert "interrupted" in err
        assert "Traceback" not in err
        until(lambda: not any(map(alive, below)), seconds=20)
    assert [state(run) for run in running(folder)] == ["interrupted", "interrupted"]
    if what == SEARCH:
        import optuna

        from phmbench.sweep import storage

        study = optuna.load_study(study_name="s", storage=storage.journal(folder / storage.JOURNAL))
        assert [trial.state.name for trial in study.trials] == ["RUNNING", "RUNNING"]
        assert [trial.user_attrs["interrupted"] for trial in study.trials] == [True, True]
        assert "type the same command again" in " ".join(err.split())


def test_submitit_on_this_machine(command: Command):
    pytest.importorskip("submitit")
    words = (*QUICK, "-m", "seed=0,1", "hydra/launcher=submitit_local")
    done = command(*words)
    assert done.code == 0, done.err
    assert len(list(done.folder.glob("*/metrics.json"))) == 2
    assert len(list((done.folder / ".submitit").glob("*/*_log.out"))) == 2
    assert "test macro f1" in done.out


def test_what_slurm_would_be_sent_can_be_seen(command: Command):
    pytest.importorskip("submitit")
    done = command(*QUICK, "-m", "--dry-run", "seed=0,1,2", "hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=4")
    assert done.code == 0, done.err
    assert "dry run: 3 jobs would start" in done.out
    assert "#SBATCH --array=0-2%3" in (done.folder / "sbatch.sh").read_text()
    assert not list(done.folder.glob("*/job.json"))
