"""Checkpoints of a run whose parameters are spread over ranks: gone on with, and read in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy, fsdp
from torch import nn

from phmbench import build
from phmbench.config import Config
from phmbench.pipelines import evaluate
from phmbench.record import Record
from phmbench.training.checkpoints import read_checkpoint
from phmbench.training.fit import fit_and_test
from phmbench.training.launch import launch
from tests.conftest import TINY, Command
from tests.contract.composing import composed

pytestmark = pytest.mark.slow
WORDS = (*TINY, "task/split=recordings", "model=spectral_linear", "task/scheduler=none")


class OnCPU(FSDPStrategy):
    """Lightning's strategy, without the GPU that it asks for by name: torch's FSDP works on a CPU with gloo."""

    def _setup_model(self, model: nn.Module) -> nn.Module:
        from torch.distributed.fsdp import FullyShardedDataParallel

        return FullyShardedDataParallel(model, device_id=torch.device("cpu"), **self.kwargs)


def whole(module: nn.Module, world_size: int, rank0_only: bool = True) -> Any:
    """Lightning's context of whole states, which are on the CPU already: torch would free them by moving them there."""
    from torch.distributed.fsdp import FullOptimStateDictConfig, FullStateDictConfig, StateDictType
    from torch.distributed.fsdp import FullyShardedDataParallel as Sharded

    how = {"offload_to_cpu": False, "rank0_only": False}
    model, optimizer = FullStateDictConfig(**how), FullOptimStateDictConfig(**how)
    return Sharded.state_dict_type(module, StateDictType.FULL_STATE_DICT, model, optimizer)


def sharded(path: str, epochs: str) -> dict[str, float]:
    """One rank of a fit with spread parameters; the metrics of its test."""
    record = Record.attach(Path(path))
    trainer = {**record.config["trainer"], "max_epochs": int(epochs)}
    trainer.pop("strategy")
    made, context = build.make, fsdp._get_full_state_dict_context

    def make(node: Any, where: str, **given: Any) -> Any:
        return made(node, where, **given, **({"strategy": OnCPU()} if where == "trainer" else {}))

    build.make, fsdp._get_full_state_dict_context = make, whole
    try:
        config = {**record.config, "trainer": trainer}
        return fit_and_test(config, record, build.data(config)).metrics
    finally:
        build.make, fsdp._get_full_state_dict_context = made, context


def of_test(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name.startswith("test/")}


def metrics_of_one_process(config: Config, best: Path, folder: Path) -> dict[str, Any]:
    """The test of a checkpoint in this process."""
    alone = composed(*WORDS, "pipeline=evaluate", f"init={best}", f"paths.cache={config['paths']['cache']}")
    with Record.open(folder, alone) as record:
        return of_test(evaluate.run(cfg=alone, record=record, windows="test")["metrics"])


def test_gloo_on_a_cpu(tmp_path: Path, cache: Path):
    config = composed(*WORDS, "trainer=ddp_cpu", "trainer.gradient_clip_val=null", f"paths.cache={cache}")
    with Record.open(tmp_path / "whole", config) as record:
        at_once = launch(sharded, 2, str(record.path), "2")
    with Record.open(tmp_path / "cut", config) as record:
        launch(sharded, 2, str(record.path), "1")
        resumed = launch(sharded, 2, str(record.path), "2")
    assert resumed == at_once
    best = tmp_path / "cut" / "checkpoints" / "best.ckpt"
    assert read_checkpoint(best)["state_dict"]["network.parts.1.linear.weight"].shape == (5, 512)
    assert metrics_of_one_process(config, best, tmp_path / "alone") == pytest.approx(of_test(resumed), abs=1e-6)


@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="Lightning's fsdp needs a GPU; there is none")
def test_fsdp_on_gpus(command: Command):
    words = (*WORDS, "trainer=fsdp", "trainer.max_epochs=2")
    done = command(*words, name="run")
    assert done.code == 0, done.err
    best = done.folder / "checkpoints" / "best.ckpt"
    alone = command(*WORDS, "pipeline=evaluate", f"init={best}", name="alone")
    assert alone.code == 0, alone.err
    assert of_test(alone.result["metrics"]) == pytest.approx(of_test(done.result["metrics"]), abs=1e-4)
    (done.folder / "metrics.json").unlink()
    status = done.folder / "status.json"
    status.write_text(status.read_text().replace('"done"', '"interrupted"'))
    assert command(str(done.folder), program="resume").code == 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="NCCL between processes needs two GPUs; there are not")
def test_half_precision_and_batch_statistics_over_two_gpus(command: Command):
    words = (*TINY, "task/split=recordings", "model=wdcnn", "trainer=ddp", "trainer.devices=2", "trainer.max_epochs=2")
    done = command(*words, "trainer.precision=16-mixed", "trainer.sync_batchnorm=true")
    assert done.code == 0, done.err
    assert done.result["batch"]["processes"] == 2
