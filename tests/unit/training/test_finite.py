"""Losses and gradients that are not finite, made for real: the fit stops, says where, and can be seen again."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.amp import GradScaler

from phmbench import build
from phmbench.algorithms.erm import ERM
from phmbench.config import Config
from phmbench.errors import PhmbenchError, RecordError
from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.pipelines import at_failure
from phmbench.tasks.classification import Classification
from phmbench.training import finite
from phmbench.training.trace import trace
from phmbench.types import Batch, Context
from tests.contract.composing import QUICK, composed

CLASSES = ("cage", "inner", "normal", "outer", "rolling_element")
WORDS = (*QUICK, "model=wdcnn", "data.window=1024", "data.hop=256", "data.sources.simulated.seconds=0.5")
QUIET = ("task/split=recordings", "trainer=cpu", "trainer.max_epochs=3", "trainer.callbacks.health=null")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


@pytest.fixture
def job(stores: str) -> Config:
    return composed(*WORDS, *QUIET, f"paths.cache={stores}")


class Small(nn.Module):
    """Two layers around a step of its own."""

    n_features = 8

    def __init__(self, step: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(1024, 8)
        self.step = step or nn.Identity()
        self.second = nn.Linear(8, 8)

    def forward(self, signal: Tensor) -> Tensor:
        return self.second(self.step(self.first(signal.mean(1))))


class Log(nn.Module):
    def forward(self, value: Tensor) -> Tensor:
        return value.log()


class Root(nn.Module):
    """Its derivative at zero is infinite."""

    def forward(self, value: Tensor) -> Tensor:
        return (value * (value > 0)).sqrt()


class Inline(Small):
    """The logarithm has no module of its own."""

    def forward(self, signal: Tensor) -> Tensor:
        return self.second(self.first(signal.mean(1)).log())


class Later(nn.Module):
    """Finite for three batches."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, value: Tensor) -> Tensor:
        if self.training:
            self.batches += 1
        return value / (self.batches < 4)


class Once(nn.Module):
    """Not finite in the first pass, and raises in the second one."""

    passes = 0

    def forward(self, value: Tensor) -> Tensor:
        self.passes += 1
        if self.passes > 1:
            raise RuntimeError("a second pass")
        return value * math.nan


class Dropping(nn.Module):
    """The logarithm of what a dropout leaves: whether it is finite depends on what is drawn."""

    def forward(self, value: Tensor) -> Tensor:
        return nn.functional.dropout(torch.ones_like(value), 0.004, training=True).log() + value


class Unsure(ERM):
    """A loss that is not finite though the network is."""

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"loss": super().forward(network, batch)["loss"] * math.inf}


def task(model: nn.Module, algorithm: nn.Module | None = None) -> Classification:
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    head = Linear(features=model.n_features, classes=len(CLASSES))
    return Classification(network=Network(model, head), algorithm=algorithm or ERM(), class_names=CLASSES,
                          optimizer=partial(torch.optim.SGD, lr=0.01), scheduler=None)  # fmt: skip


