"""Choices that contradict the data or the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from phmbench import build, run
from phmbench.config import Config
from phmbench.data.datamodule import VibrationData
from phmbench.errors import ConfigError
from phmbench.training.contradictions import contradictions, require_validation
from tests.contract.composing import QUICK, composed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VibrationData:
    stores = tmp_path_factory.mktemp("stores")
    made = build.data(composed(*QUICK, "task/split=recordings", f"paths.cache={stores}"))
    made.assign()
    return made


def said(data: VibrationData, *, size: int = 64, workers: int = 0, **trainer: Any) -> list[str]:
    data.batch_size, data.num_workers = size, workers
    config = composed(*QUICK, "trainer=cpu")
    config = {**config, "trainer": {**config["trainer"], **trainer}}
    return list(contradictions(config, data, processes=trainer.get("devices", 1)))


def test_recordings_without_a_signal_are_named(data: VibrationData, monkeypatch: pytest.MonkeyPatch):
    table = data.table.copy()
    table.loc[[1, 3], "content"] = [f"constant:{name}" for name in table["recording"].iloc[[1, 3]]]
    monkeypatch.setattr(data, "table", table)
    (text,) = said(data)
    names = ", ".join(table["recording"].iloc[[1, 3]])
    assert text.startswith(f"data: 2 of {len(table)} recordings hold one value throughout; got {names}; expected vibr")


def test_nothing_is_said_of_the_defaults(data: VibrationData):
    assert said(data) == []


def test_a_batch_larger_than_the_training_set(data: VibrationData):
    windows = len(data.assignment.train)
    (text,) = said(data, size=windows + 1)
    assert text.startswith(
        f"data.batch_size: more than there is to train on; got {windows + 1} windows in each of 1 proc"
    )
    assert said(data, size=windows) == []
    (text,) = said(data, size=windows // 2 + 1, devices=2, strategy="ddp")
    assert f"each batch has {windows // 2}; set data.batch_size={windows // 2}" in text


def test_more_batches_in_a_step_than_in_an_epoch(data: VibrationData):
    batches = len(data.assignment.train) // 64
    (text,) = said(data, accumulate_grad_batches=batches + 1)
    assert text.startswith("trainer.accumulate_grad_batches: more than an epoch has; got ")
    assert f"set trainer.accumulate_grad_batches={batches} or a smaller batch" in text
    assert said(data, accumulate_grad_batches=batches) == []
    assert len(said(data, accumulate_grad_batches=2, limit_train_batches=1)) == 1


def test_a_schedule_longer_than_a_limit_on_steps(data: VibrationData):
    data.batch_size, data.num_workers = 64, 0
    steps = len(data.assignment.train) // 64
    config = with_scheduler("CosineAnnealingLR", T_max=100)
    for most, texts in ((2 * steps + 1, 1), (100 * steps, 0), (-1, 0)):
        limited = {**config, "trainer": {**config["trainer"], "max_steps": most}}
        found = list(contradictions(limited, data, processes=1))
        assert len(found) == texts
    limited = {**config, "trainer": {**config["trainer"], "max_steps": 2 * steps + 1}}
    assert next(iter(contradictions(limited, data, processes=1))) == (
        f"task.scheduler.T_max: longer than the run; got 100 epochs, and trainer.max_steps={2 * steps + 1} makes 3, of "
        f"{steps} steps each; set task.scheduler.T_max=3"
    )
    limited = {**with_scheduler("StepLR", step_size=3), "trainer": limited["trainer"]}
    (text,) = contradictions(limited, data, processes=1)
    assert text.startswith("task.scheduler.step_size: as long as the run; got 3 epochs, and trainer.max_steps=")
    assert text.endswith("set fewer epochs")


def test_workers_that_make_it_slower(data: VibrationData):
    (text,) = said(data, workers=1)
    assert text.startswith("data.num_workers: the store fits into memory; got 1 loader processes for 0.0")
    (text,) = said(data, workers=(os.cpu_count() or 1) + 1)
    assert text.startswith("data.num_workers: more processes than cores; got")


def test_precision_that_the_machine_does_not_have(data: VibrationData):
    (text,) = said(data, precision="16-mixed")
    assert "there is no GPU; got 16-mixed, for which bf16-mixed is taken; choose 32-true" in text
    fast = any(has is True for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
    texts = said(data, precision="bf16-mixed")
    assert (
        texts == [] if fast else texts[0].startswith("trainer.precision: this CPU does not compute in bf16; got bf16")
    )


def refused(data: VibrationData, **trainer: Any) -> str:
    data.batch_size = 64
    config = composed(*QUICK, "trainer=cpu")
    try:
        require_validation({**config, "trainer": {**config["trainer"], **trainer}}, data, processes=1)
    except ConfigError as error:
        return str(error)
    return ""


def test_a_run_that_ends_before_it_is_validated(data: VibrationData):
    steps = len(data.assignment.train) // 64
    text = refused(data, max_steps=steps - 1)
    assert text.startswith(
        f"trainer.max_steps: the run ends before its first validation; got {steps - 1}; expected at least {steps}"
    )
    assert refused(data, max_steps=2 * steps - 1, check_val_every_n_epoch=2)
    assert refused(data, max_steps=1, val_check_interval=2)
    assert refused(data, max_steps=1, val_check_interval=2, accumulate_grad_batches=2) == ""
    for most in ({"max_steps": steps}, {"max_steps": 2, "limit_train_batches": 2}, {"max_steps": -1}, {}):
        assert refused(data, **most) == ""
    assert refused(data, max_steps=steps // 2, val_check_interval=0.5) == ""
    assert refused(data, max_steps=1, limit_train_batches=2.5 / steps)


def test_the_last_step_of_an_epoch_may_be_short(data: VibrationData):
    """An epoch of 5 batches, of which 2 make a step, has 3 steps, not 2.5."""
    each = {"limit_train_batches": 5, "accumulate_grad_batches": 2}
    assert "expected at least 6," in refused(data, **each, max_steps=5, check_val_every_n_epoch=2)
    assert refused(data, **each, max_steps=6, check_val_every_n_epoch=2) == ""
    over = {"val_check_interval": 12, "check_val_every_n_epoch": None}  # two epochs and two batches
    assert "expected at least 7," in refused(data, **each, max_steps=6, **over)
    assert refused(data, **each, max_steps=7, **over) == ""


def test_lightning_counts_steps_in_the_same_way(tmp_path: Path):
    """With one step fewer it is refused; with as many as are said to be needed there is a checkpoint to test."""
    words = (*QUICK, "trainer=cpu", "model=spectral_linear", "task/split=recordings", f"paths.cache={tmp_path / 'c'}")
    for number, more in enumerate((("trainer.accumulate_grad_batches=2",), ("trainer.val_check_interval=0.4",))):
        with pytest.raises(ConfigError, match="the run ends before its first validation; got 1") as caught:
            run.execute(composed(*words, *more, "trainer.max_steps=1"), tmp_path / f"{number}-less", pages=False)
        needed = int(str(caught.value).partition("at least ")[2].partition(",")[0])
        config = composed(*words, *more, f"trainer.max_steps={needed}")
        assert "test/macro_f1" in run.execute(config, tmp_path / str(number), pages=False)["metrics"]


def test_what_torch_and_lightning_refuse_is_refused_before_data_are_read(tmp_path: Path):
    nowhere = (f"paths.cache={tmp_path / 'cache'}", "trainer=cpu")
    for number, (word, text) in enumerate(
        {
            "task.optimizer.betas=[2,3]": "task.optimizer.betas: one is out of range; got [2, 3]; expected",
            "task.optimizer.fused=true task.optimizer.foreach=true": "task.optimizer: `fused` and `foreach` cannot be",
            "trainer.strategy=dpp": "trainer.strategy: none of that name; got dpp; expected one of Lightning's; did",
            "trainer.accelerator=cpuu": "trainer.accelerator: none of that name; got cpuu; expected one of",
        }.items()
    ):
        with pytest.raises(ConfigError) as caught:
            run.execute(composed(*QUICK, *nowhere, *word.split()), tmp_path / str(number), pages=False)
        assert text in str(caught.value)
    with pytest.raises(ConfigError, match=r"task\.scheduler: .*Expected positive integer T_0"):
        build.rehearse(with_scheduler("CosineAnnealingWarmRestarts", T_0=1.5))
    assert not (tmp_path / "cache").exists()


def with_scheduler(name: str, **values: Any) -> Config:
    config = composed(*QUICK, "trainer=cpu")
    node = {"_target_": f"torch.optim.lr_scheduler.{name}", "_partial_": True, **values}
    return {**config, "task": {**config["task"], "scheduler": node}}


def test_they_stand_in_the_record(tmp_path: Path):
    """Of a run: said by the check, and by the data, in the result."""
    config = composed(*QUICK, "trainer=cpu", "trainer.max_epochs=1", "model=spectral_linear", "task/split=recordings",
                      "data.batch_size=100000", f"paths.cache={tmp_path / 'cache'}")  # fmt: skip
    warned = run.execute(config, tmp_path / "run", pages=False)["warnings"]
    assert [text.partition(":")[0] for text in warned[:2]] == [
        "trainer.callbacks.early_stopping.patience",
        "data.batch_size",
    ]
