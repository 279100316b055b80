"""The check of a whole configuration, on a small package of its own and on the real libraries."""

import copy
import importlib
import math
from textwrap import dedent

import pytest

from phmbench import check as checking
from phmbench.check import fill
from phmbench.check.findings import Finding
from phmbench.errors import ConfigError
from tests.contract.composing import composed

ROOT = "chkpkg.run.Run"
FILES = {
    "__init__": "",
    "run": """
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Annotated, Any, Literal
    from annotated_types import Ge

    @dataclass
    class Paths:
        data: str | None
        output: str = "outputs"

    @dataclass
    class Run:
        seed: Annotated[int, Ge(0)]
        monitor: str
        paths: Paths
        data: Mapping[str, Any]
        task: Mapping[str, Any]
        model: Mapping[str, Any]
        trainer: Mapping[str, Any]
        logger: Mapping[str, Any] | None
        pipeline: Mapping[str, Any]
        folds: Literal["all"] | None = None
        repeats: Annotated[int, Ge(1)] = 1
    """,
    "kinds": """
    from typing import Annotated
    from annotated_types import Ge, Lt
    Count = Annotated[int, Ge(1)]
    Share = Annotated[float, Ge(0), Lt(1)]
    LONGEST = 8
    """,
    "parts": """
    import math
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Annotated, Any, Literal, Optional, Union
    from annotated_types import Ge, Interval, Le, MinLen, MultipleOf
    import elsewhere
    from torch import Tensor, nn
    from chkpkg.kinds import LONGEST, Count, Share

    class Data:
        def __init__(self, *, sources: Mapping[str, object], split: object, cache: Path, window: Count, hop: Count): ...

    class Source:
        def __init__(self, *, name: str, seconds: float = math.inf): ...

    class Split:
        def __init__(self, *, val: Share, seed: int, target: Sequence[str] | None): ...

    class Task:
        needs = ("sequence",)
        def __init__(self, *, network: nn.Module, algorithm: nn.Module, optimizer: Callable[[Any], Any]): ...

    class ERM(nn.Module): ...

    class Head(nn.Module):
        def __init__(self, *, features: Count, classes: Count, bias: bool = True): ...

    class Front(nn.Module):
        def __init__(self, *, bands: Count = 4): ...

    class Net(nn.Module):
        def __init__(
            self, *, channels: Count, window: Count, width: Count = 64, dropout: Share = 0.0, depth: int | None = None,
            mode: Literal["mean", "max"] = "mean", kernels: Sequence[Count] = (3, 5), deep: bool = False,
            pair: tuple[int, float] = (1, 2.0), front: Front | None = None, rate: float = 1.0, low: "float" = -math.inf,
            name: Optional[str] = None, size: Union[int, str] = 1, names: Annotated[list[str], MinLen(1)] = ["a"],
            even: Annotated[int, MultipleOf(2), Interval(gt=0, le=LONGEST)] = 2, table: dict[str, int] = {},
            anything: object = None, tensor: Tensor | float = 0.0, path: Path = Path("x"), untyped=1,
            odd: Unknown = None, most: Annotated[int, Le(LONGEST)] = 1,
        ): ...
        def sequence(self, signal): ...

    class Plain(nn.Module):
        def __init__(self, *, channels: Count): ...

    class Foreign(elsewhere.Base): ...

    class Open(nn.Module):
        def __init__(self, *, depth: int = 1, **kwargs): ...

    def run(*, cfg: object, record: object, folds: int = 1): ...
    """,
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A right configuration of a package whose import would fail."""
    root = tmp_path / "chkpkg"
    root.mkdir()
    for name, text in FILES.items():
        (root / f"{name}.py").write_text(dedent(text) + ("raise SystemExit('imported')\n" if name == "parts" else ""))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return {
        "seed": 0,
        "monitor": "val/macro_f1",
        "paths": {"data": None},
        "data": {
            "_target_": "chkpkg.parts.Data",
            "sources": {"a": {"_target_": "chkpkg.parts.Source", "name": "a"}},
            "window": 8,
            "hop": 8,
            "rigs": None,
        },
        "task": {
            "_target_": "chkpkg.parts.Task",
            "split": {"_target_": "chkpkg.parts.Split", "val": 0.2, "seed": 0, "target": None},
            "head": {"_target_": "chkpkg.parts.Head"},
            "algorithm": {"_target_": "chkpkg.parts.ERM"},
            "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3},
        },
        "model": {"_target_": "chkpkg.parts.Net"},
        "trainer": {
            "_target_": "lightning.pytorch.Trainer",
            "max_epochs": 30,
            "accelerator": "cpu",
            "precision": "32-true",
            "callbacks": {
                "early": {
                    "_target_": "lightning.pytorch.callbacks.EarlyStopping",
                    "monitor": "val/macro_f1",
                    "mode": "max",
                },
                "checkpoint": {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "monitor": "val/macro_f1",
                    "mode": "max",
                    "save_last": True,
                },
                "none": None,
            },
        },
        "logger": {"csv": {"_target_": "lightning.pytorch.loggers.CSVLogger"}},
        "pipeline": {"_target_": "chkpkg.parts.run"},
        "hydra": {"launcher": {"_target_": "os.system"}},
    }


def put(config, path, value):
    """A copy with a value at a dotted path."""
    made = copy.deepcopy(config)
    *way, last = path.split(".")
    at = made
    for key in way:
        at = at.setdefault(key, {})
    at[last] = value
    return made


def findings(config, **given):
    return [str(f) for f in checking.check(config, trusted=["chkpkg"], root=ROOT, **given)]


def test_a_right_configuration(config):
    assert findings(config) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # keys
        ("model.widht", 3, "model.widht: Net has no parameter 'widht'; did you mean 'width'?"),
        ("task.algorithm.weight", 3, "task.algorithm.weight: ERM has no parameter 'weight'; it takes none"),
        ("task.split.zzzz", 3, "task.split.zzzz: Split has no parameter 'zzzz'; there are val, seed, target"),
        ("task.optimizer.weight_decy", 0, "AdamW has no parameter 'weight_decy'; did you mean 'weight_decay'?"),
        ("trainer.max_epoch", 3, "trainer.max_epoch: Trainer has no parameter 'max_epoch'; did you mean 'max_epochs'?"),
        ("trainer.callbacks.early.patient", 3, "EarlyStopping has no parameter 'patient'; did you mean 'patience'?"),
        ("sed", 3, "sed: no such key; got 'sed'; did you mean 'seed'?"),
        ("paths.dta", "x", "paths.dta: no such key in paths; got 'dta'; did you mean 'data'?"),
        (
            "model.front",
            {"_target_": "chkpkg.parts.Front", "band": 2},
            "model.front.band: Front has no parameter 'band'; did",
        ),
        # facts, and what the code passes
        ("model.channels", 3, "model.channels: channels comes from the data; got 3; expected nothing; remove it"),
        ("task.head.features", 3, "task.head.features: features comes from the data; got 3"),
        ("task.network", None, "task.network: phmbench passes it to Task; got null; remove it"),
        ("pipeline.cfg", 1, "pipeline.cfg: phmbench passes it to run; got 1; remove it"),
        ("task.optimizer.params", [], "task.optimizer.params: phmbench passes it to AdamW; got []; remove it"),
        ("data.split", None, "data.split: phmbench passes it to Data; got null; remove it"),
        # types
        ("model.width", "64", "model.width: wrong value for Net; got '64'; expected an integer, at least 1"),
        ("model.width", True, "model.width: wrong value for Net; got true; expected an integer, at least 1"),
        ("model.width", 1.5, "got 1.5; expected an integer, at least 1"),
        ("model.width", None, "got null; expected an integer, at least 1"),
        ("model.deep", 1, "model.deep: wrong value for Net; got 1; expected true or false"),
        ("model.depth", "x", "got 'x'; expected an integer or null"),
        ("model.name", 3, "got 3; expected text or null"),
        ("model.size", None, "got null; expected an integer or text"),
        ("model.mode", "min", "got 'min'; expected one of 'mean', 'max'"),
        ("model.kernels", 3, "got 3; expected a list (an integer, at least 1)"),
        ("model.kernels", "35", "got '35'; expected a list (an integer, at least 1)"),
        ("model.kernels", [3, 0], "got [3, 0]; expected a list (an integer, at least 1)"),
        ("model.pair", [1], "got [1]; expected a list (an integer, a number)"),
        ("model.pair", [1.5, 1], "expected a list (an integer, a number)"),
        ("model.table", {"a": "b"}, "got a mapping with a; expected a mapping (of an integer)"),
        ("model.table", 3, "got 3; expected a mapping (of an integer)"),
        ("model.front", 3, "got 3; expected a node (_target_: a Front) or null"),
        ("model.tensor", "x", "got 'x'; expected a node (_target_: a Tensor) or a number"),
        ("model.path", 3, "got 3; expected a path"),
        ("model.width", {"_target_": "chkpkg.parts.Front"}, "got a node (chkpkg.parts.Front); expected an integer"),
        ("task.optimizer", 3, "task.optimizer: wrong value for Task; got 3; expected a node (_target_: …)"),
        (
            "trainer.max_epochs",
            "three",
            "trainer.max_epochs: wrong value for Trainer; got 'three'; expected an integer or null",
        ),
        (
            "task.optimizer.lr",
            "fast",
            "task.optimizer.lr: wrong value for AdamW; got 'fast'; expected a number or a node",
        ),
        ("task.optimizer.betas", [0.9], "task.optimizer.betas: wrong value for AdamW; got [0.9]; expected a list ("),
        ("folds", "some", "folds: wrong value for Run; got 'some'; expected one of 'all' or null"),
        # ranges
        ("model.width", 0, "got 0; expected an integer, at least 1"),
        ("model.dropout", 1.0, "got 1.0; expected a number, at least 0, less than 1"),
        ("model.dropout", -0.1, "got -0.1; expected a number, at least 0, less than 1"),
        ("model.even", 3, "got 3; expected an integer, a multiple of 2, more than 0, at most 8"),
        ("model.even", 10, "got 10; expected an integer, a multiple of 2, more than 0, at most 8"),
        ("model.most", 9, "got 9; expected an integer, at most 8"),
        ("model.names", [], "got []; expected a list (text), at least 1 long"),
        ("model.rate", math.inf, "got inf; expected a number, finite"),
        ("model.rate", math.nan, "got nan; expected a number, finite"),
        ("model.dropout", math.nan, "got nan; expected a number, at least 0, less than 1, finite"),
        ("seed", -1, "seed: wrong value for Run; got -1; expected an integer, at least 0"),
        ("repeats", 0, "repeats: wrong value for Run; got 0; expected an integer, at least 1"),
        # places
        ("model", None, "model: wrong value; got null; expected a node (_target_: …); choose model=…"),
        ("model", {"width": 3}, "model: wrong value; got a mapping with width; expected a node"),
        ("logger", [1], "logger: wrong value; got [1]; expected a mapping of names to nodes"),
        ("logger.csv", "yes", "logger.csv: wrong value; got 'yes'; expected a node (_target_: …) or null"),
        ("trainer.callbacks", {"_target_": "x"}, "trainer.callbacks: wrong value; got a node (x); expected a mapping"),
        ("trainer.callbacks.early", 3, "trainer.callbacks.early: wrong value; got 3; expected a node"),
        ("data.sources.a", 3, "data.sources.a: wrong value; got 3; expected a node"),
        ("data.rigs", "cwru", "data.rigs: wrong value; got 'cwru'; expected a list of names or null"),
        ("task.head", 3, "task.head: wrong value; got 3; expected a node"),
        # Hydra's keys
        ("model._args_", [1], "model._args_: no arguments by position; got _args_; give each by its name"),
        ("model._partial_", "yes", "model._partial_: wrong value; got 'yes'; expected true or false"),
        ("model._recursive_", 1, "model._recursive_: wrong value; got 1; expected true or false"),
        (
            "model._convert_",
            "each",
            "model._convert_: wrong value; got 'each'; expected one of none, partial, object, all",
        ),
        ("model._execution_whitelist_", ["os.*"], "model._execution_whitelist_: no such key here"),
        (
            "model._partial_",
            True,
            "model._partial_: not possible here; got true; the object is built at once; remove it",
        ),
        ("trainer.callbacks.early._partial_", True, "trainer.callbacks.early._partial_: not possible here"),
        ("model.table", {"_partial_": True}, "model.table._partial_: no such key here"),
        # missing
        ("model.depth", "???", "model.depth: has no value yet; got ???; set model.depth=…"),
        # test metrics
        (
            "monitor",
            "test/macro_f1",
            "monitor: nothing reported may be chosen on the test set; got 'test/macro_f1'; take val/",
        ),
        (
            "trainer.callbacks.early.monitor",
            "test/loss",
            "trainer.callbacks.early.monitor: nothing reported may be chosen",
        ),
        (
            "objectives",
            ["val/loss", "test/loss"],
            "objectives: nothing reported may be chosen on the test set; got 'test/loss'",
        ),
        # what a task needs of a model
        (
            "model",
            {"_target_": "chkpkg.parts.Plain"},
            "model: Task needs a model with 'sequence'; got Plain, which has none; take",
        ),
        # a target that hides what it takes
        (
            "model",
            {"_target_": "chkpkg.parts.Open"},
            "model._target_: Open takes **kwargs; expected each parameter by its name",
        ),
        ("model._target_", "chkpkg.parts.Nett", "model._target_: chkpkg.parts.Nett: not found"),
        ("model._target_", "os.system", "model._target_: os.system is not trusted"),
    ],
)
def test_what_is_wrong_is_said(config, path, value, message):
    said = findings(put(config, path, value))
    assert any(message in line for line in said), said
    assert checking.check(put(config, path, value), trusted=["chkpkg"], root=ROOT)[0].severity == "error"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.width", 128),
        ("model.rate", 1),
        ("model.dropout", 0),
        ("model.low", -math.inf),
        ("model.depth", 3),
        ("model.pair", [3, 1]),
        ("model.even", 8),
        ("model.kernels", []),
        ("model.table", {"a": 1}),
        ("model.anything", {"a": [None]}),
        ("model.path", "x/y"),
        ("model.tensor", 1.0),
        ("model.front", {"_target_": "chkpkg.parts.Front", "bands": 2, "_convert_": "all", "_recursive_": False}),
        ("trainer.precision", 32),
        ("trainer.strategy", {"_target_": "lightning.pytorch.strategies.DDPStrategy"}),
        ("logger", None),
        ("logger.csv.save_dir", "x"),
        ("data.rigs", ["cwru"]),
        ("data.sources.a.seconds", math.inf),
        ("task.split.target", ["a"]),
        ("task.optimizer.betas", [0.9, 0.99]),
        ("trainer.callbacks.early.stopping_threshold", math.inf),
        ("folds", "all"),
    ],
)
def test_what_is_right_passes(config, path, value):
    assert findings(put(config, path, value)) == []


def test_lists_of_nodes(config):
    nodes = [{"_target_": "lightning.pytorch.plugins.MixedPrecision", "precision": "16-mixed", "device": "c", "dev": 1}]
    (said,) = findings(put(config, "trainer.plugins", nodes))
    assert said == "trainer.plugins[0].dev: MixedPrecision has no parameter 'dev'; did you mean 'device'?"


@pytest.mark.parametrize(
    "path", ["seed", "model", "data.window", "data.sources.a.name", "task.algorithm", "task.split.val"]
)
def test_missing(config, path):
    made = copy.deepcopy(config)
    *way, last = path.split(".")
    at = made
    for key in way:
        at = at[key]
    del at[last]
    assert any(line.startswith(f"{path}: missing; ") and line.endswith(f"; set {path}=…") for line in findings(made))


@pytest.mark.parametrize("slot", ["split", "head"])
def test_slots_that_nothing_can_be_built_without(config, slot):
    made = copy.deepcopy(config)
    del made["task"][slot]
    assert findings(made) == [f"task.{slot}: missing; every run needs it; choose task/{slot}=…"]
    assert findings(put(config, f"task.{slot}", None)) == [
        f"task.{slot}: wrong value; got null; expected a node (_target_: …)"
    ]


def test_a_base_without_source_leaves_its_names_unchecked(config):
    said = checking.check(
        put(config, "model", {"_target_": "chkpkg.parts.Foreign", "x": 1}), trusted=["chkpkg"], root=ROOT
    )
    assert [(str(f), f.severity) for f in said] == [
        ("model: not checked: whether Foreign has 'sequence', which Task needs", "unchecked"),
        ("model.x: not checked: the source of elsewhere.Base, a base of Foreign, cannot be read", "unchecked"),
    ]


def test_a_partial_may_lack_arguments(config):
    assert findings(put(config, "task.optimizer", {"_target_": "torch.optim.SGD", "_partial_": True})) == []
    step = {"_target_": "torch.optim.lr_scheduler.StepLR"}
    said = findings(put(config, "task.scheduler", step))
    assert (
        "task.scheduler.step_size: missing; StepLR needs it; expected an integer; set task.scheduler.step_size=…"
        in said
    )


def test_all_errors_come_together(config):
    wrong = put(put(put(config, "model.widht", 1), "seed", -1), "monitor", "test/loss")
    wrong = put(wrong, "trainer.callbacks.early._target_", "os.system")
    assert len(findings(wrong)) == 4
    with pytest.raises(ConfigError) as caught:
        checking.require(wrong, trusted=["chkpkg"], root=ROOT)
    assert len(str(caught.value).splitlines()) == 4
    assert "model.widht: Net has no parameter 'widht'; did you mean 'width'?" in str(caught.value)


def test_what_cannot_be_read_is_not_checked_and_hides_nothing(config):
    made = put(put(config, "model.untyped", 5), "model.odd", 3)
    assert [f.severity for f in checking.check(made, trusted=["chkpkg"], root=ROOT)] == ["unchecked", "unchecked"]
    assert findings(made) == [
        "model.untyped: not checked: Net gives no type",
        "model.odd: not checked: 3 against a node (_target_: a Unknown)",
    ]
    assert len(checking.require(made, trusted=["chkpkg"], root=ROOT)) == 2
    worse = checking.check(put(made, "model.widht", 1), trusted=["chkpkg"], root=ROOT)
    assert [f.severity for f in worse] == ["error", "unchecked", "unchecked"]


def test_names_for_a_library_that_takes_any_are_not_checked(config):
    metric = {"_target_": "torchmetrics.MeanMetric", "syn_on_compute": True}
    made = checking.check(put(config, "model.anything", metric), trusted=["chkpkg"], root=ROOT)
    assert [(f.path, f.severity) for f in made] == [("model.anything.syn_on_compute", "unchecked")]


def test_a_root_that_is_not_there(config):
    assert "chkpkg.run.Rum: not found" in str(checking.check(config, trusted=["chkpkg"], root="chkpkg.run.Rum")[0])


def test_without_trust_every_target_of_the_package_is_refused(config):
    said = [str(f) for f in checking.check(config, root=ROOT)]
    assert len([line for line in said if line.endswith("add --trust chkpkg")]) == 8


def test_circles_and_explosions_are_refused(config):
    """Anchors of YAML: a list in itself; a hundred levels; ten times ten lists of one another, six levels deep."""
    circle = {}
    circle["again"] = circle
    deep = {}
    for _ in range(100):
        deep = {"deeper": deep}
    wide = 1
    for _ in range(6):
        wide = [wide] * 10
    for value in (circle, deep, wide):
        (said,) = checking.check(put(config, "model.anything", value), trusted=["chkpkg"], root=ROOT)
        assert str(said).startswith(
            "nested deeper than 50 levels, in a circle, or of more than 100000 values; expected"
        )


def test_finding_reads_as_path_and_message():
    assert str(Finding("a.b", "wrong")) == "a.b: wrong"
    assert str(Finding("", "wrong")) == "wrong"


def test_fill(config):
    before = copy.deepcopy(config)
    filled, added = fill(put(config, "model.front", {"_target_": "chkpkg.parts.Front"}), root=ROOT)
    assert config == before
    assert filled["model"]["width"] == 64
    assert filled["model"]["front"] == {"_target_": "chkpkg.parts.Front", "bands": 4}
    assert filled["model"]["kernels"] == [3, 5]  # YAML has no tuples
    assert filled["paths"] == {"data": None, "output": "outputs"}
    assert (filled["folds"], filled["repeats"]) == (None, 1)
    assert filled["task"]["optimizer"]["weight_decay"] == 0.01
    assert filled["trainer"]["callbacks"]["early"]["patience"] == 3
    assert {"model.width", "model.front.bands", "paths.output", "folds", "task.head.bias"} <= added
    assert "trainer.max_epochs" not in added  # was there


def test_fill_leaves_out_facts_what_is_passed_and_what_is_computed(config):
    filled, _ = fill(config, root=ROOT)
    assert not {"channels", "window", "low", "path"} & set(filled["model"])
    assert not {"features", "classes"} & set(filled["task"]["head"])
    assert "logger" not in filled["trainer"]
    assert "save_dir" not in filled["logger"]["csv"]
    assert filled["hydra"] == config["hydra"]


def test_a_filled_configuration_is_right_and_stays_as_it_is(config):
    filled, _ = fill(config, root=ROOT)
    assert findings(filled) == []
    assert fill(filled, root=ROOT) == (filled, set())


@pytest.mark.slow
def test_filled_arguments_make_the_same_object():
    """What the record keeps is what the library would have taken by itself."""
    import torch
    from hydra.utils import instantiate

    from phmbench.trust import whitelist

    node = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}
    config = {"task": {"optimizer": node}}
    filled, added = fill(config, root="phmbench.types.Facts")
    full = filled["task"]["optimizer"]
    assert "task.optimizer.betas" in added
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    made = instantiate(full, _convert_="all", _execution_whitelist_=whitelist(full))(parameters)
    plain = instantiate(node, _convert_="all", _execution_whitelist_=whitelist(node))(parameters)
    assert {**made.defaults, "betas": tuple(made.defaults["betas"])} == plain.defaults


@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "given"),
    [
        ({"_target_": "lightning.pytorch.Trainer", "accelerator": "cpu", "devices": 1}, {"logger": False}),
        ({"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss"}, {}),
        ({"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "monitor": "val/loss"}, {"dirpath": "."}),
        ({"_target_": "lightning.pytorch.loggers.CSVLogger"}, {"save_dir": "."}),
        ({"_target_": "lightning.pytorch.loggers.TensorBoardLogger"}, {"save_dir": "."}),
    ],
)
def test_filled_lightning_nodes_are_taken(node, given, tmp_path, monkeypatch):
    from hydra.utils import instantiate

    from phmbench.trust import whitelist

    monkeypatch.chdir(tmp_path)
    filled, added = fill({"trainer": node}, root="phmbench.types.Facts")
    full = {k: v for k, v in filled["trainer"].items() if k not in given}
    assert len(added) > 3
    made = instantiate(full, _convert_="all", _execution_whitelist_=whitelist(full), **given)
    assert type(made).__name__ == node["_target_"].rpartition(".")[2]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("monitor=val/macro_f2", "monitor: not a validation metric of the task; got 'val/macro_f2'"),
        ("trainer.callbacks.checkpoint.monitor=val/loss", "trainer.callbacks.checkpoint.monitor: not the run's"),
        ("monitor=val/f1/inner", ""),
    ],
)
def test_the_monitor_is_one_and_is_reported(word: str, message: str):
    from phmbench.cli import main

    with pytest.raises(SystemExit) as end:
        main(["check", word])
    assert end.value.code == (2 if message else 0)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model._target_=lightning.pytorch.callbacks.LambdaCallback",
         "model._target_: not of the kind that belongs here; "
         "got lightning.pytorch.callbacks.LambdaCallback; expected a class of phmbench.models, or of a package that "
         "you trust; choose an option of the group"),
        ("task.head._target_=torch.nn.Linear", "task.head._target_: not of the kind that belongs here"),
        ("task.optimizer._target_=phmbench.models.wdcnn.WDCNN", "task.optimizer._target_: not of the kind"),
        ("trainer.callbacks.checkpoint._target_=torch.nn.ReLU", "checkpoint._target_: not of the kind"),
        ("trainer._target_=phmbench.models.wdcnn.WDCNN", "trainer._target_: not of the kind that belongs here"),
        ("trainer.callbacks.checkpoint=null", "trainer.callbacks: nothing keeps the checkpoint that val/mac"),
        ("trainer.callbacks.checkpoint.monitor=null", "trainer.callbacks: nothing keeps the checkpoint"),
        ("trainer.callbacks=null", "trainer.callbacks: nothing keeps the checkpoint"),
        ("pipeline=evaluate", "init: pipeline=evaluate tests a checkpoint; got none; set init=…/checkpoints/best.ckpt"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together(word: str, message: str):
    with pytest.raises(ConfigError) as caught:
        composed(word)
    assert message in str(caught.value)
