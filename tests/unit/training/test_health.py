"""Networks that cannot learn, made for real, and what is said of them; nothing is said of those that can."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from phmbench import build
from phmbench.algorithms.erm import ERM
from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.tasks.classification import Classification
from phmbench.training.health import Health
from tests.contract.composing import QUICK, composed

CLASSES = ("cage", "inner", "normal", "outer", "rolling_element")
WORDS = (
    *QUICK,
    "trainer=cpu",
    "task/split=recordings",
    "trainer.max_epochs=2",
    "trainer.callbacks.early_stopping=null",
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


def fitted(task: Classification, stores: str, folder: Path, *, every: int | None = 1, **trainer: Any) -> list[str]:
    """Train a task for ten steps, two epochs; what health says."""
    health = {} if every is None else {"_target_": "phmbench.training.health.Health", "every": every}
    job = composed(*WORDS, "data.batch_size=64", f"paths.cache={stores}")
    callbacks = {**job["trainer"]["callbacks"], "health": health}
    job = {**job, "trainer": {**job["trainer"], "limit_train_batches": 5, **trainer, "callbacks": callbacks}}
    said: list[str] = []
    torch.manual_seed(1)
    build.trainer(job, folder, extra=[], warn=said.append).fit(task, build.data(job))
    return said


def task(model: nn.Module, head: nn.Module | None = None, *, lr: float = 1e-3, seed: int = 0) -> Classification:
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    start = getattr(model, "start", None)
    if start is not None:
        start()
    head = head or Linear(features=model.n_features, classes=len(CLASSES))
    return Classification(network=Network(model, head), algorithm=ERM(), optimizer=partial(torch.optim.AdamW, lr=lr),
                          scheduler=None, class_names=CLASSES)  # fmt: skip


class Layers(nn.Module):
    """The window, normalised, through layers of 32 units."""

    n_features = 32

    def __init__(self, *layers: nn.Module, start: Callable[[nn.Module], None] | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(256, 32)
        self.layers = nn.Sequential(*layers)
        self.start_layer = start

    def start(self) -> None:
        if self.start_layer is not None:
            self.layers.apply(self.start_layer)

    def forward(self, signal: Tensor) -> Tensor:
        return self.layers(self.first(signal.mean(1)))


def deep(activation: type[nn.Module], depth: int) -> list[nn.Module]:
    return [layer for _ in range(depth) for layer in (nn.Linear(32, 32), activation())]


def sunk(module: nn.Module) -> None:
    """A rectifier after it never fires, for any window."""
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.weight)
        nn.init.constant_(module.bias[:24], -5.0)
        nn.init.constant_(module.bias[24:], 1.0)
        with torch.no_grad():
            module.weight[24:] = torch.randn(8, 32) * 0.2


def chaotic(module: nn.Module) -> None:
    """Each layer passes back several times the gradient that it gets (Poole et al. 2016, arXiv 1606.05340)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=4 / math.sqrt(32))


