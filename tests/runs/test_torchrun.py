"""Processes that torchrun has started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY

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
