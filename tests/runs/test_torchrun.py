"""Processes that torchrun has started."""

from __future__ import annotations

import json
import os
import re
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


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", "rank 1 failed: ZeroDivisionError: what a user's own class could raise"),
        ("kill", "rank 0 ended: another process is gone"),
    ],
)
def test_a_rank_that_dies_ends_the_run(how: str, said: str, tmp_path: Path, cache: Path):
    """The record says failed, with what the rank told before it ended; torchrun names the rank."""
    words = (*TINY, "task/split=recordings", "trainer=ddp_cpu", "model=spectral_linear", "--trust", "tests")
    dies = dying("on_train_batch_start", how)
    run = tmp_path / "run"
    done = torchrun(str(ROOT / "train.py"), *words, *dies, f"hydra.run.dir={run}", folder=tmp_path, cache=cache)
    assert done.returncode != 0
    assert said in done.stderr
    assert re.search(r"Root Cause .*\n.*\n.*\n.*host .*\n  rank      : 1 ", done.stderr)
    assert Record.attach(run).state == "failed"
    assert said in json.loads((run / "status.json").read_text())["error"]
    assert ("in _die" in (run / "log.txt").read_text()) is (how == "raise")


def test_a_grid_with_repeats_and_its_resumption(tmp_path: Path, cache: Path):
    words = (*TINY[:-2], "task/split=recordings", "trainer=ddp_cpu", "model=spectral_linear", "trainer.max_epochs=1")
    grid = tmp_path / "grid"
    done = torchrun(
        str(ROOT / "train.py"), *words, "repeats=2", "-m", "seed=0,5", f"hydra.sweep.dir={grid}",
        folder=tmp_path, cache=cache / "fresh",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = sorted(grid.glob("*/seed-*/metrics.json"))
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
