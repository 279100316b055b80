"""Networks that fail, run by the real command: what the screen, the record and `rerun --at-failure` say of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phmbench.record import state
from tests.conftest import ROOT, TINY, Command

pytestmark = pytest.mark.slow

OWN = (*TINY, "task/split=recordings", "--trust", "sick")
SICK = """
import os
import torch
from torch import nn

class Backbone(nn.Module):
    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__()
        self.layer, self.n_features, self.steps = nn.Linear(window, 8), 8, 0

    def forward(self, signal):
        return self.layer(signal.mean(1))

class Logarithm(Backbone):
    \"\"\"From its third batch on, in the second process or the only one, it takes logarithms.\"\"\"

    def forward(self, signal):
        self.steps += self.training
        bad = self.steps > 2 and os.environ.get("LOCAL_RANK", "1") == "1" and self.training
        return super().forward(signal).log() if bad else super().forward(signal)

class Constant(Backbone):
    \"\"\"Gives all windows of a batch their mean.\"\"\"

    def forward(self, signal):
        return super().forward(signal).mean(0, keepdim=True).expand(len(signal), -1)
"""


@pytest.fixture
def package(tmp_path: Path) -> dict[str, str]:
    """A user's own package, which can be imported."""
    (tmp_path / "own" / "sick").mkdir(parents=True)
    (tmp_path / "own" / "sick" / "__init__.py").write_text(SICK)
    return {"PYTHONPATH": f"{ROOT}:{tmp_path / 'own'}"}


def test_steps_that_are_too_long(command: Command):
    """Weights of 1e20 after the first step; shown again without the data."""
    done = command(*TINY, "task/split=recordings", "task.optimizer.lr=1e20", "repeats=2")
    assert done.code == 1
    assert "is not finite; got " in done.err
    assert "Traceback" not in done.err
    assert state(done.folder) == state(done.folder / "seed-0") == "failed"
    told = json.loads((done.folder / "seed-0" / "failure" / "failure.json").read_text())
    assert len(told["windows"]) == 64
    again = command(str(done.folder), "--at-failure", program="rerun")
    assert again.code == 0, again.err
    assert f"epoch 1, step {told['step']}: 64 windows of" in again.out
    (marked,) = [line for line in again.out.splitlines() if line.startswith("→")]
    assert told["module"] in marked
    assert max(map(len, again.out.splitlines())) <= 100
    assert not done.folder.with_name("run-rerun").exists()


def test_a_rank_whose_batch_it_was_reports(command: Command, package: dict[str, str]):
    """The network takes logarithms in the second of two processes; both stop, and the second one says why."""
    done = command(*OWN, "trainer=ddp_cpu", "model=spectral_linear", "model._target_=sick.Logarithm", env=package)
    assert done.code == 1
    assert "rank 1 failed" in done.err
    assert "first in the output of model (Logarithm)" in done.err
    assert state(done.folder) == "failed"
    assert json.loads((done.folder / "failure" / "failure.json").read_text())["rank"] == 1


def test_a_warning_is_kept(command: Command, package: dict[str, str]):
    words = ("model=spectral_linear", "model._target_=sick.Constant", "trainer.callbacks.health.every=1")
    done = command(*OWN, *words, env=package)
    assert done.code == 0, done.err
    (text,) = [text for text in done.result["warnings"] if text.startswith("model ")]
    assert text.startswith("model (Constant): gives the same for all windows of a batch")
    assert "warning: model (Constant)" in done.out
    assert text in (done.folder / "log.txt").read_text()
    assert "model (Constant)" in (done.folder / "report.html").read_text()
    off = command(*OWN, *words[:2], "trainer.callbacks.health=null", name="off", env=package)
    assert not [text for text in off.result["warnings"] if text.startswith("model ")]
    assert off.result["metrics"] == done.result["metrics"]
