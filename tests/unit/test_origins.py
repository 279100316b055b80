"""Where values come from, in findings and in `phmbench show`: options of a user's own, and ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from phmbench import cli, origins
from phmbench.errors import ConfigError
from tests.contract.composing import composed

FILES = {
    "model/mine.yaml": "# Mine\ndefaults: [wdcnn]\nwidht: 3\nkernel: 0\n",
    "experiment/whole.yaml": "# @package _global_\n# Whole\nmodel:\n  deep: 4\nseed: -1\n",
    "trainer/short.yaml": "# Short\ndefaults:\n  - _common\n  - _self_\naccelerator: cpu\nmax_epochs: 0\n",
    "data/rig.yaml": "# Rig\ndefaults: [_common, _self_]\nsources:\n  rig:\n"
    "    _target_: phmbench.data.sources.bearing_datasets.BearingDatasets\n    root: x\n    nam: cwru\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        (("model=mine",), "model.widht: WDCNN has no parameter 'widht'; did you mean 'width'? (in model/mine.yaml)"),
        (("model=mine", "model.widht=4"), "model.widht: WDCNN has no parameter 'widht'; did you mean 'width'?"),
        (("model=mine", "model.kernel=-1"),
         "model.kernel: wrong value for WDCNN; got -1; expected an integer, at least 1"),
        (("model=mine", "experiment=whole"),
         "seed: wrong value for Run; got -1; expected an integer, at least 0, at most 4.29497e+09 "
         "(in experiment/whole.yaml)"),
        (("model=wdcnn", "experiment=whole"),
         "model.deep: WDCNN has no parameter 'deep'; there are kernel, stride, width, hidden "
         "(in experiment/whole.yaml)"),
        (("trainer=short",),
         "trainer.max_epochs: no epoch at all; got 0; expected at least 1, or -1 for no limit (in trainer/short.yaml)"),
        (("trainer.callbacks.checkpoint.save_top_k=0",),
         "trainer.callbacks.checkpoint.save_top_k: keeps no checkpoint, so there is none to test; got 0; "
         "expected 1 or more"),
        (("data=rig",),
         "data.sources.rig.nam: BearingDatasets has no parameter 'nam'; did you mean 'name'? (in data/rig.yaml)"),
        (("data=bearings", "data.rigs=[rig]"),
         "data.sources.rig.name: missing; BearingDatasets needs it; expected text; set data.sources.rig.name=… "
         "(in data/rig.yaml)"),
    ],
)  # fmt: skip
def test_a_finding_names_the_file_of_its_value(words: tuple[str, ...], finding: str, folder: str):
    with pytest.raises(ConfigError) as caught:
        composed("--config-dir", folder, *words)
    assert finding in [line.strip() for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("seed", "run.yaml"),
        ("model.width", "command line"),
        ("model.kernel", "model/mine.yaml"),
        ("model._target_", "model/wdcnn.yaml"),
        ("trainer.callbacks.early_stopping.patience", "trainer/_common.yaml"),
        ("trainer.devices", "trainer/cpu.yaml"),
        ("task.scheduler", "task/scheduler/none.yaml"),
        ("task.optimizer.lr", "task/optimizer/adamw.yaml"),
        ("logger.csv._target_", "logger/csv.yaml"),
        ("logger.tensorboard._target_", "logger/tensorboard.yaml"),
        ("folds", "experiment/four_rigs.yaml"),
        ("data.where", "experiment/four_rigs.yaml"),
        ("data.sources.mfpt.name", "data/mfpt.yaml"),
        ("trainer.plugins[0].width", "trainer/cpu.yaml"),  # given by none: a matter of the option
    ],
)
def test_the_file_is_the_one_that_gives_the_value(path: str, source: str, folder: str):
    words = ("model=mine", "model.width=3", "trainer=cpu", "logger=[csv,tensorboard]", "experiment=four_rigs",
             "model.widht=1")  # fmt: skip
    line = cli.Line(["--config-dir", folder, *words])
    with line.hydra() as hydra:
        chosen = line.chosen(line.compose(hydra))
    assert origins.origin(path, chosen) == source
