"""Memory that is left, errors that mean it was not enough, and batches that are divided."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from phmbench import build
from phmbench.config import Config
from phmbench.errors import ConfigError, DataError, PhmbenchError
from phmbench.record import Record
from phmbench.training import batch_size, memory, shortage
from tests.contract.composing import QUICK, composed

GIB = 2**30


def tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("member", "groups", "left"),
    [
        ("0::/", {}, 8 * GIB),
        ("0::/job", {"job/memory.max": "max", "job/memory.current": "1"}, 8 * GIB),
        ("0::/job/step", {"job/memory.max": f"{4 * GIB}", "job/memory.current": f"{GIB}"}, 3 * GIB),
        (
            "0::/job",
            {
                "job/memory.max": f"{4 * GIB}",
                "job/memory.current": f"{3 * GIB}",
                "job/memory.stat": f"anon 1\ninactive_file {GIB}\n",
            },
            2 * GIB,
        ),
        (
            "5:cpu:/x\n4:memory:/job",
            {"memory/job/memory.limit_in_bytes": f"{2 * GIB}", "memory/job/memory.usage_in_bytes": f"{2 * GIB + 1}"},
            0,
        ),
    ],
)
def test_what_is_left_is_the_least_that_system_and_groups_leave(
    member: str, groups: dict[str, str], left: int, tmp_path: Path
):
    """8 GiB of the system; groups of version 2 (`0::`) and 1, and those above them; pages of files are given back."""
    tree(tmp_path / "proc", {"meminfo": f"MemTotal: 1 kB\nMemAvailable:  {8 * 2**20} kB\n", "self/cgroup": member})
    tree(tmp_path / "groups", groups)
    assert memory.available(proc=tmp_path / "proc", groups=tmp_path / "groups") == left
    assert memory.available(proc=tmp_path / "nowhere") is None


def test_errors_that_mean_too_little_memory():
    """Made for real where a CPU can make them; what CUDA, cuDNN, oneDNN and the loader say, as they say it."""
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**50)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**50)
    wrapped = PhmbenchError("rank 1 failed: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    others = [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("could not create a primitive"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed. "),
    ]
    assert all(memory.exhausted(error) for error in (of_torch.value, of_numpy.value, wrapped, *others))
    later = ValueError("the fit failed")
    later.__cause__ = of_torch.value
    assert memory.exhausted(later)
    for other in (RuntimeError("sizes do not match"), ValueError("out of memory"), DataError("out of memory")):
        assert not memory.exhausted(other)


def test_allocations_fail_beyond_the_limit_and_not_within():
    """A limit of 1 GiB more: half of it can be taken, twice of it cannot; what is left counts from the limit."""
    code = """
import torch
from phmbench.training import memory
before = memory.room()
memory.limit(memory.private() + 2**30)
assert memory.room() <= min(before, 2**30) + 2**22
a = torch.empty(2**29, dtype=torch.uint8)
assert memory.room() <= 2**29 + 2**22
try:
    torch.empty(2**31, dtype=torch.uint8)
