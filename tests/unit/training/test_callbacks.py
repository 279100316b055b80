"""Callbacks of every run: what each epoch draws, and who answers SIGTERM."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from phmbench import build
from phmbench.config import Config
from phmbench.record import Record
from phmbench.training.callbacks import SeedEpoch
from phmbench.training.fit import fit_and_test
from tests.contract.composing import QUICK, composed


class At:
    """As much of a trainer as a callback asks for."""

    def __init__(self, *, epoch: int, rank: int, step: int = 0) -> None:
        self.current_epoch, self.global_rank, self.global_step = epoch, rank, step


def drawn(seed: int, epoch: int, rank: int) -> tuple[float, float, float]:
    SeedEpoch(seed=seed).on_train_epoch_start(At(epoch=epoch, rank=rank), None)
    return float(torch.rand(1)), float(np.random.rand()), random.random()  # noqa: NPY002


def test_an_epoch_draws_the_same_after_a_resumption_and_other_numbers_in_each_rank():
    each = {at: drawn(*at) for at in [(0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), (2**31, 10**4, 1000)]}
    assert all(drawn(*at) == values for at, values in each.items())
    for kind in range(3):
        assert len({values[kind] for values in each.values()}) == len(each)


def test_what_is_drawn_after_a_checkpoint_is_drawn_again_by_a_run_that_goes_on_from_it():
    at, callback = At(epoch=2, rank=1, step=7), SeedEpoch(seed=3)
    callback.on_train_epoch_start(at, None)
    first = torch.rand(1)
    callback.on_save_checkpoint(at, None, {})
    kept, other = torch.rand(1), At(epoch=2, rank=1, step=8)
    torch.rand(5)
    callback.on_train_start(at, None)
    assert torch.rand(1) == kept != first
    callback.on_train_start(other, None)
    assert torch.rand(1) != kept


class Terminates(Callback):
    """Sends SIGTERM to its own process in training, in validation and in the test."""

    def on_train_batch_start(self, *args: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def on_validation_batch_start(self, *args: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def on_test_batch_start(self, *args: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def job(tmp_path: Path) -> Config:
    words = ("model=spectral_linear", "trainer=debug", "task/split=recordings", f"paths.cache={tmp_path / 'cache'}")
    return composed(*QUICK, *words)


def test_sigterm_is_answered_by_the_program_and_not_by_lightning(
    job: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Lightning's answer would end the run after the first batch."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    made = build.trainer
    monkeypatch.setattr(build, "trainer", lambda *a, extra, **k: made(*a, extra=[*extra, Terminates()], **k))
    try:
        with Record.open(tmp_path / "run", job) as record:
            fitted = fit_and_test(job, record, build.data(job))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "test/macro_f1" in fitted.metrics
    assert len(heard) == 6  # two batches of each
