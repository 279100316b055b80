"""Checkpoints that are no checkpoints, weights that do not fit, and fits that choose nothing; all made for real."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from phmbench import build
from phmbench.config import Config
from phmbench.errors import ConfigError, DataError, PhmbenchError
from phmbench.pipelines import axes, evaluate
from phmbench.record import Record, state
from phmbench.training.checkpoints import read_checkpoint, start_from
from phmbench.training.fit import fit_and_test
from phmbench.training.selection import _chosen
from phmbench.types import Facts
from tests.contract.composing import QUICK, composed

FACTS = Facts(channels=1, window=1024, classes=("a", "b"), domains=("x",), rigs=("r",), rate_hz=12_000.0)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


@pytest.fixture
def job(stores: str, tmp_path: Path) -> Config:
    words = ("model=spectral_linear", "trainer=debug", "task/split=recordings", f"paths.cache={stores}")
    return composed(*QUICK, *words)


# -- checkpoints -----------------------------------------------------------------------------------------------------


class Opens:
    """What a stranger's checkpoint could run when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def test_no_such_checkpoint(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"init: no file .*nothing\.ckpt; expected a checkpoint, such as"):
        read_checkpoint(tmp_path / "nothing.ckpt")


def test_a_checkpoint_that_runs_something_runs_nothing(tmp_path: Path):
    canary, file = tmp_path / "canary", tmp_path / "bad.ckpt"
    torch.save({"state_dict": {}, "more": Opens(canary)}, file)
    with pytest.raises(
        ConfigError, match=r"bad\.ckpt cannot be loaded as weights only; it holds more than tensors and"
    ):
        read_checkpoint(file)
    file.write_bytes(pickle.dumps(Opens(canary)))
    with pytest.raises(ConfigError, match="cannot be loaded as weights only"):
        read_checkpoint(file)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (0, r"cut\.ckpt is empty; take a whole copy, or best\.ckpt of another run"),
        (1, "cannot be loaded as weights only"),
        (100, r"cut\.ckpt is cut off or damaged: 100 bytes, and no end of an archive; take a whole copy"),
        (-10, "is cut off or damaged"),
    ],
)
def test_a_checkpoint_that_is_cut_off(keep: int, said: str, tmp_path: Path):
    file = tmp_path / "cut.ckpt"
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ConfigError, match=said):
        read_checkpoint(file)


def test_a_text_is_no_checkpoint(tmp_path: Path):
    (tmp_path / "notes.ckpt").write_text("hello world\n" * 10)
    with pytest.raises(ConfigError, match="weights only; it is damaged, or none that torch has written; take best"):
        read_checkpoint(tmp_path / "notes.ckpt")


def test_a_checkpoint_whose_bytes_have_changed(tmp_path: Path):
    """torch compares no checksums: weights that a disk has changed would pass for weights."""
    file = tmp_path / "changed.ckpt"
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"changed\.ckpt is damaged in its part \S*data/0; take a whole copy"):
        read_checkpoint(file)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], {"state_dict": 3}])
def test_a_file_of_something_else(content: Any, tmp_path: Path):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ConfigError, match=r"other\.ckpt is not a checkpoint; expected one with state_dict"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_weights_that_fit_are_taken_and_others_are_not(tmp_path: Path):
    """Another number of classes: the backbone's tensors fit, the head's do not."""
    config = composed("model=wdcnn")
    torch.manual_seed(0)
    one = build.task(config, FACTS)
    other = build.task(config, FACTS._replace(classes=("a", "b", "c")))
    head = [value.clone() for value in other.network.parts[1].parameters()]
    torch.save({"state_dict": one.state_dict()}, tmp_path / "one.ckpt")
    start_from(other, tmp_path / "one.ckpt", ("a", "b", "c"))
    for name, value in other.network.parts[0].state_dict().items():
        assert torch.equal(value, one.network.parts[0].state_dict()[name])
    assert all(torch.equal(a, b) for a, b in zip(other.network.parts[1].parameters(), head, strict=True))


