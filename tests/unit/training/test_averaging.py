"""Averaged weights: the mean by hand, what a checkpoint holds, and a fit that goes on from it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.strategies import FSDPStrategy

from phmbench import build
from phmbench.errors import ConfigError
from phmbench.training.averaging import EMA
from phmbench.training.callbacks import SeedEpoch
from tests.contract.composing import QUICK, composed


class Steps(Callback):
    """Keeps the network's weights at the start and after each step."""

    def __init__(self):
        self.found = []

    def on_train_start(self, trainer, pl_module):
        self.found.append({k: v.clone() for k, v in pl_module.network.state_dict().items()})

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.on_train_start(trainer, pl_module)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return str(tmp_path_factory.mktemp("stores"))


def fitted(stores, folder, *words, epochs, ckpt=None):
    config = composed(
        *QUICK,
        "model=resnet1d",
        "model.width=4",
        "trainer=cpu",
        f"trainer.max_epochs={epochs}",
        f"paths.cache={stores}",
        *words,
    )
    torch.manual_seed(0)
    data = build.data(config)
    data.setup()
    steps = Steps()
    trainer = build.trainer(config, folder, extra=[SeedEpoch(seed=0), steps])
    task = build.task(config, data.facts)
    trainer.fit(task, data, ckpt_path=ckpt)
    trainer.save_checkpoint(folder / "end.ckpt")
    return SimpleNamespace(trainer=trainer, task=task, steps=steps.found, config=config, data=data)


def test_a_checkpoint_holds_the_mean_that_validation_saw_and_a_fit_goes_on(stores, tmp_path):
    """After n steps the share of what was is min(0.9, (1 + n) / (10 + n)); statistics of normalisations too."""
    words = ("task/averaging=ema", "task.averaging.decay=0.9")
    whole = fitted(stores, tmp_path / "whole", *words, epochs=2)
    last = torch.load(tmp_path / "whole" / "end.ckpt", weights_only=True)
    mean = {name: value.double().numpy() for name, value in whole.steps[0].items()}
    for n, state in enumerate(whole.steps[1:]):
        share = min(0.9, (1 + n) / (10 + n))
        for name, value in state.items():
            kept = share if value.is_floating_point() else 0.0
            mean[name] = kept * mean[name] + (1 - kept) * value.double().numpy()
    for name, value in mean.items():
        np.testing.assert_allclose(last["state_dict"][f"network.{name}"].numpy(), value, rtol=1e-4, atol=1e-5)
        assert torch.equal(last["phmbench_raw"][name], whole.steps[-1][name])
        assert torch.equal(whole.task.network.state_dict()[name], whole.steps[-1][name])

    task = build.task(whole.config, whole.data.facts)  # as fit.test does: the checkpoint's network alone
    task.load_state_dict(last["state_dict"])
    task.eval()
    with torch.no_grad():
        for batch in whole.data.val_dataloader():
            task.observe("val", batch)
    assert task.report("val")["loss"] == pytest.approx(float(whole.trainer.callback_metrics["val/loss"]), rel=1e-5)

    fitted(stores, tmp_path / "first", *words, epochs=1)
    half = tmp_path / "first" / "end.ckpt"
    fitted(stores, tmp_path / "second", *words, epochs=2, ckpt=str(half))
    resumed = torch.load(tmp_path / "second" / "end.ckpt", weights_only=True)
    for part in ("state_dict", "phmbench_raw"):
        assert all(torch.equal(value, last[part][name]) for name, value in resumed[part].items())


def test_the_mean_does_not_change_the_steps(stores, tmp_path):
    plain = fitted(stores, tmp_path / "plain", epochs=2)
    averaged = fitted(stores, tmp_path / "averaged", "task/averaging=ema", epochs=2)
    assert all(torch.equal(value, averaged.steps[-1][name]) for name, value in plain.steps[-1].items())


def test_gradients_that_are_added_up_are_one_step(stores, tmp_path):
    done = fitted(stores, tmp_path, "task/averaging=ema", "trainer.accumulate_grad_batches=2", epochs=1)
    (averaging,) = (each for each in done.trainer.callbacks if isinstance(each, EMA))
    assert averaging.updates == done.trainer.global_step < len(done.steps) - 1


def test_what_cannot_be_averaged_is_refused():
    with pytest.raises(ValueError, match=r"decay: is the share of earlier steps; got 1\.0"):
        EMA(decay=1.0)
    with pytest.raises(ConfigError, match=r"task\.averaging: weights lie spread over processes"):
        EMA().setup(SimpleNamespace(strategy=FSDPStrategy()), None, "fit")
