"""From nodes to objects: what each parameter gets, and what a refusal reads like."""

from __future__ import annotations

import importlib.util
import logging
from functools import partial
from pathlib import Path

import pytest
import torch

from phmbench import build
from phmbench.errors import ConfigError, PhmbenchError
from phmbench.heads import Linear, PerRigLinear
from phmbench.models.wdcnn import WDCNN
from phmbench.pipelines import fit_test
from phmbench.types import Facts
from tests.contract.composing import composed

FACTS = Facts(
    channels=3, window=1024, classes=("a", "b"), domains=("x", "y", "z"), rigs=("r",), rate_hz=12_000.0
)  # fmt: skip


def test_facts_go_by_name_and_the_names_of_things_as_counts():
    assert build.facts_for(FACTS) == {
        "channels": 3, "window": 1024, "rate_hz": 12_000.0, "classes": 2, "domains": 3, "rigs": 1,
    }  # fmt: skip


def test_a_node_gets_what_its_signature_names_and_nothing_else():
    head = build.make({"_target_": "phmbench.heads.Linear"}, "task.head", features=8, **build.facts_for(FACTS))
    assert isinstance(head, Linear)
    assert head.linear.weight.shape == (2, 8)
    rigs = build.make({"_target_": "phmbench.heads.PerRigLinear"}, "task.head", features=8, **build.facts_for(FACTS))
    assert isinstance(rigs, PerRigLinear)
    assert rigs.rigs == 1


def test_what_the_node_says_itself_is_not_overruled():
    optimizer = build.make({"_target_": "torch.optim.SGD", "lr": 0.1, "_partial_": True}, "task.optimizer", lr=0.5)
    made = optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert made.defaults["lr"] == 0.1


def test_a_task_is_made_of_its_parts():
    task = build.task(composed("task/scheduler=step"), FACTS)
    assert isinstance(task.network.parts[0], WDCNN)
    assert task.class_names == ("a", "b")
    configured = task.configure_optimizers()
    assert isinstance(configured["lr_scheduler"]["scheduler"], torch.optim.lr_scheduler.StepLR)
    assert configured["lr_scheduler"]["interval"] == "epoch"


def test_a_refusal_begins_with_its_place_in_the_configuration():
    with pytest.raises(
        ConfigError, match=r"^model: window: too short for WDCNN; got 16 samples; expected 1024 or more"
    ):
        build.task(composed("model=wdcnn"), FACTS._replace(window=16))


def test_what_a_front_gives_may_be_too_short_and_not_the_window():
    said = r"got 512 samples; expected 1024 or more, which is what Spectrum gives of 1024; set model.front.length where"
    with pytest.raises(ConfigError, match=said):
        build.task(composed("model=wdcnn", "model/front=spectrum"), FACTS._replace(window=1024))


def test_a_value_that_the_library_refuses():
    """A negative rate is right for the signature and wrong for AdamW: said when the optimizer is made."""
    made = build.make({"_target_": "torch.optim.AdamW", "lr": -1.0, "_partial_": True}, "task.optimizer")
    with pytest.raises(ValueError, match="Invalid learning rate"):
        made([torch.nn.Parameter(torch.zeros(1))])
    job = composed("model=spectral_linear")
    wrong = {**job, "task": {**job["task"], "optimizer": {**job["task"]["optimizer"], "lr": -1.0}}}
    with pytest.raises(ConfigError, match=r"^task\.optimizer: Invalid learning rate: -1\.0"):
        build.task(wrong, FACTS).configure_optimizers()
    cycle = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "_partial_": True, "max_lr": 0.1, "total_steps": -1}
    with pytest.raises(ConfigError, match=r"^task\.scheduler: Expected positive integer total_steps"):
        build.task({**job, "task": {**job["task"], "scheduler": cycle}}, FACTS).configure_optimizers()


def test_an_argument_that_lightning_refuses(tmp_path: Path):
    config = composed("trainer=cpu")
    with pytest.raises(ConfigError, match=r"^trainer: .*precision"):
        build.trainer({**config, "trainer": {**config["trainer"], "precision": "7-true"}}, tmp_path, extra=[])


def test_an_error_of_ours_keeps_its_class(tmp_path: Path):
    """A source that refuses its own arguments raises DataError, not ConfigError."""
    node = {"_target_": "phmbench.data.sources.simulated.Simulated", "rigs": ["motor"], "bearings": 1,
            "conditions": 1, "seconds": 0.1, "snr_db": 1.0, "seed": 0}  # fmt: skip
    assert build.make(node, "data.sources.simulated").table() is not None
    with pytest.raises(PhmbenchError, match="not rigs of the simulator"):
        build.make({**node, "rigs": ["motr"]}, "data.sources.simulated").table()


def test_a_logger_without_its_package_names_the_extra(tmp_path: Path):
    """Behind the check, for records from elsewhere; here with the first that is not installed."""
    names = {"wandb": "WandbLogger", "mlflow": "MLFlowLogger"}
    absent = next((name for name in names if importlib.util.find_spec(name) is None), None)
    if absent is None:
        pytest.skip("all loggers are installed")
    with pytest.raises(ConfigError, match=rf"logger\.{absent}: .*pip install 'phmbench\[{absent}\]'"):
        build.make({"_target_": f"lightning.pytorch.loggers.{names[absent]}"}, f"logger.{absent}")


def test_a_pipeline_is_a_function():
    function = build.function(composed()["pipeline"])
    assert isinstance(function, partial)
    assert function.func is fit_test.run


def test_a_trainer_writes_into_the_run_directory_and_says_nothing(tmp_path: Path):
    trainer = build.trainer(composed("trainer=cpu"), tmp_path, extra=[])
    assert trainer.default_root_dir == str(tmp_path)
    assert trainer.checkpoint_callback.dirpath == str(tmp_path / "checkpoints")
    assert trainer.loggers[0].save_dir == str(tmp_path)
    assert trainer.progress_bar_callback is None
    assert logging.getLogger("lightning.pytorch").level == logging.ERROR


def test_a_callback_that_is_switched_off_is_not_made(tmp_path: Path):
    trainer = build.trainer(composed("trainer=cpu", "trainer.callbacks.early_stopping=null"), tmp_path, extra=[])
    assert trainer.early_stopping_callback is None
    assert trainer.checkpoint_callback is not None


def test_no_logger(tmp_path: Path):
    assert build.trainer({**composed("trainer=cpu"), "logger": None}, tmp_path, extra=[]).loggers == []
