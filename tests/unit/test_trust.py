"""Who may be a target. Hostile ones have a file of their own."""

import importlib
from textwrap import dedent

import pytest

from phmbench.trust import check_target, nodes, whitelist


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A user's package `trustpkg`."""
    root = tmp_path / "trustpkg"
    root.mkdir()
    files = {
        "__init__": """
        from trustpkg.net import Net
        from trustpkg.net import run
        import shutil as other
        import os as twin
        """,
        "net": """
        import shutil
        from os import system
        from pathlib import Path as P
        class Net:
            def method(self): ...
        def run(*, cfg): ...
        def _private(): ...
        ALIAS = system
        """,
        "twin": "class Net: ...\n",
        "broken": "class Net(:\n",
        "through": "from trustpkg.broken import Net\n",
    }
    for name, text in files.items():
        (root / f"{name}.py").write_text(dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    "target",
    [
        "torch.optim.AdamW",
        "torch.optim.SGD",
        "torch.optim.adamw.AdamW",
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        "torch.optim.lr_scheduler.OneCycleLR",
        "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "torch.nn.CrossEntropyLoss",
        "torch.nn.Conv1d",
        "lightning.pytorch.Trainer",
        "lightning.pytorch.callbacks.EarlyStopping",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.callbacks.RichProgressBar",
        "lightning.pytorch.loggers.CSVLogger",
        "lightning.pytorch.loggers.TensorBoardLogger",
        "lightning.pytorch.loggers.WandbLogger",
        "lightning.pytorch.loggers.MLFlowLogger",
        "lightning.pytorch.strategies.DDPStrategy",
        "lightning.pytorch.strategies.FSDPStrategy",
        "lightning.pytorch.plugins.MixedPrecision",
        "lightning.pytorch.plugins.environments.SLURMEnvironment",
        "lightning.pytorch.profilers.SimpleProfiler",
        "torchmetrics.classification.MulticlassF1Score",
        "torchmetrics.MeanMetric",
        "torchmetrics.regression.MeanSquaredError",
        "phmbench.models.wdcnn.WDCNN",
        "phmbench.heads.Linear",
        "phmbench.pipelines.fit_test.run",
        "phmbench.data.datamodule.VibrationData",
    ],
)
def test_what_a_run_needs_is_trusted(target):
    assert check_target(target) is None


@pytest.mark.parametrize("target", ["trustpkg.Net", "trustpkg.run", "trustpkg.net.Net"])
def test_a_package_is_trusted_when_it_is_named(package, target):
    assert "add --trust trustpkg" in check_target(target)
    assert check_target(target, ["trustpkg"]) is None


def test_a_part_of_a_package_can_be_trusted(package):
    assert check_target("trustpkg.net.Net", ["trustpkg.net"]) is None
    assert "add --trust" in check_target("trustpkg.Net", ["trustpkg.net"])


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("trustpkg.net.system", r"trustpkg.net imports it from elsewhere (os.system); name what is meant"),
        ("trustpkg.net.P", r"imports it from elsewhere (pathlib.Path)"),
        ("trustpkg.net.shutil", r"imports it from elsewhere (shutil)"),
        ("trustpkg.net.shutil.rmtree", r"got 'shutil.rmtree', which is no single name in trustpkg.net"),
        ("trustpkg.other.rmtree", r"got 'other.rmtree', which is no single name in trustpkg"),
        ("trustpkg.net.Net.method", r"got 'Net.method', which is no single name"),
        ("trustpkg.net._private", r"'_private' is private to its module"),
        ("trustpkg.net.ALIAS", r"trustpkg.net assigns it; expected a class or function defined there"),
        ("trustpkg.net", r"got a module; expected a class or function"),
        ("trustpkg.net.Nett", r"did you mean 'Net'?"),
        ("trustpkg.broken.Net", r"the source of trustpkg.broken cannot be read; expected Python source"),
        ("trustpkg.through.Net", r"trustpkg.through defines no class or function 'Net'"),
        ("trustpkg.twin.Net", r"trustpkg binds 'twin' to something that is not its module"),
    ],
)
def test_a_trusted_package_opens_only_what_it_defines(package, target, reason):
    assert reason in check_target(target, ["trustpkg"])


@pytest.mark.parametrize(
    "package_name", ["os", "subprocess", "hydra", "pip", "numpy", "builtins", "torch", "lightning", "phmbench"]
)
def test_trust_does_not_open_what_has_rules_of_its_own(package_name):
    target = {
        "os": "os.makedirs",
        "subprocess": "subprocess.run",
        "hydra": "hydra.utils.instantiate",
        "pip": "pip.main",
        "numpy": "numpy.load",
        "builtins": "builtins.eval",
        "torch": "torch.hub.load",
        "lightning": "lightning.pytorch.seed_everything",
        "phmbench": "phmbench.errors.ConfigError",
    }[package_name]
    assert "not trusted" in check_target(target, [package_name])


def test_nodes_are_found_everywhere_but_under_hydra():
    config = {
        "hydra": {"a": {"_target_": "h"}},
        "a": {"_target_": "1", "b": [{"x": {"_target_": "2"}}, ({"_target_": "3"},)], "hydra": {"_target_": "4"}},
    }
    assert [path for path, _ in nodes(config)] == ["a", "a.b[0].x", "a.b[1][0]", "a.hydra"]


def test_whitelist_is_what_hydra_executes(package):
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    node = {"_target_": "trustpkg.Net"}
    assert whitelist({"model": node, "more": [node]}) == ["trustpkg.Net", "trustpkg.net.Net"]
    made = instantiate(node, _execution_whitelist_=whitelist(node))
    assert type(made).__name__ == "Net"
    with pytest.raises(InstantiationException, match="whitelist"):
        instantiate({"_target_": "trustpkg.twin.Net"}, _execution_whitelist_=whitelist(node))


def test_whitelist_of_library_targets():
    assert whitelist({"_target_": "torch.optim.AdamW"}) == ["torch.optim.AdamW", "torch.optim.adamw.AdamW"]


def test_an_extra_that_is_not_installed_is_named(monkeypatch):
    import sys

    monkeypatch.setattr(sys, "path", [])  # nothing is installed
    importlib.invalidate_caches()
    said = check_target("swanlab.integration.pytorch_lightning.SwanLabLogger")
    assert said.endswith("install it, or correct the name; the extra has it: pip install 'phmbench[swanlab]'")


def test_a_library_name_with_a_slip_gets_the_nearest():
    assert check_target("torch.optim.AdamX").endswith("no class or function 'AdamX'; did you mean 'Adam'?")
