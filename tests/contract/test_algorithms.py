"""Every algorithm in a real fit on simulated rigs, one of which is held out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phmbench import build
from tests.contract.composing import Option, composed, options

ALGORITHMS = options("task/algorithm")

THREE = (
    "data.sources.simulated.rigs=[gearbox,motor,pump]",
    "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.25",
    "data.window=1024",
    "data.hop=1024",
)
"""Two rigs to learn from and one to be tested on."""


def ids(option: Option) -> str:
    return option.word


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


def fitted(option: Option, stores: str, folder: Path, *, epochs: int, ckpt: str | None = None) -> tuple[object, object]:
    """A trainer and its task after so many epochs of cross-dataset generalisation."""
    words = (*THREE, "task=cddg", option.word, "model=wdcnn", "trainer=cpu", f"trainer.max_epochs={epochs}")
    config = composed(*words, "data.balance=classes_and_domains", f"paths.cache={stores}")
    from lightning.pytorch import seed_everything

    from phmbench.training.callbacks import SeedEpoch

    seed_everything(0, verbose=False)
    data = build.data(config)
    data.setup()
    trainer = build.trainer(config, folder, extra=[SeedEpoch(seed=0)])
    task = build.task(config, data.facts)
    trainer.fit(task, data, ckpt_path=ckpt)
    return trainer, task


@pytest.mark.parametrize("option", ALGORITHMS, ids=ids)
def test_an_epoch_on_simulated_rigs_and_what_follows_from_its_checkpoint(option: Option, stores: str, tmp_path: Path):
    """Finite, validated, and everything learnt in the checkpoint: a second epoch from there is that of a fit of two."""
    _, whole = fitted(option, stores, tmp_path / "whole", epochs=2)
    first, task = fitted(option, stores, tmp_path / "first", epochs=1)
    assert "val/macro_f1" in first.callback_metrics
    first.save_checkpoint(tmp_path / "one.ckpt")
    saved = torch.load(tmp_path / "one.ckpt", weights_only=True)["state_dict"]
    assert {name for name, _ in task.named_parameters()} <= set(saved)
    _, resumed = fitted(option, stores, tmp_path / "second", epochs=2, ckpt=str(tmp_path / "one.ckpt"))
    for name, value in whole.state_dict().items():
        assert bool(value.isfinite().all())
        assert torch.equal(value, resumed.state_dict()[name]), name
