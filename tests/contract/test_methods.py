"""Every few-shot method in a real fit on simulated bearings, and what follows from its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phmbench import build
from tests.contract.composing import QUICK, Option, composed, options

METHODS = options("task/method")
ADAPTERS = options("task/adapter")
FEW = (
    "task=fewshot", "task.k_shot=2", "task.n_query=3", "task.episodes.train=4", "task.episodes.val=4",
    "task.episodes.test=6", "model=wdcnn", "data.window=1024", "data.hop=512", "trainer=cpu",
)  # fmt: skip


def ids(option: Option) -> str:
    return option.word


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


def fitted(
    stores: str, folder: Path, *words: str, epochs: int, ckpt: str | None = None
) -> tuple[object, object, object]:
    """Trainer, task and data after so many epochs."""
    from lightning.pytorch import seed_everything

    from phmbench.training.callbacks import SeedEpoch

    config = composed(*QUICK, *FEW, *words, f"trainer.max_epochs={epochs}", f"paths.cache={stores}")
    seed_everything(0, verbose=False)
    data = build.data(config)
    data.setup()
    trainer = build.trainer(config, folder, extra=[SeedEpoch(seed=0)])
    task = build.task(config, data.facts)
    trainer.fit(task, data, ckpt_path=ckpt)
    return trainer, task, data


@pytest.mark.parametrize("option", METHODS, ids=ids)
def test_two_epochs_are_one_and_one_more_and_the_test_is_of_all_episodes(option: Option, stores: str, tmp_path: Path):
    _, whole, _ = fitted(stores, tmp_path / "whole", option.word, epochs=2)
    first, _, _ = fitted(stores, tmp_path / "first", option.word, epochs=1)
    assert "val/macro_f1" in first.callback_metrics
    first.save_checkpoint(tmp_path / "one.ckpt")
    trainer, resumed, data = fitted(stores, tmp_path / "second", option.word, epochs=2, ckpt=str(tmp_path / "one.ckpt"))
    for (name, value), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    before = {name: value.clone() for name, value in resumed.state_dict().items()}
    trainer.test(resumed, data, verbose=False)
    assert resumed.answered.right.shape == (6, 15)
    assert len(resumed.tested.label) == 90
    assert all(torch.equal(value, before[name]) for name, value in resumed.state_dict().items())


@pytest.mark.parametrize("option", ADAPTERS, ids=ids)
def test_every_adapter_is_one_that_fine_tuning_takes(option: Option, stores: str, tmp_path: Path):
    trainer, task, _ = fitted(stores, tmp_path, "task/method=finetune", option.word, epochs=1)
    assert type(task.method.adapter).__name__ == {"full": "Full", "linear_probe": "LinearProbe"}[option.name]
    assert trainer.callback_metrics["val/accuracy"] >= 0


@pytest.mark.parametrize("method", ["prototypical", "matching"])
def test_what_can_learn_from_windows_does(method: str, stores: str, tmp_path: Path):
    """Its network is then a classifier, whose head is trained; by episodes the head is left as it began."""
    for learn_from, moves in (("windows", True), ("episodes", False)):
        words = (f"task/method={method}", f"task.learn_from={learn_from}")
        _, task, _ = fitted(stores, tmp_path / learn_from, *words, epochs=1)
        head = task.network.parts[-1].linear
        assert bool(head.bias.any()) is moves
        assert head.weight.requires_grad is moves
