"""Hooks made cheap: the same calls in the same order, and the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from phmbench import build
from phmbench.tasks.base import Task
from phmbench.training.cheap_hooks import HOOKS, Combined, Unprofiled, combined
from phmbench.types import Batch
from tests.contract.composing import composed


def noting(hooks: tuple[str, ...]) -> type[Callback]:
    """A callback that writes down its calls."""

    def note(hook: str) -> Any:
        return lambda self, trainer, module, *args, **kwargs: self.seen.append((self.name, hook, len(args), *kwargs))

    def init(self: Any, name: str, seen: list[Any]) -> None:
        self.name, self.seen = name, seen

    return type("Noting", (Callback,), {"__init__": init, **{hook: note(hook) for hook in hooks}})


class Tiny(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1)

    def training_step(self, batch: Any, index: int) -> Any:
        return self.layer(batch).square().mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val/loss", self.layer(batch).square().mean())

    test_step = validation_step

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted(tmp_path: Path, callbacks: list[Callback], **given: Any) -> tuple[Trainer, list[torch.Tensor]]:
    """Two epochs and a test; the weights."""
    trainer = Trainer(
        accelerator="cpu", devices=1, max_epochs=2, logger=False, enable_progress_bar=False, callbacks=callbacks,
        enable_model_summary=False, default_root_dir=tmp_path, **given,
    )  # fmt: skip
    module, batches = Tiny(), DataLoader(torch.arange(24.0).reshape(12, 2) / 10, batch_size=4)
    trainer.fit(module, batches, batches)
    trainer.test(module, batches, verbose=False)
    return trainer, list(module.parameters())


def test_combined_callbacks_are_called_as_separate_ones_are(tmp_path: Path):
    kinds = [HOOKS, ("on_train_batch_start", "on_fit_end", "on_save_checkpoint"), ("on_train_batch_start", "setup"), ()]
    seen: dict[str, list[Any]] = {"separate": [], "combined": []}
    weights = {}
    for how, calls in seen.items():
        parts = [noting(hooks)(str(at), calls) for at, hooks in enumerate(kinds)]
        given = {"profiler": Unprofiled()} if how == "combined" else {}
        callbacks = [Combined(parts)] if how == "combined" else parts
        _, weights[how] = fitted(tmp_path / how, callbacks, **given)
    assert seen["combined"] == seen["separate"]
    assert len(seen["combined"]) > 100
    assert {"setup", "on_save_checkpoint", "on_train_batch_start", "on_test_end", "teardown"} <= {
        hook for _, hook, *_ in seen["combined"]
    }
    assert all(torch.equal(a, b) for a, b in zip(weights["combined"], weights["separate"], strict=True))


def test_every_hook_of_lightnings_callbacks_is_known():
    """All but those of a callback's state: a new one would be passed over."""
    public = {name for name, value in vars(Callback).items() if callable(value) and not name.startswith("_")}
    assert public - set(HOOKS) == {"state_dict", "load_state_dict"}


def test_what_keeps_state_stays_itself():
    """A checkpoint knows it by its name."""

    class Keeps(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {"a": 1}

    keeps, others = Keeps(), [Callback(), Callback()]
    first, rest = combined([others[0], keeps, others[1]])
    assert first is keeps
    assert isinstance(rest, Combined)
    assert list(rest.parts) == others


@pytest.mark.parametrize(("word", "profiler"), [("profile=false", Unprofiled), ("trainer.profiler=simple", None)])
def test_a_run_combines_its_own_callbacks(word: str, profiler: type | None, tmp_path: Path):
    trainer = build.trainer(composed("trainer=cpu", word), tmp_path, extra=[noting(())("a", [])])
    assert {"ModelCheckpoint", "KeepLast", "EarlyStopping", "Health", "Combined"} == {
        type(c).__name__ for c in trainer.callbacks
    }
    assert (type(trainer.profiler) is Unprofiled) is (profiler is Unprofiled)  # one that the user names is taken


def test_a_profiled_run_names_its_callbacks(tmp_path: Path):
    trainer = build.trainer(composed("trainer=cpu", "profile=true"), tmp_path, extra=[noting(())("a", [])])
    assert {"Noting", "KeepSignals"} <= {type(callback).__name__ for callback in trainer.callbacks}


def test_a_batch_stays_as_it_is_on_the_cpu_and_travels_elsewhere():
    task = Task(network=nn.Linear(2, 1), optimizer=torch.optim.SGD, scheduler=None)
    batch = Batch(*(torch.zeros(2) for _ in range(4)), context=None)
    assert task.transfer_batch_to_device(batch, torch.device("cpu"), 0) is batch
    moved = task.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert type(moved) is Batch
    assert moved.signal.device.type == "meta"


def test_names_are_set_as_torch_sets_them():
    """A parameter stays one, and what was one can be taken away, and become one again."""
    task = Task(network=nn.Linear(2, 1), optimizer=torch.optim.SGD, scheduler=None)
    task.word, task.weight = "a", nn.Parameter(torch.ones(1))
    task.word, task.weight = "b", None
    assert task.word == "b"
    assert task._parameters == {"weight": None}
    assert "weight" not in vars(task)
    with pytest.raises(TypeError, match="weight"):
        task.weight = "c"
    task.word = nn.Parameter(torch.ones(1))
    assert "word" in dict(task.named_parameters())
    assert "word" not in vars(task)