def failed(job: Config, one: Classification, folder: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The message of a fit that stops, what it has told, and what it has saved."""
    data = build.data(job)
    torch.manual_seed(0)
    trainer = build.trainer(job, folder, extra=[finite.Finite(folder=folder / "failure")])
    with pytest.raises(PhmbenchError) as caught:
        trainer.fit(one, data)
    return str(caught.value), *finite.read_failure(folder)


@pytest.mark.parametrize(
    ("model", "place"),
    [
        (lambda: Small(Log()), "the loss is not finite; got nan as loss at epoch 1, step 1, first in the output of "
                               "model.step (Log)"),
        (lambda: Inline(), "first in the output of model (Inline)"),
        (lambda: Small(Root()), "the gradient is not finite; got 1.6 as loss at epoch 1, step 1, first in the gradient "
                                "that model.step (Root) passed back"),
    ],
    ids=["log", "inline", "backward"],
)  # fmt: skip
def test_it_stops_before_the_step_and_names_the_module(model: Any, place: str, job: Config, tmp_path: Path):
    one = task(model())
    before = {name: value.clone() for name, value in one.state_dict().items()}
    message, told, saved = failed(job, one, tmp_path)
    assert place in message.replace("1.61", "1.6")
    assert "lower task.optimizer.lr, set trainer.gradient_clip_val" in message
    assert f"phmbench rerun {tmp_path} --at-failure" in message
    assert told["module"] in ("model.step", "model")
    assert all(torch.equal(before[name], value) for name, value in saved["state_dict"].items())
    assert len(told["windows"]) == 64
    assert told["windows"][0]["recording"].startswith("simulated/")


def test_a_loss_of_its_own_making(job: Config, tmp_path: Path):
    message, told, _ = failed(job, task(Small(), Unsure()), tmp_path)
    assert "first in the output of algorithm (Unsure)" in message
    assert (told["what"], told["where"]) == ("loss", "forward")


def test_a_step_that_cannot_be_run_again_hides_nothing(job: Config, tmp_path: Path):
    message, told, saved = failed(job, task(Small(Once())), tmp_path)
    assert message.startswith("trainer: the loss is not finite; got nan as loss at epoch 1, step 1, in a module that")
    assert "that is not known: run again, the step ended in RuntimeError (a second pass); expected numbers" in message
    assert (told["where"], told["module"], len(told["windows"])) == (None, None, 64)
    assert saved["batch"]["type"] == "Batch"


def test_a_failure_that_cannot_be_saved_hides_nothing(job: Config, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "failure").touch()  # a file in the place of the folder, as a read-only disk would refuse it
    callback = finite.Finite(folder=tmp_path / "run" / "failure" / "failure")
    trainer = build.trainer(job, tmp_path, extra=[callback])
    with pytest.raises(PhmbenchError, match=r"the loss is not finite; .*; the batch is not kept: .* cannot be written"):
        trainer.fit(task(Small(Log())), build.data(job))


def test_the_loss_is_that_of_a_whole_batch(job: Config, tmp_path: Path):
    """Lightning divides it by the batches of a step; a guess among five classes costs ln 5."""
    job = {**job, "trainer": {**job["trainer"], "accumulate_grad_batches": 4}}
    assert "got 1.6" in failed(job, task(Small(Root())), tmp_path)[0]


def test_a_window_of_infinities(job: Config, tmp_path: Path, stores: str):
    """Sources and store refuse such samples; they are put into a copy of what was read."""
    job = composed(*WORDS, *QUIET, f"paths.cache={stores}", "data.normalise=none")
    data = build.data(job)
    data.assign()
    signals = data.store.signals.copy()
    recording = data.windows.recording[data.assignment.train[0]]
    signals[data.offset_of[recording] : data.offset_of[recording] + data.length_of[recording]] = math.inf
    data.store = replace(data.store, signals=signals)  # a copy: the store itself is kept open for other tests
    trainer = build.trainer(job, tmp_path, extra=[finite.Finite(folder=tmp_path / "failure")])
    with pytest.raises(PhmbenchError, match=r"first in the signal of the batch; .*look at the recordings that failure"):
        trainer.fit(task(Small()), data)
    told, _ = finite.read_failure(tmp_path)
    names = {window["recording"] for window in told["windows"]}
    assert data.table["recording"].iloc[recording] in names


def test_steps_so_long_that_weights_overflow(job: Config, tmp_path: Path):
    """The first step is taken; at the second the loss or its gradient is not finite."""
    optimizer = {**job["task"]["optimizer"], "lr": 1e20}
    job = {**job, "task": {**job["task"], "optimizer": optimizer}}
    data = build.data(job)
    data.assign()
    message, told, _ = failed(job, build.task(job, data.facts), tmp_path)
    assert told["step"] > 1
    assert "is not finite; got " in message


def test_the_last_good_checkpoint_is_named(job: Config, tmp_path: Path):
    """One batch an epoch, and none of it is finite from the fourth on; validation has seen three."""
    job = {**job, "trainer": {**job["trainer"], "limit_train_batches": 1, "max_epochs": 9}}
    message, told, saved = failed(job, task(Small(Later())), tmp_path)
    assert (told["epoch"], told["step"], told["checkpoint"]) == (4, 4, "checkpoints/last.ckpt")
    assert "last good checkpoint: checkpoints/last.ckpt" in message
    assert finite.last_good(tmp_path / "nowhere") is None
    weights = saved["state_dict"]
    weights["network.parts.0.first.weight"][0] = math.nan
    torch.save({"state_dict": weights}, tmp_path / "checkpoints" / "last.ckpt")
    assert finite.last_good(tmp_path / "checkpoints") == "checkpoints/best.ckpt"
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"not a checkpoint")
    assert finite.last_good(tmp_path / "checkpoints") == "checkpoints/best.ckpt"


def test_what_was_drawn_is_drawn_again(job: Config, tmp_path: Path):
    """One value in 250 is dropped: most steps are finite, and the one that was not is not when it is run again."""
    message, told, saved = failed(job, one := task(Small(Dropping())), tmp_path)
    assert told["module"] == "model.step"
    finite.set_random_state(saved["random"])
    one.load_state_dict(saved["state_dict"])
    first = trace(one.train(), finite.from_plain(saved["batch"]))
    assert first.first is not None
    assert first.first.name == "model.step"
    assert "model.step (Dropping)" in message


def test_batches_as_plain_values():
    known = Context(torch.ones(2), torch.tensor([math.nan, 1.0]), torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))
    batch = Batch(torch.zeros(2, 1, 8), *(torch.arange(2) for _ in range(3)), context=known)
    back = finite.from_plain(finite.to_plain(batch))
    assert isinstance(back, Batch)
    assert isinstance(back.context, Context)
    assert torch.equal(back.signal, batch.signal)
    assert torch.equal(back.context.speed_hz.isnan(), torch.tensor([True, False]))


# -- taken apart -----------------------------------------------------------------------------------------------------


def batch_of(signal: Tensor) -> Batch:
    n = len(signal)
    rows = torch.arange(n)
    unknown = torch.full((n,), math.nan)
    return Batch(signal, rows % 5, rows * 0, rows, Context(unknown, unknown, torch.full((n, 4), math.nan), rows * 0))


def test_a_trace_shows_what_flows_and_keeps_no_gradient():
    """Values by hand: the signal is ones, the first layer's weights are 1/1024, so that it gives ones."""
    one = task(Small())
    nn.init.constant_(one.network.parts[0].first.weight, 1 / 1024)
    nn.init.zeros_(one.network.parts[0].first.bias)
    found = trace(one.train(), batch_of(torch.ones(4, 1, 1024)))
    by_name = {visit.name: visit for visit in found.visits}
    assert list(by_name) == [
        "model.first", "model.step", "model.second", "model", "head.linear", "head", "algorithm"
    ]  # fmt: skip
    assert by_name["model.first"].output == (1.0, 1.0, 0.0)
    assert (found.where, found.first) == ("nowhere", None)
    assert all(p.grad is None for p in one.parameters())
    assert not one.network.parts[0].first._forward_hooks


def test_a_neighbour_is_not_blamed():
    """Two branches take the same feature; one passes back what is not finite, and the other ends later."""

    class Branches(Small):
        def __init__(self) -> None:
            super().__init__()
            self.bad, self.good = Root(), nn.Tanh()

        def forward(self, signal: Tensor) -> Tensor:
            feature = self.first(signal.mean(1)) * 0
            return self.bad(feature) + self.good(feature)

    found = trace(task(Branches()).train(), batch_of(torch.ones(4, 1, 1024)))
    assert (found.where, found.first.name) == ("backward", "model.bad")


def test_weights_that_are_not_finite_are_said_to_be():
    one = task(Small())
    one.network.parts[0].second.weight.data[0, 0] = math.inf
    found = trace(one.train(), batch_of(torch.ones(4, 1, 1024)))
    assert found.first.name == "model.second"
    assert finite.place_of(found) == "first in the output of model.second (Linear), whose weights are not finite"


# -- seen again ------------------------------------------------------------------------------------------------------


def test_a_run_without_a_failure(tmp_path: Path):
    with pytest.raises(RecordError, match=r"no failure is saved there; got no failure/failure\.json; expected a run"):
        finite.read_failure(tmp_path)


def test_a_failure_that_is_none_when_it_is_run_again(job: Config, tmp_path: Path):
    """Saved weights mended by hand."""
    data = build.data(job)
    data.assign()
    one = build.task(job, data.facts)
    one.network.parts[1].linear.weight.data[0] = math.nan
    failed(job, one, tmp_path)
    file = tmp_path / "failure" / "failure.ckpt"
    saved = torch.load(file, weights_only=True)
    saved["state_dict"]["network.parts.1.linear.weight"][0] = 0.0
    torch.save(saved, file)
    with pytest.raises(PhmbenchError, match="rerun: the step is finite when it is run again here; got a failure of"):
        at_failure.show(job, tmp_path)
    told = json.loads((tmp_path / "failure" / "failure.json").read_text())
    assert told["module"] == "head.linear"


# -- half precision --------------------------------------------------------------------------------------------------


class Steepened(torch.autograd.Function):
    """The value as it is, and a multiple of its gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return value * 1

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


class Steep(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, value: Tensor) -> Tensor:
        return Steepened.apply(value, self.factor)


def scaled(job: Config, one: Classification, folder: Path, steps: int) -> tuple[Any, MixedPrecision]:
    precision = MixedPrecision("16-mixed", "cpu", GradScaler("cpu"))
    extra = [finite.Finite(folder=folder / "failure")]
    trainer = Trainer(accelerator="cpu", devices=1, plugins=[precision], max_steps=steps, logger=False, callbacks=extra,
                      enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                      limit_val_batches=0, gradient_clip_val=1e-3)  # fmt: skip
    data = build.data(job)
    torch.manual_seed(0)
    trainer.fit(one, data)
    return trainer, precision


def test_a_scaler_may_skip_steps(job: Config, tmp_path: Path):
    """Gradients a million times as large overflow at a scale of 65536: it is halved, and the fit goes on."""
    trainer, precision = scaled(job, task(Small(Steep(1e6))), tmp_path, 10)
    assert trainer.global_step == 10
    assert 1 < precision.scaler.get_scale() < 65536
    assert not (tmp_path / "failure").exists()


def test_a_scaler_that_can_go_no_lower(job: Config, tmp_path: Path):
    """Halved 17 times, the scale is below one: it is not the scale."""
    with pytest.raises(
        PhmbenchError, match=r"not finite; got 1\.\d+ as loss at .* in the gradient that model\.step \(Steep\)"
    ):
        scaled(job, task(Small(Steep(math.inf))), tmp_path, 40)
    assert finite.read_failure(tmp_path)[0]["step"] == 18