def test_weights_of_a_model_of_another_kind_or_width(tmp_path: Path):
    """Two tensors that fit by chance; and a wdcnn of another width, of which most do."""
    file, said = tmp_path / "one.ckpt", []
    torch.save({"state_dict": build.task(composed("model=wdcnn"), FACTS).state_dict()}, file)
    other = build.task(composed("model=resnet1d"), FACTS)
    few = dict(list(other.state_dict().items())[:2])
    torch.save({"state_dict": few}, tmp_path / "few.ckpt")
    with pytest.raises(ConfigError, match=r"init: a checkpoint of another model; got .*few\.ckpt, of which 2 of \d+"):
        start_from(other, tmp_path / "few.ckpt", FACTS.classes)
    start_from(build.task(composed("model=wdcnn", "model.width=8"), FACTS), file, FACTS.classes, warn=said.append)
    assert [text for text in said if "tensors of the model do not come from" in text] == said != []
    start_from(build.task(composed("model=wdcnn"), FACTS), file, FACTS.classes, warn=said.append)
    assert len(said) == 1


def test_weights_of_another_model(tmp_path: Path):
    torch.save({"state_dict": {"network.x": torch.zeros(3)}}, tmp_path / "one.ckpt")
    with pytest.raises(
        ConfigError, match=r"init: no tensor of .*one\.ckpt fits this network; expected a checkpoint of"
    ):
        start_from(build.task(composed("model=wdcnn"), FACTS), tmp_path / "one.ckpt", FACTS.classes)


# -- fits ------------------------------------------------------------------------------------------------------------


def changed(job: Config, **trainer: Any) -> Config:
    return {**job, "trainer": {**job["trainer"], **trainer}}


def with_rate(job: Config, lr: float) -> Config:
    """Steps so long that weights overflow, and nothing that shortens them."""
    optimizer = {**job["task"]["optimizer"], "lr": lr}
    return {**changed(job, gradient_clip_val=None), "task": {**job["task"], "optimizer": optimizer}}


def test_a_fit_that_diverges_gives_no_result(job: Config, tmp_path: Path):
    """Steps of 3e36: scores overflow, and the loss with them. The run directory says what is needed to see it again."""
    config = with_rate(job, 3e36)
    with pytest.raises(PhmbenchError) as caught, Record.open(tmp_path / "run", config) as record:
        fit_and_test(config, record, build.data(config))
    assert "trainer: the loss is not finite; got inf as loss at epoch 1, step 2, first in the output of" in str(
        caught.value
    )
    assert "lower task.optimizer.lr" in str(caught.value)
    assert (tmp_path / "run" / "failure" / "failure.json").is_file()
    assert state(tmp_path / "run") == "failed"


def test_a_last_step_that_overflows_gives_no_result(job: Config, tmp_path: Path):
    """Loss and gradients were finite, and what the last step made of the weights is not."""
    trainer = build.trainer(job, tmp_path, extra=[])
    torch.save({"state_dict": {"network.x": torch.tensor([1.0, torch.inf])}}, tmp_path / "best.ckpt")
    trainer.checkpoint_callback.best_model_path = str(tmp_path / "best.ckpt")
    with pytest.raises(PhmbenchError, match=r"trainer: the fit diverged; got network\.x with values that are"):
        _chosen(trainer)


def test_a_fit_without_validation_chooses_no_checkpoint(job: Config, tmp_path: Path):
    """The checkpoint is saved by validation, and there is none."""
    callbacks = {"checkpoint": {**job["trainer"]["callbacks"]["checkpoint"], "save_last": False}}
    config = changed(job, limit_val_batches=0, callbacks=callbacks)
    with Record.open(tmp_path / "run", config) as record, pytest.raises(PhmbenchError) as caught:
        fit_and_test(config, record, build.data(config))
    assert "trainer: no checkpoint was chosen by val/macro_f1; its value was never finite or" in str(caught.value)


def test_a_test_that_is_limited_to_nothing(job: Config, tmp_path: Path):
    config = changed(job, limit_test_batches=0)
    with Record.open(tmp_path / "run", config) as record, pytest.raises(PhmbenchError) as caught:
        fit_and_test(config, record, build.data(config))
    assert "test: no window was tested; expected at least one; check trainer.limit_test_batches" in str(caught.value)


