"""Choices that contradict each other: refused where a run would be wrong, warned of where a choice does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from phmbench.check import check
from phmbench.config import Config
from tests.contract.composing import QUICK, composed

TRAINER = "trainer.callbacks.early_stopping"
KEPT = "trainer.callbacks.checkpoint"
ANGLE = [("data.view", "envelope_angle"), ("data.sample_rate", None)]


def changed(*changes: tuple[str, Any], words: tuple[str, ...] = ()) -> Config:
    """A configuration, composed and then changed at dotted paths."""
    config: Config = composed(*QUICK, *words)
    for path, value in changes:
        config = put(config, path.split("."), value)
    return config


def put(node: Any, keys: list[str], value: Any) -> Any:
    key, *rest = keys
    return {**node, key: put(node.get(key) or {}, rest, value) if rest else value}


def test_the_defaults_and_every_trainer_agree_with_themselves():
    for trainer in ("auto", "cpu", "ddp", "ddp_cpu", "debug", "fsdp", "gpu", "multinode"):
        assert [f for f in check(changed(words=(f"trainer={trainer}",))) if f.severity != "unchecked"] == []
    for scheduler in ("cosine", "one_cycle", "step"):
        assert check(changed(words=(f"task/scheduler={scheduler}",))) == []


@pytest.mark.parametrize(
    ("words", "changes", "severity", "said"),
    [
        ((), [("seed", 2**32 - 1), ("repeats", 2)], "error", "repeats: the last seed is too large; got 4294967296"),
        ((), [("data.window", "25rev")], "error", "data.window: revolutions have no fixed number of samples"),
        ((), [*ANGLE, ("data.hop", "25rve")], "error", "data.hop: no length; got '25rve'"),
        ((), ANGLE[:1], "error", "data.sample_rate: data.view=envelope_angle has samples a revolution"),
        ((), [("data.per_revolution", 96)], "error", "data.per_revolution: only angle views have one"),
        ((), [*ANGLE, ("data.band", [900, 100])], "error", "data.band: no band; got [900, 100]"),
        ((), [("data.whiten", True)], "error", "data.whiten: only the envelope has one"),
        (("model/front=orders",), ANGLE, "error",
         "model.front: takes the envelope of what is one; got Orders and data.view=envelope_angle; set"),
        (("model/front=orders",), [("model.front.enveloped", True)], "error",
         "model.front.enveloped: takes for an envelope what is none"),
        (("model/front=multi",), ANGLE, "error", "model.front: takes the envelope of what is one"),
        (("pipeline=baseline", "estimator=comb"), ANGLE, "error",
         "estimator.features.band: takes the envelope of what is one"),
        (("task/algorithm=fishr",), [("task.head", {"_target_": "phmbench.heads.PerRigLinear"})], "error",
         "task.algorithm: Fishr writes out the gradients of a linear head; got PerRigLinear; expected Linear"),
        ((), [("trainer.benchmark", True)], "error", "trainer.benchmark: chooses the fastest convolution anew"),
        (("trainer=cpu",), [("trainer.precision", "16-mixed")], "error", "trainer.precision: a CPU has no float16"),
        ((), [("trainer.sync_batchnorm", True)], "warning", "trainer.sync_batchnorm: one process has nothing"),
        ((), [("trainer.min_epochs", 101)], "error", "trainer.min_epochs: more than trainer.max_epochs; got 101"),
        (("task/scheduler=cosine",), [("task.scheduler.T_max", 200)], "warning",
         "task.scheduler.T_max: longer than the run; got 200, and at most 100 epochs: the rate never gets to where"),
        (("task/scheduler=cosine",), [("task.scheduler.T_max", 50)], "warning",
         "task.scheduler.T_max: shorter than the run; got 50 of 100 epochs: then the rate rises"),
        (("task/scheduler=cosine",), [("task.scheduler.T_max", -1)], "error", "task.scheduler.T_max: no length"),
        (("task/scheduler=one_cycle",), [("task.scheduler.total_steps", 50)], "error",
         "task.scheduler.total_steps: shorter than the run; got 50; expected 100 epochs; torch has no rate after"),
        (("task/scheduler=one_cycle",), [("task.scheduler.max_lr", 0.004)], "warning",
         "task.scheduler.max_lr: the rate is given twice; got 0.004, and task.optimizer.lr=0.001, which the cycle"),
        (("task/scheduler=step",), [("trainer.max_epochs", 5), (f"{TRAINER}.patience", 1)], "warning",
         "task.scheduler.step_size: longer than the run; got 10, and at most 5 epochs: the rate never falls"),
        (("task/scheduler=step",), [("trainer.max_epochs", 10), (f"{TRAINER}.patience", 1)], "warning",
         "step_size: as long as the run; got 10, and at most 10 epochs: the rate never falls; set less, or more with"),
        ((), [("task.scheduler", {"_target_": "torch.optim.lr_scheduler.ConstantLR", "_partial_": True,
                                  "total_iters": 100})], "warning",
         "total_iters: as long as the run; got 100, and at most 100 epochs: the rate never rises to the optimizer's"),
        ((), [("task.scheduler", {"_target_": "torch.optim.lr_scheduler.LinearLR", "_partial_": True,
                                  "total_iters": 300})], "warning", "task.scheduler.total_iters: longer than the run"),
        ((), [("trainer.max_epochs", 1)], "warning",
         f"{TRAINER}.patience: early stopping never acts; got a patience of 15 and at most 1 validations"),
        ((), [(f"{TRAINER}.patience", 50), ("trainer.check_val_every_n_epoch", 2)], "warning",
         "got a patience of 50 and at most 50 validations"),
        ((), [(f"{TRAINER}.patience", -1)], "error", "early_stopping.patience: less than none; got -1; expected at"),
        ((), [(f"{TRAINER}.mode", "min")], "error", "mode: the wrong way round for val/macro_f1; got min"),
        ((), [(f"{KEPT}.save_top_k", 0)], "error", "save_top_k: keeps no checkpoint, so there is none to test"),
        ((), [(f"{KEPT}.every_n_epochs", 101)], "error", "every_n_epochs: no checkpoint is kept before the run ends"),
        ((), [(f"{KEPT}.save_last", False)], "warning", "save_last: a run that is cut off begins anew"),
        ((), [("trainer.max_epochs", -1), (TRAINER, None)], "error", "trainer.max_epochs: the run would never end"),
        ((), [("trainer.callbacks.size", {"_target_": "lightning.pytorch.callbacks.BatchSizeFinder"})], "error",
         "trainer.callbacks.size: BatchSizeFinder is not possible in a run; it changes data.batch_size"),
        ((), [("trainer.callbacks.rate", {"_target_": "lightning.pytorch.callbacks.LearningRateFinder"})], "error",
         "LearningRateFinder is not possible in a run; it sets the rate a second time, behind task.optimizer.lr"),
        (("pipeline=evaluate", "init=best.ckpt"), [("fit_memory", True)], "error", "fit_memory: nothing is trained"),
        (
            ("+task/split@other_splits.again=recordings",), [("test", False)], "error",
            "other_splits: they are compared on their test sets; got some beside test=false",
        ),
    ],
)  # fmt: skip
def test_what_contradicts_is_named(
    words: tuple[str, ...], changes: list[tuple[str, Any]], severity: str, said: str
):  # fmt: skip
    found = check(changed(*changes, words=words))
    assert any(said in str(finding) and finding.severity == severity for finding in found), "\n".join(map(str, found))


@pytest.mark.parametrize(
    "changes",
    [
        [("trainer.val_check_interval", 0.25), ("trainer.max_epochs", 5)],  # 20 validations
        [("trainer.val_check_interval", 10), ("trainer.max_epochs", 5)],  # every ten batches: the data say how often
        [("trainer.max_epochs", -1)],  # early stopping ends it
    ],
)
def test_what_does_not_contradict_is_let_be(changes: list[tuple[str, Any]]):
    assert check(changed(*changes)) == []


@pytest.mark.parametrize("front", ["orders", "fault_orders", "comb", "spectrum"])
def test_a_front_that_is_told_of_the_envelope_reads_it(front: str):
    told = [("model.front.enveloped", True)] if front != "spectrum" else []
    assert check(changed(*ANGLE, *told, words=(f"model/front={front}",))) == []


def test_nothing_is_said_of_training_where_there_is_none():
    assert check(changed(("trainer.max_epochs", 1), words=("pipeline=evaluate", "init=best.ckpt"))) == []
