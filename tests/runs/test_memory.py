"""Runs with too little memory: what they say, and the batch that they find."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from phmbench.record import state
from tests.conftest import ROOT, TINY, Command

pytestmark = pytest.mark.slow

LARGE = (*TINY[:-2], "data.hop=32", "task/split=recordings", "trainer=cpu", "trainer.max_epochs=1",
         "model=patch_transformer", "data.batch_size=3988", "trainer.limit_train_batches=2",
         "trainer.limit_val_batches=1", "trainer.limit_test_batches=1")  # fmt: skip
"""Steps that need about 1.6 GB; their batch can be divided into 2, 4, 997 and 1994."""
MOST = 2350 * 2**20
"""Of which libraries and what pyarrow asks for in advance take 1.5 GB: half-way between what the smallest batch and
what the whole one need, since machines differ by 0.1 GB and more."""


def limited(*words: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """A run whose processes get 2.3 GB of private memory each."""
    start = (
        f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_DATA, ({MOST}, resource.RLIM_INFINITY)); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", start, str(ROOT / "train.py"), *words, f"hydra.run.dir={folder / 'run'}"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of private memory is Linux's")
def test_a_run_without_enough_memory_says_what_fits(tmp_path: Path, cache: Path):
    done = limited(*LARGE, folder=tmp_path, cache=cache)
    assert done.returncode == 1, done.stdout
    found = re.search(
        r"expected at most (\d+), with which a trial had enough; set data\.batch_size=(\d+) "
        r"trainer\.accumulate_grad_batches=(\d+) \(the same steps\), or fit_memory=true; ",
        done.stderr,
    )
    assert found, done.stderr
    fitting, size, parts = map(int, found.groups())
    assert fitting == size < size * parts == 3988
    assert "model.gradient_checkpointing=true computes activations again" in done.stderr
    assert "Traceback" not in done.stderr
    assert state(tmp_path / "run") == "failed"
    assert "data.batch_size: out of memory" in json.loads((tmp_path / "run" / "status.json").read_text())["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of private memory is Linux's")
def test_the_largest_batch_that_fits_is_found_and_kept(tmp_path: Path, cache: Path):
    """A few batches make a step of 3988; the record's configuration has them, so that a repetition does too."""
    done = limited(*LARGE, "fit_memory=true", folder=tmp_path, cache=cache)
    assert done.returncode == 0, done.stderr
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    size, parts = kept["data"]["batch_size"], kept["trainer"]["accumulate_grad_batches"]
    assert size < size * parts == 3988
    assert (kept["fit_memory"], kept["trainer"]["limit_train_batches"]) == (False, 2 * parts)
    said = (
        f"fit_memory: 3988 windows a batch do not fit into memory; each step adds the gradients of {parts} batches of"
    )
    warned = json.loads((tmp_path / "run" / "metrics.json").read_text())["warnings"]
    assert any(text.startswith(said) for text in warned)
    assert f"warning: {said}" in " ".join(done.stdout.split())


def test_where_everything_fits_nothing_changes(command: Command):
    """To the last bit: metrics, weights, and the configuration that is kept."""
    words = (*TINY[:-2], "task/split=recordings", "trainer=cpu", "trainer.max_epochs=1")
    plain, fitted = command(*words, name="plain"), command(*words, "fit_memory=true", name="fitted")
    assert fitted.code == 0, fitted.err
    assert "windows a batch fit; nothing was changed" in fitted.out
    assert fitted.result["metrics"] == plain.result["metrics"]
    one, other = (
        torch.load(done.folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for done in (plain, fitted)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (fitted.folder / "config.yaml").read_text() == (plain.folder / "config.yaml").read_text()


def test_ranks_that_torchrun_started_take_the_smallest(tmp_path: Path, cache: Path):
    program = tmp_path / "smallest.py"
    program.write_text(
        "from phmbench.training import ranks\n"
        "found = [ranks.board().smallest(10 - ranks.rank()), ranks.board().smallest(3 + ranks.rank())]\n"
        "assert found == [9, 3], found\n"
    )
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    words = (*TINY[:-2], "task/split=recordings", "trainer=ddp_cpu", "trainer.max_epochs=1", "fit_memory=true")
    for command in ([str(program)], [str(ROOT / "train.py"), *words, f"hydra.run.dir={tmp_path / 'run'}"]):
        done = subprocess.run(
            [*start, *command], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.count("windows a batch fit; nothing was changed") == 1
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["fit_memory"] is False
