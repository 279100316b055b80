"""SWAD: where its valley begins and ends, what it averages, and that a fit goes on to the same mean."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy

from phmbench import build
from phmbench.errors import ConfigError
from phmbench.training.swad import SWAD, Segment
from tests.unit.training.test_averaging import fitted


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return str(tmp_path_factory.mktemp("stores"))


def by_hand(losses: list[float], *, optimum: int, overfit: int, ratio: float) -> tuple[int, int] | None:
    """First and last segment of the valley: algorithm 1 of the paper, looking at the whole list at once."""
    for i in range(len(losses) - optimum + 1):
        if losses[i] == min(losses[i : i + optimum]):
            threshold = ratio * np.mean(losses[i : i + optimum])
            for j in range(i + 1, len(losses) - overfit + 1):
                if min(losses[j : j + overfit]) > threshold:
                    return i, j - 1
            last = max(k for k in range(i, len(losses)) if k == i or losses[k] <= threshold)
            return i, last
    return None


def run(losses: list[float], **settings: float) -> tuple[SWAD, list[int]]:
    """SWAD on weights of which each segment has a dimension of its own; which segments are in the mean."""
    swad = SWAD(**settings)
    for i, loss in enumerate(losses):
        if not swad.ended:
            swad.close(Segment({"w": torch.eye(len(losses))[i]}, i + 1, loss))  # of i + 1 steps
    mean = swad.averaged()["w"]
    steps = mean / mean.max() * (int(mean.argmax()) + 1)
    kept = np.flatnonzero(mean.numpy())
    np.testing.assert_allclose(steps.numpy()[kept], kept + 1, rtol=1e-5)  # each by its steps
    return swad, kept.tolist()


@pytest.mark.parametrize("seed", range(30))
def test_the_valley_is_that_of_the_algorithm(seed: int):
    """Losses that fall, wander and rise."""
    rng = np.random.default_rng(seed)
    trend = np.abs(np.arange(20) - rng.integers(3, 12)) * 0.15
    losses = (1 + trend + rng.normal(scale=0.15, size=20)).tolist()
    swad, kept = run(losses, optimum=3, overfit=4, tolerance=0.3)
    first, last = by_hand(losses, optimum=3, overfit=4, ratio=1.3)
    assert kept == list(range(first, last + 1))
    assert len(swad.waiting) <= 5


def test_a_valley_by_hand():
    """Of 5 4 2 3 3 the minimum is known at the fifth: threshold 1.3 · 8/3 = 3.47. Then 3 9 9 9: two above it in a row
    end the valley behind the sixth."""
    losses = [5.0, 4.0, 2.0, 3.0, 3.0, 3.0, 9.0, 9.0, 9.0]
    swad, kept = run(losses, optimum=3, overfit=2, tolerance=0.3)
    assert kept == [2, 3, 4, 5]
    assert swad.threshold == pytest.approx(1.3 * 8 / 3)
    assert swad.ended


def test_a_loss_that_only_falls_leaves_the_mean_since_the_last_validation_but_one():
    swad, kept = run([5.0, 4.0, 3.0, 2.0, 1.0], optimum=3, overfit=6, tolerance=0.3)
    assert kept == [4]
    assert swad.threshold is None


def test_a_valley_that_has_no_end_goes_to_the_last_step():
    _, kept = run([5.0, 2.0, 2.1, 2.2, 2.1, 2.2], optimum=3, overfit=6, tolerance=0.3)
    assert kept == [1, 2, 3, 4, 5]


WORDS = ("task/averaging=swad", "task.averaging.optimum=1", "task.averaging.overfit=9")


def test_the_mean_of_all_steps_is_tested_and_a_fit_goes_on_to_the_same(stores, tmp_path):
    """With an optimum known at once and no end within three epochs, the valley is the whole fit while losses are below
    the threshold: the mean is of the steps of these epochs, in double precision by hand."""
    words = (*WORDS, "task.averaging.tolerance=1e6")
    whole = fitted(stores, tmp_path / "whole", *words, epochs=3)
    best = torch.load(tmp_path / "whole" / "checkpoints" / "best.ckpt", weights_only=True)
    for name, value in whole.steps[-1].items():
        found = best["state_dict"][f"network.{name}"]
        if value.is_floating_point():
            steps = [state[name].double().numpy() for state in whole.steps[1:]]
            np.testing.assert_allclose(found.numpy(), np.mean(steps, 0), rtol=1e-4, atol=1e-5)
        assert torch.equal(whole.task.network.state_dict()[name], value)  # training ends with its own
    assert best["epoch"] == 2

    task = build.task(whole.config, whole.data.facts)
    task.load_state_dict(best["state_dict"])
    task.eval()
    with torch.no_grad():
        for batch in whole.data.val_dataloader():
            task.observe("val", batch)
    assert task.report("val")["loss"] == pytest.approx(best["phmbench_metrics"]["val/loss"], rel=1e-5)

    fitted(stores, tmp_path / "first", *words, epochs=1)
    fitted(stores, tmp_path / "second", *words, epochs=3, ckpt=str(tmp_path / "first" / "end.ckpt"))
    again = torch.load(tmp_path / "second" / "checkpoints" / "best.ckpt", weights_only=True)
    assert all(torch.equal(value, again["state_dict"][name]) for name, value in best["state_dict"].items())


@pytest.mark.parametrize(
    "word",
    ["precision=bf16-mixed", "precision=bf16-true", "limit_val_batches=1", "limit_val_batches=0.5"],
)
def test_the_mean_is_validated_as_the_trainer_validates(stores, tmp_path, word: str):
    """Metrics that lie beside each other in a record are of the same batches in the same precision."""
    done = fitted(stores, tmp_path, *WORDS, "task.averaging.tolerance=1e6", f"trainer.{word}", epochs=2)
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    task = build.task(done.config, done.data.facts)
    task.load_state_dict(best["state_dict"])
    (found,) = done.trainer.validate(task, done.data, verbose=False)
    assert {name: best["phmbench_metrics"][name] for name in found} == pytest.approx(found, rel=1e-6, nan_ok=True)


def test_gradients_that_are_added_up_are_one_step(stores, tmp_path):
    words = (*WORDS, "task.averaging.tolerance=1e6", "trainer.accumulate_grad_batches=2")
    done = fitted(stores, tmp_path, *words, epochs=2)
    (swad,) = (each for each in done.trainer.callbacks if isinstance(each, SWAD))
    assert swad.valley.steps + sum(one.steps for one in swad.waiting) == done.trainer.global_step < len(done.steps) - 1


def test_the_end_of_the_valley_ends_the_fit():
    """Nothing that comes after is in the mean."""
    swad = SWAD(optimum=1, overfit=1)
    trainer = SimpleNamespace(
        sanity_checking=False, callback_metrics={"val/loss": torch.tensor(1.0)}, should_stop=False
    )
    for loss, stops in ((1.0, False), (1.29, False), (1.31, True)):
        trainer.callback_metrics["val/loss"] = torch.tensor(loss)
        swad.mean, swad.steps = {"w": torch.ones(1)}, 1
        swad.on_validation_end(trainer, None)
        assert trainer.should_stop is stops
    again = SWAD(optimum=1, overfit=1)
    again.load_state_dict(swad.state_dict())
    trainer.should_stop = False
    again.on_train_start(trainer, SimpleNamespace(device=torch.device("cpu")))
    assert trainer.should_stop  # a run that is gone on with is over, too


def test_weights_that_are_spread_are_refused():
    with pytest.raises(ConfigError, match=r"task\.averaging: weights lie spread over processes"):
        SWAD().setup(SimpleNamespace(strategy=FSDPStrategy()), None, "fit")
