"""Two processes against one: the same gradients and the same metrics where the arithmetic allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from phmbench import build
from phmbench.config import Config
from phmbench.record import Record
from phmbench.training.fit import fit_and_test
from phmbench.training.launch import launch
from tests.conftest import TINY
from tests.contract.composing import composed

WORDS = (*TINY, "task/split=recordings", "task/optimizer=sgd")


class FirstGradients(Callback):
    """Keeps the gradients of the first step, before they are clipped."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        if trainer.global_step == 0:
            self.kept = {name: p.grad.clone() for name, p in pl_module.named_parameters() if p.grad is not None}


def fitted(path: str) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Gradients of the first step, and metrics of the test."""
    record = Record.attach(Path(path))
    made, gradients = build.trainer, FirstGradients()
    build.trainer = lambda *a, extra, **k: made(*a, extra=[*extra, gradients], **k)
    try:
        result = fit_and_test(record.config, record, build.data(record.config))
    finally:
        build.trainer = made
    return gradients.kept, {name: value for name, value in result.metrics.items() if name.startswith("test/")}


def words(cache: Path, *, processes: int, size: int, accumulated: int) -> tuple[str, ...]:
    return (
        f"data.batch_size={size}", f"trainer.accumulate_grad_batches={accumulated}", f"paths.cache={cache}",
        f"trainer={'ddp_cpu' if processes > 1 else 'cpu'}", f"trainer.devices={processes}",
    )  # fmt: skip


def config_of(cache: Path, processes: int, size: int, accumulated: int, *more: str) -> Config:
    return composed(*WORDS, *more, *words(cache, processes=processes, size=size, accumulated=accumulated))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["spectral_linear", "patch_transformer"])
def test_two_processes_learn_what_one_learns_from_the_same_windows(model: str, tmp_path: Path, cache: Path):
    """8 windows in each of two processes, and twice that accumulated, are the 32 of one process.

    Without batch normalisation and dropout the mean over ranks of mean gradients is the gradient of the whole batch.
    """
    more = (f"model={model}",)
    if model == "patch_transformer":
        more += ("model.dropout=0",)
    found = {}
    for name, sizes in {"one": (1, 32, 1), "two": (2, 8, 2)}.items():
        config = config_of(cache, *sizes, *more)
        with Record.open(tmp_path / name, config) as record:
            found[name] = fitted(str(record.path)) if name == "one" else launch(fitted, 2, str(record.path))
    (one, of_one), (two, of_two) = found["one"], found["two"]
    assert one.keys() == two.keys()
    assert len(one) > 1
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=0, atol=1e-6, msg=name)
    assert any(gradient.abs().max() > 1e-3 for gradient in one.values())
    assert of_two == pytest.approx(of_one, abs=1e-5)
