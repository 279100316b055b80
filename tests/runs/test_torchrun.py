"""Processes that torchrun has started."""

from __future__ import annotations

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
