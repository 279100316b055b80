"""Options built and used: what a configuration says becomes objects that work together, by a run's own road."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Trainer

from phmbench import build
from phmbench.check import check
from phmbench.config import Config
from phmbench.errors import ConfigError, DataError
from phmbench.pipelines.outcome import with_weakness
from phmbench.testing import check_split
from phmbench.training import ranks
from phmbench.training.callbacks import LossLog
from phmbench.types import LEVELS, Batch, Context, Facts
from tests.contract.composing import QUICK, Option, composed, nodes, options

FACTS = Facts(
    channels=2, window=1024, classes=("inner", "normal", "outer"), domains=("0", "1"), rigs=("motor", "pump"),
    rate_hz=12_000.0,
)  # fmt: skip
GPUS = torch.cuda.device_count()
EXTRAS = ("mlflow", "swanlab", "tensorboard", "wandb")  # loggers that need the extra, and the package, of their name
OFFLINE = {"wandb": ("logger.wandb.offline=true",), "swanlab": ("logger.swanlab.mode=offline",)}


def ids(option: object) -> str:
    return option.word if isinstance(option, Option) else ""


def windows(count: int = 12) -> Batch:
    """Noise, with all classes, domains and rigs in it."""
    row = torch.arange(count)
    context = Context(
        rate_hz=torch.full((count,), 12_000.0),
        speed_hz=torch.full((count,), 30.0),
        orders=torch.tensor([[3.6, 5.4, 2.4, 0.4]]).expand(count, 4),
        rig=row % 2,
    )
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(count, FACTS.channels, FACTS.window, generator=generator)
    return Batch(signal=signal, label=row % 3, domain=row % 2, window=row, context=context)


def step(config: Config) -> tuple[Any, Any]:
    """One step of training by hand, as the trainer does it; the optimizer and the schedule."""
    torch.manual_seed(0)
    task = build.task(config, FACTS)
    batch = windows()
    before = [parameter.detach().clone() for parameter in task.parameters()]
    configured = task.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    losses = task.losses(batch)
    assert all(value.isfinite() and value.ndim == 0 for value in losses.values())
    torch.autograd.backward(losses["loss"])
    assert all(p.grad is None or p.grad.isfinite().all() for p in task.parameters())
    optimizer.step()
    assert any(not torch.equal(p, old) for p, old in zip(task.parameters(), before, strict=True))
    scores = task.network(batch.signal, batch.context)
    assert scores.shape == (len(batch.label), len(FACTS.classes))
    return optimizer, configured["lr_scheduler"]["scheduler"] if isinstance(configured, dict) else None


def mixed(*chosen: Option) -> Config:
    """A configuration in which each of these options has its place, the rest as it is by default."""
    config = dict(composed())
    for option in chosen:
        one = composed(option.word)
        if "/" in option.group:
            part = option.group.split("/")[1]
            config["task"] = {**config["task"], part: one["task"][part]}
        else:
            config[option.group] = one[option.group]
    return config


# -- network, algorithm, optimizer, schedule -------------------------------------------------------------------------


@pytest.mark.parametrize("part", options("task/head", "task/algorithm", "task/optimizer", "task/scheduler"), ids=ids)
@pytest.mark.parametrize("model", options("model"), ids=ids)
def test_a_model_is_trained_with_every_part_of_a_task(model: Option, part: Option):
    config = mixed(model, part)
    lacking = [str(finding) for finding in check(config) if finding.severity == "error"]
    if lacking:  # an algorithm that looks into the network, and a model that shows nothing
        assert part.name == "mixstyle"
        assert "needs a model with 'early'; got SpectralLinear" in lacking[0]
        return
    step(config)


@pytest.mark.parametrize("front", options("model/front"), ids=ids)
@pytest.mark.parametrize("model", options("model"), ids=ids)
def test_a_model_is_trained_behind_every_front(model: Option, front: Option):
    """Channels and length of what the front gives are those that the model is made for."""
    view = ("data.view=envelope_angle", "data.sample_rate=null") if front.name == "orders_of_envelope" else ()
    config = composed(model.word, front.word, *view)
    torch.manual_seed(0)
    task = build.task(config, FACTS._replace(window=4096))
    one = windows(6)
    one = one._replace(signal=torch.randn(6, FACTS.channels, 4096, generator=torch.Generator().manual_seed(0)))
    loss = task.losses(one)["loss"]
    loss.backward()
    given = [parameter.grad for parameter in task.parameters() if parameter.grad is not None]
    assert given
    assert all(grad.isfinite().all() for grad in given)


@pytest.mark.parametrize("scheduler", options("task/scheduler"), ids=ids)
@pytest.mark.parametrize("optimizer", options("task/optimizer"), ids=ids)
def test_every_schedule_steers_every_optimizer(optimizer: Option, scheduler: Option):
    """What YAML says is what the optimizer has; a schedule changes the rate within its epochs, none does not."""
    config = composed(optimizer.word, scheduler.word, "model=spectral_linear", "trainer.max_epochs=20")
    made, schedule = step(config)
    for name, value in config["task"]["optimizer"].items():
        if not name.startswith("_") and name != "lr":
            assert made.defaults[name] == value or list(made.defaults[name]) == value  # betas: YAML has no tuples
    rates = []
    for _ in range(15):
        rates.append(made.param_groups[0]["lr"])
        if schedule is not None:
            schedule.step()
    assert max(rates) <= config["task"]["optimizer"]["lr"] * (1 + 1e-9)
    assert (len(set(rates)) > 1) is (scheduler.name != "none")


@pytest.mark.parametrize(
    "option", [one for one in options("trainer", "task/optimizer", "task/scheduler") if one.name != "none"], ids=ids
)
def test_arguments_are_parameters_of_the_library(option: Option):
    """Asked of the imported class itself, not of our reading of its source."""
    config = composed(option.word)
    top = config["trainer"] if option.group == "trainer" else config["task"][option.group.split("/")[1]]
    for _, node in nodes(top):
        module, name = node["_target_"].rsplit(".", 1)
        takes = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        given = {key for key in node if not (key.startswith("_") and key.endswith("_"))}
        assert given <= set(takes), node["_target_"]


# -- splits ----------------------------------------------------------------------------------------------------------


BEARINGS = ",".join(f"simulated/motor-{fault}-1-0" for fault in ("cage", "inner", "outer", "rolling_element"))
ASKED = {
    "hold_out_classes": ("task=gfs",),
    "severity": ("data.where=\"fault_type != 'normal'\"",),  # what is healthy has no severity
    "bearing": ("data.where=\"fault_type != 'normal'\"", f"task.split.target=[{BEARINGS}]"),  # one has one class
    "named_folds": ("data.where=\"fault_type != 'normal'\"", f"task.split.folds={{first:[{BEARINGS}]}}"),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


@pytest.mark.parametrize("option", options("task/split"), ids=ids)
def test_a_split_obeys_its_contract_on_the_simulated_rigs(option: Option, stores: str):
    """Through store, windows and audit; then by itself on windows that overlap, where a gap must be left."""
    config = composed(*QUICK, *ASKED.get(option.name, ()), option.word, f"paths.cache={stores}")
    data = build.data(config)
    data.setup()
    assert all(data.audit.counts[name]["windows"] > 0 for name in ("train", "val", "test"))
    assert data.audit.shared["samples"] == 0
    level = data.split.level
    assert with_weakness({"level": level})["weak"] is (level in LEVELS[: LEVELS.index("unit")])
    if not data.assignment.leaky:
        check_split(data.split, table=data.table, window=config["data"]["window"])


@pytest.mark.parametrize("option", options("task/split"), ids=ids)
def test_every_fold_of_a_split_passes_the_audit(option: Option, stores: str):
    """The folds together test each class; a fold tests what its name says; splits without values have none."""
    config = composed(*QUICK, *ASKED.get(option.name, ()), option.word, f"paths.cache={stores}")
    whole = build.data(config)
    targets = whole.split.targets(whole.open())
    values = "target" in config["task"]["split"] and option.name != "bearing"  # which has one class, so that no one
    assert bool(targets) is values  # bearing can be the test
    tested: set[str] = set()
    for target in targets.values():
        split = {**config["task"]["split"], "target": target}
        data = build.data({**config, "task": {**config["task"], "split": split}})
        data.setup()
        assert data.audit.shared["samples"] == 0
        tested |= set(data.table["label"].iloc[np.unique(data.windows.recording[data.assignment.test])])
    assert not targets or tested == set(whole.table["label"])


# -- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [one for one in options("data") if one.name != "bearings"], ids=ids)
def test_recordings_that_are_not_there_are_asked_for(option: Option, tmp_path: Path):
    """Nothing built under the root: the error names the folder and the command that fills it. Simulated rigs need no
    root; `bearings` has no source of its own."""
    ((_, node),) = nodes(yaml.safe_load(option.file.read_text(encoding="utf-8"))["sources"])
    if "root" not in node:
        assert option.name.startswith("simulated")
        return
    source = build.make({**node, "root": str(tmp_path)}, "data.sources")
    with pytest.raises(DataError) as caught:
        source.table()
    assert str(tmp_path) in str(caught.value)
    if option.name not in ("folder", "vibench"):
        assert f"bearing-datasets --root {tmp_path} build {node['name']}" in str(caught.value)


@pytest.mark.parametrize("option", options("data/augment"), ids=ids)
def test_windows_are_varied_and_keep_their_shape(option: Option, stores: str):
    """Finite, of the same shape and kind, and other than they were, unless nothing is chosen."""
    data = build.data(composed(*QUICK, option.word, f"paths.cache={stores}"))
    signal = windows().signal
    torch.manual_seed(0)
    varied = data.augment(signal) if data.augment is not None else signal
    assert (varied.shape, varied.dtype) == (signal.shape, signal.dtype)
    assert bool(varied.isfinite().all())
    assert torch.equal(varied, signal) is (option.name == "none")


# -- trainers --------------------------------------------------------------------------------------------------------

REFUSED = {"multinode": "torchrun"} if GPUS else {"multinode": "torchrun", "gpu": "needs a GPU", "fsdp": "fsdp needs"}
"""Presets that this machine cannot run alone, and what the message must say."""


@pytest.mark.parametrize("option", options("trainer"), ids=ids)
def test_a_trainer_is_lightnings_own_or_says_why_not(option: Option, tmp_path: Path):
    config = composed(option.word)
    if option.name in REFUSED:
        with pytest.raises(ConfigError, match=REFUSED[option.name]):
            ranks.wanted(config["trainer"])
        return
    processes = ranks.wanted(config["trainer"])
    assert processes == (2 if option.name == "ddp_cpu" else max(1, GPUS) if option.name in ("ddp", "fsdp") else 1)
    if processes > 1:
        return  # built in each of its ranks: tests/runs
    trainer = build.trainer(config, tmp_path, extra=[])
    assert type(trainer) is Trainer
    assert trainer.max_epochs == config["trainer"]["max_epochs"]
    assert trainer.gradient_clip_val == config["trainer"]["gradient_clip_val"]
    assert trainer.checkpoint_callback.monitor == config["monitor"]
    early = trainer.early_stopping_callback
    assert early is None if option.name == "debug" else early.patience == 15  # there is one epoch
    assert trainer.default_root_dir == str(tmp_path)


# -- loggers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", options("logger"), ids=ids)
def test_a_logger_logs_or_names_its_extra(option: Option, stores: str, tmp_path: Path):
    """One epoch of a real fit; csv is always beside it. Without the package: a message with the extra, exit code 2."""
    if option.name in EXTRAS and importlib.util.find_spec(option.name) is None:
        with pytest.raises(ConfigError, match=rf"phmbench\[{option.name}\]"):
            composed(option.word)
        return
    words = (*QUICK, option.word, "model=spectral_linear", "trainer=debug", f"paths.cache={stores}")
    config = composed(*words, *OFFLINE.get(option.name, ()))
    data = build.data(config)
    data.setup()
    trainer = build.trainer(config, tmp_path, extra=[LossLog()])
    trainer.fit(build.task(config, data.facts), data)
    header = (tmp_path / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/loss", "val/loss", "val/macro_f1", "lr"} <= set(header)
    assert len(trainer.loggers) == (1 if option.name == "csv" else 2)
    if option.name == "tensorboard":
        events = list((tmp_path / "tensorboard").glob("events.*"))
        assert events
        assert events[0].stat().st_size > 200
