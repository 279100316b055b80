"""Where the time of a fit goes: real fits, some of them made slow in one place by sleeping there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from phmbench import build
from phmbench.check.trainer import check_trainer
from phmbench.config import Config
from phmbench.errors import ConfigError
from phmbench.models.spectral_linear import SpectralLinear
from phmbench.pipelines import evaluate
from phmbench.record import Record, profile
from phmbench.training import fit
from phmbench.training.cheap_hooks import Unprofiled
from phmbench.training.profile import FitProfiler, part_of, profiled
from tests.contract.composing import QUICK, composed

NAP_S = 0.8  # two of them are longer than all else in a fit of four small batches, also on a busy machine


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache; and one fit, since the first of a process imports what is not looked at here."""
    folder = tmp_path_factory.mktemp("stores")
    config = {**sentence(str(folder)), "profile": False}
    with Record.open(folder / "first", config) as record:
        fit.fit_and_test(config, record, build.data(config))
    return str(folder)


def sentence(cache: str) -> Config:
    words = ("model=spectral_linear", "trainer=debug", "task/split=recordings", f"paths.cache={cache}", "profile=true")
    return composed(*QUICK, *words)


@pytest.fixture
def job(stores: str) -> Config:
    return sentence(stores)


Fit = Callable[..., dict[str, float]]


@pytest.fixture
def fitted(job: Config, tmp_path: Path) -> Fit:
    """Fit and test; the metrics. `change` is given the data before the fit."""

    def run(name: str = "run", change: Callable[[Any], None] = lambda data: None, **root: Any) -> dict[str, float]:
        config = {**job, **root}
        record, data = Record.open(tmp_path / name, config), build.data(config)
        change(data)
        with record:
            return fit.fit_and_test(config, record, data).metrics

    return run


def content(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "profile.json").read_text(encoding="utf-8")))


def sleepy(data: Any) -> None:
    """Each batch takes its time."""
    quick = data.batch

    def batch(*args: Any, **kwargs: Any) -> Any:
        time.sleep(NAP_S / 2)  # two batches of training, two of validation
        return quick(*args, **kwargs)

    data.batch = batch


@pytest.fixture
def slow_model() -> Iterator[None]:
    def nap(module: torch.nn.Module, signal: Any) -> None:
        if isinstance(module, SpectralLinear) and module.training:
            time.sleep(NAP_S)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(nap)
    yield
    hook.remove()


# -- what a profile holds --------------------------------------------------------------------------------------------


def test_every_part_of_a_fit_is_found_and_all_of_them_are_the_whole(fitted: Fit, tmp_path: Path):
    """Lightning's names of its actions are matched: a part whose name it changed would be empty."""
    fitted()
    found = content(tmp_path / "run")
    assert set(found["parts"]) == set(found["shares"]) == set(profile.PARTS)
    assert all(seconds > 0 for seconds in found["parts"].values()), found["parts"]
    assert sum(found["parts"].values()) == pytest.approx(found["seconds"])
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert found["batches"] == 2
    steps = [one for one in found["actions"] if one["action"].endswith(".training_step")]
    assert [(one["part"], one["calls"]) for one in steps if "Strategy" in one["action"]] == [("forward", 2)]


def test_the_parts_are_the_time_between_begin_and_end(tmp_path: Path):
    """To the last tick of the clock, whatever was left open in between."""
    profiler = FitProfiler(folder=tmp_path)
    profiler.begin()
    begun = profiler.last
    with profiler.profile("run_training_epoch"):
        with profiler.profile("[LightningModule]Task.optimizer_step"):
            time.sleep(0.02)
            with profiler.profile("[Strategy]S.training_step"):
                time.sleep(0.01)
        profiler.start("[Strategy]S.backward")  # never stopped: an error came between
        profiler.stop("of nobody")
    profiler.end()
    whole = profiler.last - begun
    profiler.start("after the end")
    assert sum(profiler.parts.values()) == pytest.approx(whole, abs=1e-9)
    assert profiler.parts["forward"] >= 0.01
    assert profiler.parts["optimizer"] >= 0.02  # and not what lies inside it
    assert not profiler.stack


@pytest.mark.parametrize(
    ("action", "part"),
    [
        ("[_TrainingEpochLoop].train_dataloader_next", "data"),
        ("[_EvaluationLoop].val_next", "data"),
        ("[Strategy]DDPStrategy.batch_to_device", "transfer"),
        ("[Callback]ModelCheckpoint{'monitor': 'val/macro_f1', 'mode': 'max'}.on_validation_end", "checkpoints"),
        ("[LightningModule]Classification.on_validation_epoch_end", "metrics"),
        ("[Callback]Mine.on_validation_epoch_end", None),
        ("[Callback]KeepParts.on_save_checkpoint", None),
        ("run_training_batch", None),
    ],
)
def test_the_part_of_an_action(action: str, part: str | None):
    assert part_of(action) == part