def test_settings_that_lightning_refuses_at_the_start_of_a_fit(job: Config, tmp_path: Path):
    """Validation every 5 batches of an epoch that has 2."""
    config = changed(job, val_check_interval=5)
    with (
        Record.open(tmp_path / "run", config) as record,
        pytest.raises(ConfigError, match=r"^trainer \(fit\): `val_check"),
    ):
        fit_and_test(config, record, build.data(config))


def test_a_head_per_rig_for_a_rig_that_training_lacks(job: Config, tmp_path: Path, stores: str):
    words = (*QUICK, "model=spectral_linear", "trainer=debug", f"paths.cache={stores}", "task=cddg")
    config = composed(*words, "task/head=per_rig")
    message = r"task\.head: PerRigLinear has a part for each training rig; got test rigs without: simulated/pump"
    with Record.open(tmp_path / "run", config) as record, pytest.raises(ConfigError, match=message):
        fit_and_test(config, record, build.data(config))


# -- pipelines -------------------------------------------------------------------------------------------------------


def test_evaluate_without_a_checkpoint(job: Config, tmp_path: Path):
    with (
        Record.open(tmp_path / "run", job) as record,
        pytest.raises(ConfigError, match="pipeline=evaluate tests a checkp"),
    ):
        evaluate.run(cfg=job, record=record, windows="test")


def test_evaluate_a_checkpoint_of_somebody_else(job: Config, tmp_path: Path):
    torch.save({"state_dict": {}}, tmp_path / "plain.ckpt")
    config = {**job, "init": str(tmp_path / "plain.ckpt")}
    with Record.open(tmp_path / "run", config) as record, pytest.raises(ConfigError) as caught:
        evaluate.run(cfg=config, record=record, windows="test")
    assert "says nothing of its model and data; expected a checkpoint of phmbench" in str(caught.value)


def test_evaluate_names_the_front_of_the_checkpoint(job: Config, tmp_path: Path):
    """The record says what is tested, and not which front the command line would have chosen."""
    front = {"_target_": "phmbench.models.fronts.spectrum.Spectrum"}
    parts = {"model": {**job["model"], "front": front}, "head": job["task"]["head"]}
    state = {"state_dict": {}, "phmbench_parts": parts, "VibrationData": {"trained_on": []}}
    torch.save(state, tmp_path / "front.ckpt")
    chosen = {"model": "wdcnn", "model/front": "orders"}
    config, _ = evaluate.with_parts({**job, "choices": chosen, "init": str(tmp_path / "front.ckpt")})
    name = job["model"]["_target_"].rpartition(".")[2]
    assert config["model"]["front"] == front
    assert config["choices"] == {"model": f"Spectrum + {name} (of the checkpoint)"}


def test_evaluate_a_checkpoint_that_names_a_target_nobody_trusts(job: Config, tmp_path: Path):
    """Its model is checked like any other: nothing is called."""
    parts = {"model": {"_target_": "os.system", "command": "true"}, "head": job["task"]["head"]}
    state = {"state_dict": {}, "phmbench_parts": parts, "VibrationData": {"trained_on": []}}
    torch.save(state, tmp_path / "bad.ckpt")
    config = {**job, "init": str(tmp_path / "bad.ckpt")}
    with (
        Record.open(tmp_path / "run", config) as record,
        pytest.raises(ConfigError, match=r"model\._target_: os\.system"),
    ):
        evaluate.run(cfg=config, record=record, windows="test")


def test_folds_of_a_split_that_holds_nothing_out(job: Config):
    with pytest.raises(ConfigError, match=r"folds: all needs a split that holds values out; task\.split has no target"):
        axes.folds(job)


def test_folds_where_one_value_is_all_there_is(stores: str):
    """Split by bearing: none has every class, so that none can be a fold."""
    words = (*QUICK, "task/split=bearing", f"paths.cache={stores}")
    with pytest.raises(DataError, match="folds: all needs at least two values that can be held out; got none"):
        axes.folds(composed(*words))