class Spare(Layers):
    """Has a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU())
        self.spare = nn.Linear(4, 4)


class Blind(Linear):
    """Sees one and the same feature, whatever it is given."""

    def forward(self, feature: Tensor) -> Tensor:
        return super().forward(torch.ones_like(feature))


class Large(Linear):
    """Is sure of itself before it has seen anything."""

    def __init__(self, *, features: int, classes: int) -> None:
        super().__init__(features=features, classes=classes)
        nn.init.normal_(self.linear.weight, std=10.0)


class Constant(Layers):
    """Loses its input on the way."""

    def forward(self, signal: Tensor) -> Tensor:
        return super().forward(signal).mean(0, keepdim=True).expand(len(signal), -1)


HEAD = {"features": 32, "classes": len(CLASSES)}
SICK = {
    "dead": (lambda: task(Layers(nn.Linear(32, 32), nn.ReLU(), start=sunk)), "model.layers.1 (ReLU): 75% of its units"),
    "vanishing": (lambda: task(Layers(*deep(nn.Sigmoid, 12))), "model.first (Linear), model.layers.0 (Linear), model."),
    "exploding": (
        lambda: task(Layers(*deep(nn.Tanh, 30), start=chaotic), lr=1e-6),
        "model.first (Linear), model.layers.0 (Linear), model.",
    ),
    "unused": (lambda: task(Spare()), "model.spare.weight, model.spare.bias: no gradient"),
    "start": (lambda: task(Layers(nn.Tanh()), Large(**HEAD)), "head (Large): the first cross-entropy is"),
    "blind": (lambda: task(Layers(nn.ReLU()), Blind(**HEAD)), "head (Blind): gives the same for all windows"),
    "constant": (lambda: task(Constant(nn.ReLU())), "model (Constant): gives the same for all windows"),
}
SIGN = {"vanishing": "gradients vanish", "exploding": "gradients explode"}


@pytest.mark.parametrize("case", SICK)
def test_a_sick_network_gets_its_own_warning_and_no_other(case: str, stores: str, tmp_path: Path):
    make, text = SICK[case]
    said = fitted(make(), stores, tmp_path)
    assert len(said) == 1, said
    assert said[0].startswith(text)
    assert SIGN.get(case, "") in said[0]


def test_each_warning_once_also_after_the_fit_is_resumed(stores: str, tmp_path: Path):
    """What was said travels in the checkpoint."""
    health = Health(every=1, warn=print)
    health.said = {"start"}
    other, said = Health(every=1, warn=(again := []).append), ["vanishing model"]
    other.load_state_dict(health.state_dict())
    assert other.said == {"start"}
    other._say("start", "text")
    other._say(said[0], "new")
    assert again == ["new"]


def test_looks_before_a_run_was_cut_off_count(stores: str, tmp_path: Path):
    """Two looks and two looks are four in a row: dead units are warned of as in a run of four."""
    said: list[str] = []
    for step in range(2):
        job = composed(*WORDS, "trainer.callbacks.health.every=1", f"paths.cache={stores}")
        job = {**job, "trainer": {**job["trainer"], "limit_train_batches": 2, "max_epochs": step + 1}}
        one = task(Layers(nn.Linear(32, 32), nn.ReLU(), start=sunk), lr=0.0)
        earlier = tmp_path / "checkpoints" / "last.ckpt" if step else None
        build.trainer(job, tmp_path, extra=[], warn=said.append).fit(one, build.data(job), ckpt_path=earlier)
        assert len(said) == step
    assert "dead, zero for every window of 4" in said[0]


@pytest.mark.parametrize("model", ["wdcnn", "resnet1d", "patch_transformer", "spectral_linear"])
def test_nothing_is_said_of_our_models(model: str, stores: str, tmp_path: Path):
    """Five looks in an epoch, at each step."""
    words = ("data.window=1024", "data.hop=256", "data.sources.simulated.seconds=0.5", f"model={model}")
    job = composed(*WORDS, *words, "trainer.callbacks.health.every=1", "data.batch_size=32", f"paths.cache={stores}")
    job = {**job, "trainer": {**job["trainer"], "limit_train_batches": 6, "limit_val_batches": 1, "max_epochs": 1}}
    said: list[str] = []
    data = build.data(job)
    data.assign()
    torch.manual_seed(0)
    trainer = build.trainer(job, tmp_path, extra=[], warn=said.append)
    trainer.fit(build.task(job, data.facts), data)
    assert trainer.global_step == 6
    assert said == []


class Twice(Layers):
    """One rectifier behind layers of different width, as many residual networks are written."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.wide, self.narrow = nn.ReLU(), nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, signal: Tensor) -> Tensor:
        return self.relu(self.narrow(self.relu(self.wide(self.first(signal.mean(1))))))


def test_a_rectifier_that_is_used_twice(stores: str, tmp_path: Path):
    assert fitted(task(Twice()), stores, tmp_path) == []


def test_what_is_trained_does_not_change(stores: str, tmp_path: Path):
    """Weights bit for bit, with dropout: nothing is drawn either."""
    weights = []
    for every in (None, 1, 3):
        one = task(Layers(nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.3)))
        fitted(one, stores, tmp_path / str(every), every=every)
        weights.append(torch.cat([p.detach().flatten() for p in one.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_steps_between_looks_have_no_hooks(stores: str, tmp_path: Path):
    """Hooks that are there when a forward begins, by step: seen from a module's own forward."""
    seen: list[int] = []

    class Counting(Layers):
        def forward(self, signal: Tensor) -> Tensor:
            if self.training:
                seen.append(len(self.first._forward_hooks))
            return super().forward(signal)

    fitted(task(Counting(nn.ReLU())), stores, tmp_path, every=4)
    assert seen == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]


def test_batches_of_one_step_are_looked_at_once(stores: str, tmp_path: Path):
    """Two batches a step: the first one of every step."""
    seen: list[int] = []

    class Counting(Layers):
        def forward(self, signal: Tensor) -> Tensor:
            if self.training:
                seen.append(len(self.first._forward_hooks))
            return super().forward(signal)

    fitted(task(Counting(nn.ReLU())), stores, tmp_path, accumulate_grad_batches=2, limit_train_batches=4, max_epochs=1)
    assert seen == [1, 0, 1, 0]


def test_weights_that_come_from_a_checkpoint_are_not_held_against_a_guess(stores: str, tmp_path: Path):
    said: list[str] = []
    job = composed(*WORDS, f"paths.cache={stores}")
    trainer = build.trainer({**job, "init": "best.ckpt"}, tmp_path, extra=[], warn=said.append)
    trainer.fit(task(Layers(nn.Tanh()), Large(**HEAD)), build.data(job))
    assert said == []