def test_the_trace_is_small_and_names_the_actions(fitted: Fit, tmp_path: Path):
    fitted()
    file = tmp_path / "run" / "trace.json"
    names = {str(event.get("name")) for event in json.loads(file.read_text(encoding="utf-8"))["traceEvents"]}
    assert any(name.startswith("forward: [Strategy]") for name in names)
    assert any(name.startswith("aten::") for name in names)
    assert file.stat().st_size < 5_000_000
    assert not list((tmp_path / "run").glob(".*.part"))


def test_a_trace_that_cannot_be_written_costs_nothing_else(fitted: Fit, tmp_path: Path):
    (tmp_path / "run" / "trace.json").mkdir(parents=True)
    fitted()
    assert content(tmp_path / "run")["trace"] is None
    assert "trace.json cannot be written; got" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")


def test_what_was_profiled_until_ctrl_c_is_kept(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), profiled(tmp_path):
        raise KeyboardInterrupt
    assert content(tmp_path)["parts"]["set_up"] > 0


def test_an_error_takes_the_trace_with_it(tmp_path: Path):
    """torch has one profiler a process: the next run can begin its own."""

    def cut_off(folder: Path) -> None:
        with profiled(folder) as profiler:
            profiler.trace.open()
            assert torch.autograd._profiler_enabled()
            raise ZeroDivisionError

    for name in ("first", "second"):
        with pytest.raises(ZeroDivisionError):
            cut_off(tmp_path / name)
        assert not torch.autograd._profiler_enabled()
        assert not (tmp_path / name).exists()


# -- what it is for --------------------------------------------------------------------------------------------------


def test_data_that_sleep_are_the_bottleneck(fitted: Fit, tmp_path: Path):
    fitted(change=sleepy)
    found = content(tmp_path / "run")
    assert max(found["parts"], key=found["parts"].get) == "data"
    assert " % of the time is waiting for data: data.num_workers=" in found["bottleneck"]
    assert found["parts"]["data"] >= 2 * NAP_S


def test_a_model_that_sleeps_is_the_bottleneck(fitted: Fit, slow_model: None, tmp_path: Path):
    fitted()
    found = content(tmp_path / "run")
    assert max(found["parts"], key=found["parts"].get) == "forward"
    assert " % of the time is forward and backward: " in found["bottleneck"]
    assert found["parts"]["forward"] >= 2 * NAP_S


def test_a_profile_changes_no_metric_and_is_off_by_default(fitted: Fit, tmp_path: Path):
    np.testing.assert_equal(fitted("with"), fitted("without", profile=False))  # NaN is NaN here
    assert not (tmp_path / "without" / "profile.json").exists()
    assert not composed(*QUICK)["profile"]


def test_without_it_nothing_is_timed(job: Config, tmp_path: Path):
    assert type(build.trainer(job, tmp_path, extra=[]).profiler) is Unprofiled


def test_a_callback_of_the_users_own_is_named(job: Config, tmp_path: Path):
    class Sleepy(Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            time.sleep(NAP_S)

    record, data = Record.open(tmp_path / "run", job), build.data(job)
    data.assign()
    with record, profiled(record.path) as profiler:
        trainer = build.trainer(job, record.path, extra=[Sleepy()])
        profiler.attach(trainer)
        trainer.fit(build.task(job, data.facts), data)
    assert "Sleepy.on_train_batch_end: trainer.callbacks" in content(record.path)["bottleneck"]


# -- where it is refused ---------------------------------------------------------------------------------------------


def test_nothing_is_trained_by_evaluate(job: Config, tmp_path: Path):
    message = "profile: it is the fit that is looked at; got profile=true with pipeline=evaluate, which trains nothing"
    with Record.open(tmp_path / "run", job) as record, pytest.raises(ConfigError, match=message):
        evaluate.run(cfg=job, record=record, windows="test")


def test_two_profilers_are_one_too_many(job: Config):
    own = {"_target_": "lightning.pytorch.profilers.SimpleProfiler"}
    (found,) = check_trainer({**job, "trainer": {**job["trainer"], "profiler": own}})
    assert found.path == "trainer.profiler"
    assert "brings a profiler of its own" in found.message
    assert check_trainer({**job, "profile": False, "trainer": {**job["trainer"], "profiler": own}}) == []
