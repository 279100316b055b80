"""Each change of a training window by its exact effect; and who is never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from phmbench import build
from phmbench.data.augment import Augment
from phmbench.errors import ConfigError
from phmbench.training.callbacks import SeedEpoch
from tests.contract.composing import QUICK, composed

NOTHING: dict[str, Any] = {
    "gain_db": None, "invert": False, "shift": 0.0, "noise_db": None, "mask": 0.0, "probability": 1.0,
}  # fmt: skip


def augment(**changes: Any) -> Augment:
    torch.manual_seed(0)
    return Augment(**{**NOTHING, **changes})


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


ALL: dict[str, Any] = {"gain_db": (-6, 6), "invert": True, "shift": 1.0, "noise_db": (0, 20), "mask": 0.3}


def test_nothing_is_nothing():
    signal = noise(8, 2, 64)
    assert torch.equal(augment()(signal), signal)
    assert torch.equal(augment(**ALL, probability=0.0)(signal), signal)


def test_the_gain_is_in_decibels():
    """20 dB is ten times the amplitude; a range is drawn evenly, per window and alike in its channels."""
    signal = noise(2000, 2, 8)
    torch.testing.assert_close(augment(gain_db=(20, 20))(signal), 10 * signal)
    ratio = augment(gain_db=(-6.0, 6.0))(signal) / signal
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio))
    drawn = 20 * ratio[:, 0, 0].log10()
    assert float(drawn.min()) >= -6.001
    assert float(drawn.max()) <= 6.001
    assert abs(float(drawn.mean())) < 0.3  # standard error of the mean: 12 / sqrt(12 · 2000) = 0.08
    assert abs(float(drawn.std()) - 12 / 12**0.5) < 0.2


def test_polarity():
    signal = noise(400, 2, 16)
    assert torch.equal(augment(invert=True)(signal), -signal)
    half = augment(invert=True, probability=0.5)(signal)
    turned = (half == -signal).flatten(1).all(1)
    assert torch.equal(half[~turned], signal[~turned])
    assert 160 <= int(turned.sum()) <= 240  # four standard deviations of 10 around 200


@pytest.mark.parametrize(("share", "most"), [(0.25, 8), (1.0, 31)])
def test_a_shift_is_circular(share: float, most: int):
    """To the right, by each whole number of samples up to the share; both channels together."""
    signal = torch.arange(32.0).repeat(600, 2, 1)
    signal[:, 1] += 100
    shifted = augment(shift=share)(signal)
    steps = (-shifted[:, 0, 0]).long() % 32  # the ramp says where a window began
    assert set(steps.tolist()) == set(range(most + 1))
    for row, step in zip(shifted, steps.tolist(), strict=True):
        assert torch.equal(row, torch.roll(signal[0], step, dims=-1))


def test_noise_has_the_ratio_that_was_asked_for():
    """Measured over 50 000 samples; an offset is no signal, and each channel has the power of its own."""
    time = torch.arange(50_000.0)
    signal = torch.stack([time.mul(0.1).sin(), 5 * time.mul(0.3).sin() + 100]).repeat(4, 1, 1).double()
    added = augment(noise_db=(10, 10))(signal) - signal
    ratio = 10 * (signal.var(-1) / added.var(-1)).log10()
    torch.testing.assert_close(ratio, torch.full_like(ratio, 10.0), atol=0.1, rtol=0)  # standard error: 0.03 dB
    assert float(added.mean(-1).abs().max()) < 0.1
    assert float((added[0] * added[1]).mean().abs()) < 0.05  # windows have noise of their own


def test_the_ratio_is_drawn_evenly():
    signal = noise(500, 1, 2000)
    added = augment(noise_db=(0.0, 20.0))(signal) - signal
    ratio = 10 * (signal.var(-1) / added.var(-1)).log10()
    assert float(ratio.min()) > -0.5
    assert float(ratio.max()) < 20.5
    assert abs(float(ratio.mean()) - 10) < 1.1  # standard error: 20 / sqrt(12 · 500) = 0.26


def test_a_constant_window_gets_no_noise():
    signal = torch.full((3, 1, 16), 7.0)
    assert torch.equal(augment(noise_db=(0, 0))(signal), signal)


def test_one_stretch_is_masked_by_the_mean():
    signal = noise(300, 2, 40)
    masked = augment(mask=0.25)(signal)
    mean = signal.mean(-1, keepdim=True).expand_as(signal)
    hidden = masked != signal
    torch.testing.assert_close(masked[hidden], mean[hidden])
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    lengths = hidden[:, 0].sum(-1)
    assert set(lengths.tolist()) == set(range(11))
    edges = hidden[:, 0].int().diff(dim=-1).abs().sum(-1)
    assert int(edges.max()) <= 2  # one stretch: it begins once and ends once
    assert bool(hidden[:, 0, 0].any())
    assert bool(hidden[:, 0, -1].any())


def test_the_same_seed_draws_the_same():
    signal = noise(16, 2, 64)
    first = augment(**ALL)(signal)
    assert torch.equal(augment(**ALL)(signal), first)
    assert not torch.equal(augment(**ALL)(first), first)
    assert augment(**ALL)(signal.bfloat16()).dtype == torch.bfloat16


def test_a_batch_is_changed_at_once():
    """As many operations for 64 windows as for two: nothing is done window by window."""

    class Count(TorchDispatchMode):
        operations = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.operations += 1
            return func(*args, **(kwargs or {}))

    counts = []
    for size in (2, 64):
        with Count() as count:
            augment(**ALL)(noise(size, 2, 64))
        counts.append(count.operations)
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("name", ["gain_db", "noise_db"])
def test_a_range_from_its_least_to_its_largest(name: str):
    with pytest.raises(ValueError, match=f"{name}: begins above its end; got \\[20, 0\\]; expected the least first"):
        augment(**{name: (20, 0)})


def test_the_configuration_says_where_it_is_wrong():
    config = composed(*QUICK, "data/augment=standard", "data.augment.noise_db=[20,0]")
    with pytest.raises(ConfigError, match=r"noise_db: begins above its end; got \[20, 0\]; expected the least first"):
        build.data(config)


# -- in a fit --------------------------------------------------------------------------------------------------------


class Seen(Callback):
    """What each step was given."""

    def __init__(self) -> None:
        self.batches: dict[str, list[Any]] = {"train": [], "val": [], "test": []}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batches["train"].append(batch)

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *rest: Any) -> None:
        self.batches["val"].append(batch)

    def on_test_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *rest: Any) -> None:
        self.batches["test"].append(batch)


def fitted(folder: Path, *, epochs: int, test: bool = False, resume: str | None = None) -> tuple[Seen, Any, Trainer]:
    words = ("data/augment=standard", "model=spectral_linear", f"paths.cache={folder}", "data.batch_size=32")
    config = composed(*QUICK, *words)
    data, seen = build.data(config), Seen()
    data.setup()
    torch.manual_seed(0)
    task = build.task(config, data.facts)
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=1,
        callbacks=[seen, SeedEpoch(seed=3)],
    )  # fmt: skip
    trainer.fit(task, data, ckpt_path=resume, weights_only=True)
    if test:
        trainer.test(task, data, verbose=False)
    return seen, data, trainer


def test_validation_and_test_are_never_changed(tmp_path: Path):
    """Every batch of an epoch against the store: those of training differ, all others are equal bit for bit."""
    seen, data, _ = fitted(tmp_path, epochs=1, test=True)
    for name, batches in seen.batches.items():
        assert batches
        for batch in batches:
            plain = data.batch(batch.window.numpy()).signal
            assert torch.equal(batch.signal, plain) is (name != "train")


def test_a_resumed_fit_draws_what_it_would_have_drawn(tmp_path: Path):
    whole, _, through = fitted(tmp_path, epochs=2)
    first, _, trainer = fitted(tmp_path, epochs=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    second, _, resumed = fitted(tmp_path, epochs=2, resume=str(tmp_path / "last.ckpt"))
    parts = [*first.batches["train"], *second.batches["train"]]
    assert len(parts) == len(whole.batches["train"]) > 2
    assert all(torch.equal(a.signal, b.signal) for a, b in zip(parts, whole.batches["train"], strict=True))
    weights = [list(one.lightning_module.state_dict().values()) for one in (through, resumed)]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
