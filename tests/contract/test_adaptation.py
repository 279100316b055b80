"""Every method of adaptation in a real fit on simulated rigs, one of which is the target."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phmbench import build
from tests.contract.composing import Option, composed, options

METHODS = options("task/adaptation")
THREE = (
    "data.sources.simulated.rigs=[gearbox,motor,pump]", "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.25", "data.window=1024", "data.hop=1024", "model=wdcnn", "trainer=cpu",
    "task/split=hold_out_rigs",
)  # fmt: skip
"""Two rigs to learn from and one to adapt to."""


def ids(option: Option) -> str:
    return option.word


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


def fitted(stores: str, folder: Path, *words: str, epochs: int, ckpt: str | None = None) -> tuple[object, object]:
    """Trainer and task after so many epochs."""
    from lightning.pytorch import seed_everything

    from phmbench.training.callbacks import SeedEpoch

    config = composed(*THREE, *words, f"trainer.max_epochs={epochs}", f"paths.cache={stores}")
    seed_everything(0, verbose=False)
    data = build.data(config)
    data.setup()
    trainer = build.trainer(config, folder, extra=[SeedEpoch(seed=0)])
    task = build.task(config, data.facts)
    trainer.fit(task, data, ckpt_path=ckpt)
    return trainer, task


@pytest.mark.parametrize("option", METHODS, ids=ids)
def test_two_epochs_are_one_and_one_more(option: Option, stores: str, tmp_path: Path):
    """Finite, validated, and everything learnt in the checkpoint: a second epoch from there is that of a fit of two."""
    _, whole = fitted(stores, tmp_path / "whole", "task=adapt", option.word, epochs=2)
    first, task = fitted(stores, tmp_path / "first", "task=adapt", option.word, epochs=1)
    assert "val/macro_f1" in first.callback_metrics
    first.save_checkpoint(tmp_path / "one.ckpt")
    saved = torch.load(tmp_path / "one.ckpt", weights_only=True)["state_dict"]
    assert {name for name, _ in task.named_parameters()} <= set(saved)
    ckpt = str(tmp_path / "one.ckpt")
    _, resumed = fitted(stores, tmp_path / "second", "task=adapt", option.word, epochs=2, ckpt=ckpt)
    for name, value in whole.state_dict().items():
        assert bool(value.isfinite().all())
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_source_only_is_empirical_risk_minimisation(stores: str, tmp_path: Path):
    """The same weights as domain generalisation gives, which never sees the target, to the last digit."""
    _, one = fitted(stores, tmp_path / "one", "task=adapt", "task/adaptation=source_only", epochs=2)
    _, other = fitted(stores, tmp_path / "other", "task=dg", "task/algorithm=erm", epochs=2)
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