except RuntimeError as error:
    print(memory.exhausted(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.fixture
def job(tmp_path: Path) -> Config:
    return composed(*QUICK, "model=spectral_linear", "task/split=recordings", f"paths.cache={tmp_path}")


def test_a_divided_batch_makes_the_same_steps(job: Config):
    """Numbers of batches count smaller ones; shares of an epoch stay."""
    trainer = {**job["trainer"], "accumulate_grad_batches": 2, "limit_train_batches": 3, "limit_val_batches": 0.5,
               "limit_test_batches": None, "val_check_interval": 2}  # fmt: skip
    found = batch_size.divided({**job, "trainer": trainer}, 16, 4)
    assert found["data"]["batch_size"] == 16
    changed = {name: value for name, value in found["trainer"].items() if value != trainer[name]}
    assert changed == {"accumulate_grad_batches": 8, "limit_train_batches": 12, "val_check_interval": 8}
    assert job["data"]["batch_size"] == 64


def test_gradients_of_the_parts_are_those_of_the_whole(job: Config, tmp_path: Path):
    """A network without BatchNorm and dropout: the same weights after an epoch, within 1e-6."""

    def fitted(config: Config) -> torch.Tensor:
        torch.manual_seed(0)
        data = build.data(config)
        data.assign()
        task = build.task(config, data.facts)
        short = {**config["trainer"], "max_epochs": 1, "callbacks": None, "enable_checkpointing": False}
        build.trainer({**config, "trainer": short, "logger": None}, tmp_path, extra=[]).fit(task, data)
        assert task.trainer.global_step == len(data.assignment.train) // 64
        return torch.cat([p.detach().ravel() for p in task.parameters()])

    whole, parts = fitted(job), fitted(batch_size.divided(job, 16, 4))
    assert not torch.equal(whole, torch.zeros_like(whole))
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)


def test_a_system_that_does_not_say_what_is_left(job: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    with (
        Record.open(tmp_path / "run", {}) as record,
        pytest.raises(
            ConfigError, match="fit_memory: this system does not say how much memory is available; got a fit"
        ),
    ):
        batch_size.settled({**job, "trainer": {**job["trainer"], "accelerator": "cpu"}, "fit_memory": True}, record)


def test_an_error_that_is_its_own_cause():
    error = RuntimeError("out of memory")
    error.__cause__ = error
    assert list(memory.causes(error)) == [error]


def test_folds_take_what_fits_the_largest_of_them(tmp_path: Path):
    """That whose fit has the most windows, whatever its place."""
    where = """data.where='rig == "simulated/motor" or condition_index == 0'"""
    words = ("task=cddg", "folds=all", f"paths.cache={tmp_path / 'cache'}", "data.batch_size=4096", where)
    config = composed(*QUICK, *words)
    sizes = {}
    for rig in ("simulated/motor", "simulated/pump"):
        split = {**config["task"]["split"], "target": [rig]}
        data = build.data({**config, "folds": None, "task": {**config["task"], "split": split}})
        data.assign()
        sizes[rig] = len(data.assignment.train)
    most = max(sizes, key=lambda rig: sizes[rig])
    one = batch_size.fullest(config)
    assert sizes[most] > min(sizes.values())
    assert (one["folds"], one["task"]["split"]["target"]) == (None, [most])
    assert batch_size.whole(one) == sizes[most]


def test_a_batch_without_divisors(job: Config, tmp_path: Path):
    with (
        Record.open(tmp_path / "run", {}) as record,
        pytest.raises(PhmbenchError, match=r"no batch fits into memory; got 7 windows a batch; .* \(it has none\) to"),
    ):
        batch_size.largest(job, record, below=7)


RANK = PhmbenchError("rank 0 failed: MemoryError")
HALF = (
    r"expected a smaller batch; set data\.batch_size=32 trainer\.accumulate_grad_batches=2 \(the same steps\), or fit"
)


@pytest.mark.parametrize(
    ("pipeline", "size", "error", "said"),
    [
        ("evaluate", 64, RANK, r"out of memory with 64 windows a batch; got rank 0 failed"),
        ("evaluate", 64, RANK, HALF),
        ("evaluate", 13, RANK, r"set data\.batch_size=6, or choose a smaller model"),
        ("evaluate", 1, RANK, r"expected room for one; choose a smaller model, or a shorter data\.window"),
        (
            "fit_test",
            64,
            MemoryError("9 EiB"),
            r"data: out of memory outside of training and test; got 9 EiB; expected room",
        ),
        (
            "fit_test",
            64,
            RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed. "),
            r"a loader process has died; got DataLoader .* Killed; most often the system ends it for want of memory",
        ),
    ],
)
def test_what_is_said_without_a_trial(
    pipeline: str, size: int, error: Exception, said: str, job: Config, tmp_path: Path
):
    """In the test of a checkpoint no fit is tried; outside of fit and test it is not the batch."""
    one = {**job, "pipeline": {"_target_": f"phmbench.pipelines.{pipeline}.run"}, "data": {**job["data"]}}
    one["data"]["batch_size"] = size
    with (
        Record.open(tmp_path / "run", {}) as record,
        pytest.raises(PhmbenchError, match=said) as caught,
        shortage.explained(one, record),
    ):
        raise error
    assert caught.value.__cause__ is error


class Dies(torch.utils.data.Dataset[int]):
    """Its worker is killed as the system kills one."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return index


def test_a_worker_that_the_system_has_killed():
    with pytest.raises(RuntimeError) as caught:
        list(torch.utils.data.DataLoader(Dies(), num_workers=1))
    assert memory.exhausted(caught.value)


def test_other_errors_are_left_alone(job: Config, tmp_path: Path):
    with (
        Record.open(tmp_path / "run", {}) as record,
        pytest.raises(ZeroDivisionError),
        shortage.explained(job, record),
    ):
        _ = 1 / 0
