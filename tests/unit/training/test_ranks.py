"""How many processes, and whether this one is one of several."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from phmbench.errors import ConfigError, PhmbenchError
from phmbench.pipelines import fit_test
from phmbench.record import Record
from phmbench.training import ranks
from tests.contract.composing import composed

without_gpu = pytest.mark.skipif(torch.cuda.device_count() > 0, reason="this machine has a GPU")
VARIABLES = ("TORCHELASTIC_RUN_ID", "RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME")


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
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_JOB_NAME": "sweep"}, True, 2),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, False, 0),
        ({"SLURM_NTASKS": "4"}, False, 0),  # in a script of sbatch, outside of srun
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash"}, False, 0),
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


@pytest.mark.slow
def test_a_process_that_fails_is_named_with_its_reason(tmp_path: Path):
    """Two processes of a run whose recordings do not exist: the first failure ends both."""
    words = ("trainer=ddp_cpu", "data=cwru", f"paths.data={tmp_path}", f"paths.cache={tmp_path}")
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        with Record.open(tmp_path / "run", composed(*words)) as record, pytest.raises(PhmbenchError) as caught:
            ranks.launch(fit_test._rank, record, 2)
    finally:
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
    assert "rank " in str(caught.value)
    assert " failed: " in str(caught.value)
    assert "not built" in str(caught.value)
