"""Values of the trainer that Lightning's signature allows, and no run can mean."""

from __future__ import annotations

import pytest

from phmbench.check.trainer import check_trainer

TRAINER = {"_target_": "lightning.pytorch.Trainer", "accelerator": "cpu", "max_epochs": 4}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("accumulate_grad_batches", 0, "too small; got 0; expected at least 1"),
        ("gradient_clip_val", -1.0, "too small; got -1.0; expected at least 0"),
        ("limit_train_batches", 0, "no batch at all; got 0; expected a number of batches, or a part up to 1.0"),
        ("limit_val_batches", 0, "no batch at all; got 0"),
        ("limit_test_batches", 0.0, "no batch at all; got 0.0"),
        ("val_check_interval", 0, "no batch at all; got 0"),
        ("fast_dev_run", True, "not possible in a run; got True; it keeps no checkpoint, so there is none to test; "
                               "choose trainer=debug"),
        ("enable_checkpointing", False, "not possible in a run; got False; the checkpoint that validation chose is "
                                        "what is tested; remove it"),
        ("barebones", True, "not possible in a run; got True; it leaves nothing to record; remove it"),
        ("num_nodes", 0, "too small; got 0; expected at least 1"),
        ("num_sanity_val_steps", -5, "too small; got -5; expected at least -1"),
        ("devices", 0, "no process at all; got 0; expected at least 1, or on GPUs -1 for all of them"),
        ("devices", -2, "no process at all; got -2"),
        ("max_time", "foo", "no time; got foo; expected days, hours, minutes and seconds, as 00:12:00:00"),
        ("max_epochs", 0, "no epoch at all; got 0; expected at least 1, or -1 for no limit"),
        ("max_steps", 0, "no step at all; got 0; expected at least 1, or -1 for no limit"),
        ("strategy", "ddp_spawn", "starts processes of its own, as a run does; got ddp_spawn; choose ddp"),
        ("check_val_every_n_epoch", 5, "validation would never run; got 5; expected at most 4"),
        ("devices", "0,1", "a CPU has no numbered devices; got 0,1; expected a number of processes"),
        ("devices", [0, 1], "a CPU has no numbered devices; got [0, 1]"),
    ],
)  # fmt: skip
def test_what_no_run_can_mean(name: str, value: object, message: str):
    (found,) = check_trainer({"trainer": {**TRAINER, name: value}})
    assert found.path == f"trainer.{name}"
    assert found.message.startswith(message)


@pytest.mark.parametrize(
    "values",
    [
        {"max_steps": -1, "strategy": "ddp"},
        {"max_epochs": -1, "check_val_every_n_epoch": 3},
        {"limit_train_batches": 2, "limit_val_batches": 0.5, "limit_test_batches": None},
        {"devices": 2, "accumulate_grad_batches": 4, "gradient_clip_val": None},
        {"devices": "auto", "fast_dev_run": False, "enable_checkpointing": True, "barebones": False},
        {"accelerator": "gpu", "devices": [0, 1]},
        {"_target_": "mypackage.Trainer", "max_epochs": 0},
    ],
)
def test_what_a_run_can_mean(values: dict[str, object]):
    assert not check_trainer({"trainer": {**TRAINER, **values}})
    assert not check_trainer({"trainer": None})
