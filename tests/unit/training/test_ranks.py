"""How many processes, and whether this one is one of several."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment
from torch.distributed import DistNetworkError

from phmbench.errors import ConfigError, DataError, PhmbenchError
from phmbench.pipelines import fit_test, outcome
from phmbench.record import Record
from phmbench.training import ranks
from phmbench.training.launch import inherited, launch
from tests.contract.composing import QUICK, composed

without_gpu = pytest.mark.skipif(torch.cuda.device_count() > 0, reason="this machine has a GPU")
VARIABLES = ("TORCHELASTIC_RUN_ID", "RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_ID", "SLURM_JOB_NAME")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "joined", "rank"),
    [
        ({}, False, 0),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "3"}, True, 3),
        ({"RANK": "3"}, False, 0),  # left over from elsewhere
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "sweep"}, True, 2),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_STEP_ID": "0", "RANK": "3"}, True, 2),  # left over
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0"}, False, 0),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, False, 0),  # in a script of sbatch, outside of srun
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "bash"}, False, 0),
        (
            {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "TORCHELASTIC_RUN_ID": "x", "RANK": "5"},
            True,
            5,
        ),  # torchrun on each machine, by srun
    ],
)
def test_whether_this_process_is_one_of_several(
    variables: dict[str, str], joined: bool, rank: int, monkeypatch: pytest.MonkeyPatch
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ranks.joined() is joined
    assert ranks.rank() == rank


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        ({"accelerator": "cpu", "devices": 1}, 1),
        ({"accelerator": "cpu", "devices": 2, "strategy": "ddp"}, 2),
        ({"accelerator": "cpu", "devices": "3", "strategy": "ddp"}, 3),
        ({"accelerator": "cpu", "devices": [0, 1], "strategy": "ddp"}, 2),
        ({"accelerator": "cpu", "devices": "auto"}, 1),
        ({"accelerator": "cpu", "devices": -1, "strategy": "ddp"}, 1),
        ({}, 1),
        ({"devices": "auto", "strategy": None, "num_nodes": None}, 1),
    ],
)
def test_how_many_processes_a_trainer_asks_for(trainer: dict[str, Any], count: int):
    assert ranks.wanted(trainer) == count


@without_gpu
@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"accelerator": "gpu", "devices": 1}, "trainer: accelerator gpu needs a GPU, and there is none; choose"),
        ({"accelerator": "cuda", "devices": 1}, "trainer: accelerator cuda needs a GPU"),
        ({"accelerator": "cpu", "devices": 2, "strategy": "fsdp"}, "trainer: fsdp needs a GPU, and there is none"),
        ({"strategy": "fsdp"}, "trainer: fsdp needs a GPU"),
        (
            {"accelerator": "auto", "sync_batchnorm": True},
            "sync_batchnorm: torch synchronises batch statistics on GPUs",
        ),
    ],
)
def test_a_gpu_that_is_not_there(trainer: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        ranks.wanted(trainer)


def test_several_machines_are_started_from_outside(monkeypatch: pytest.MonkeyPatch):
    trainer = {"accelerator": "cpu", "devices": 1, "num_nodes": 2, "strategy": "ddp"}
    with pytest.raises(
        ConfigError, match=r"trainer\.num_nodes: 2 machines, and this process was started alone; .*torchrun"
    ):
        ranks.wanted(trainer)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert ranks.wanted(trainer) == 1


def test_processes_that_are_not_as_many_as_the_trainer_knows_of(monkeypatch: pytest.MonkeyPatch):
    trainer = {"accelerator": "cpu", "devices": 2, "num_nodes": 3, "strategy": "ddp"}
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="4 processes were started, and the trainer's settings are for 6; choose a"):
        ranks.processes(trainer)
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert ranks.processes(trainer) == 6


SRUN = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "run"}


def test_lightning_looks_for_other_processes_where_we_do(monkeypatch: pytest.MonkeyPatch):
    """A script of sbatch is one process; srun's are several, and SIGTERM is not ignored, nor the command repeated."""
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert type(ranks.environment()) is LightningEnvironment
    for name, value in SRUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"trainer \(srun\): .*--ntasks-per-node=2"):
        ranks.environment()
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    found = ranks.environment()
    assert isinstance(found, SLURMEnvironment)
    assert not found.auto_requeue
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert type(ranks.environment()) is TorchElasticEnvironment


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:1"), True),
        (DistNetworkError("the client socket has failed to connect"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (BrokenPipeError("a pipe of the user's own"), False),
    ],
)
def test_an_error_that_says_no_more_than_that_another_process_is_gone(error: Exception, lost: bool):
    assert ranks.lost(error) is lost
    outer = ValueError("what was made of it")
    outer.__cause__ = error
    assert ranks.lost(outer) is lost


def test_a_set_with_fewer_windows_than_processes_is_refused_before_the_fit(tmp_path: Path):
    config = composed(*QUICK, "task/split=recordings", f"paths.cache={tmp_path / 'cache'}")
    with Record.open(tmp_path / "run", config) as record:
        data = outcome.prepared(config, record, processes=100)
        assert outcome.batch_of(config, data, 100) == {"size": 8, "processes": 100, "accumulated": 1, "effective": 800}
        assert len(data.assignment.train) == 825
        with pytest.raises(
            DataError, match="trainer: 221 processes for a set of 220 windows; expected one for each at"
        ):
            outcome.prepared(config, record, processes=221)


@pytest.mark.parametrize(("given", "threads"), [(None, "half"), ("3", "3")])
def test_ranks_share_the_cores_unless_the_user_has_shared_them(
    given: str | None, threads: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    half = str(max(1, len(os.sched_getaffinity(0)) // 2))
    with inherited(2):
        assert os.environ["OMP_NUM_THREADS"] == (half if threads == "half" else threads)
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [path or os.getcwd() for path in sys.path]
    assert os.environ.get("OMP_NUM_THREADS") == given


@pytest.mark.slow
def test_a_process_that_fails_is_named_with_its_reason(tmp_path: Path):
    """Two processes of a run whose recordings do not exist: the first failure ends both; its class is kept."""
    words = ("trainer=ddp_cpu", "data=cwru", f"paths.data={tmp_path}", f"paths.cache={tmp_path}")
    before = dict(os.environ)
    with Record.open(tmp_path / "run", composed(*words)) as record, pytest.raises(DataError) as caught:
        launch(fit_test._rank, 2, str(record.path))
    assert dict(os.environ) == {**before, "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGQUIT"}
    assert "rank " in str(caught.value)
    assert " failed: " in str(caught.value)
    assert "not built" in str(caught.value)


def test_who_waits_for_a_process_that_has_failed_hears_of_it(monkeypatch: pytest.MonkeyPatch):
    """Under torchrun the agent would end this one; under srun nobody does."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2",
                        "MASTER_ADDR": "localhost", "MASTER_PORT": str(port - 1)}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    board = ranks.Board()
    board.failed(json.dumps(["rank 1 failed: out of memory", ""]))
    for wait in (lambda: board.smallest(64), board.share):
        with pytest.raises(PhmbenchError, match="rank 1 failed: out of memory"):
            wait()
