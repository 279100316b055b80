"""Signatures from source: own, inherited, generated; through re-exports; in the libraries that are really used."""

import ast
import importlib
import sys
from textwrap import dedent

import pytest

from phmbench.errors import ConfigError
from phmbench.lineage import lineage
from phmbench.signatures import NOT_LITERAL, find_module, signature_of


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules of a package `sigpkg`, whose import would fail."""

    def write(**files):
        root = tmp_path / "sigpkg"
        root.mkdir(exist_ok=True)
        for name, text in {"__init__": "", **files}.items():
            body = "raise SystemExit('imported')\n" if name != "__init__" else ""
            (root / f"{name}.py").write_text(dedent(text) + body, encoding="utf-8")
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    return write


def test_own_init(package):
    package(
        net='''
        class Net:
            """A network.

            Paper: Doe (2021), On nets,
                arXiv 1234.5678.
            Shapes: (B, C, L) to (B, F).
            """

            needs = ("sequence", "time")

            def __init__(self, *, channels: int, width: int = 64, kernel: "int" = KERNEL) -> None: ...

            def sequence(self, signal): ...
        '''
    )
    found = signature_of("sigpkg.net.Net")
    assert [p.name for p in found.parameters] == ["channels", "width", "kernel"]
    assert [p.required for p in found.parameters] == [True, False, False]
    assert found.by_name["width"].literal == 64
    assert found.by_name["kernel"].literal is NOT_LITERAL
    assert found.by_name["channels"].literal is NOT_LITERAL
    assert ast.unparse(found.by_name["width"].annotation) == "int"
    assert found.is_class
    assert (found.title, found.paper) == ("A network.", "Doe (2021), On nets, arXiv 1234.5678.")
    assert found.attribute("needs") == ("sequence", "time")
    assert found.attribute("reads") is NOT_LITERAL
    assert found.defines("sequence") is True
    assert found.defines("backward") is False
    assert found.file.endswith("net.py")
    assert found.line == 2
    assert "sigpkg.net" not in sys.modules


def test_without_paper_and_docstring(package):
    package(net="class Net: ...\n")
    found = signature_of("sigpkg.net.Net")
    assert (found.doc, found.title, found.paper, found.parameters) == ("", "", "", ())


def test_function(package):
    package(run="def run(cfg, /, record, *more, folds=(1, 'a'), **rest): ...\n")
    found = signature_of("sigpkg.run.run")
    assert [p.name for p in found.parameters] == ["record", "folds"]  # cfg cannot be given by its name
    assert found.by_name["folds"].literal == (1, "a")
    assert found.open_in == "sigpkg.run"
    assert not found.is_class


def test_inherited_through_an_import(package):
    package(
        base="""
        class Base:
            reads = ("rate_hz",)
            def __init__(self, *, width: int = 3): ...
            def sequence(self): ...
        """,
        net="from sigpkg.base import Base as Root\nclass Net(Root[int]): ...\n",
        other="from . import base\nclass Other(base.Base): ...\n",
    )
    for target in ("sigpkg.net.Net", "sigpkg.other.Other"):
        found = signature_of(target)
        assert [p.name for p in found.parameters] == ["width"]
        assert found.defines("sequence") is True
        assert found.attribute("reads") == ("rate_hz",)


def test_re_exports(package):
    package(
        deep="def inner(a=1): ...\n",
        middle="from .deep import *\n",
        __init__="from sigpkg.middle import inner as outer\n",
    )
    found = signature_of("sigpkg.outer")
    assert found.name == "inner"
    assert found.definition.dotted == "sigpkg.deep.inner"
    assert found.definition.path == ("sigpkg", "sigpkg.middle", "sigpkg.deep")


def test_a_circle_of_imports_ends(package):
    package(a="from sigpkg.b import x\n", b="from sigpkg.a import x\n")
    with pytest.raises(ConfigError, match=r"sigpkg.a.x: not found; sigpkg.a defines no class or function 'x'"):
        signature_of("sigpkg.a.x")


def test_dataclass_and_its_base(package):
    package(
        run="""
        from dataclasses import dataclass, field
        from typing import ClassVar

        @dataclass
        class Base:
            seed: int
            kind: ClassVar[str] = "x"

        @dataclass(frozen=True)
        class Run(Base):
            folds: str | None = None
            paths: list = field(default_factory=list)
            rate: float = field(default=0.5)
            made: int = field(init=False, default=0)
        """
    )
    found = signature_of("sigpkg.run.Run")
    assert [p.name for p in found.parameters] == ["seed", "folds", "paths", "rate"]
    assert found.by_name["seed"].required
    assert not found.by_name["paths"].required
    assert found.by_name["paths"].literal is NOT_LITERAL
    assert found.by_name["rate"].literal == 0.5


def test_named_tuple(package):
    package(facts="from typing import NamedTuple\nclass Facts(NamedTuple):\n    channels: int\n    window: int = 2\n")
    found = signature_of("sigpkg.facts.Facts")
    assert [(p.name, p.required) for p in found.parameters] == [("channels", True), ("window", False)]


def test_kwargs_that_go_on_to_the_base(package):
    """`Net` takes its own `depth` and, through **rest, what Base takes but `width`, which it sets itself."""
    package(
        net="""
        class Base:
            def __init__(self, first, *, width=1, kernel=3): ...

        class Net(Base):
            def __init__(self, *, depth=2, **rest):
                super().__init__(1, width=4, **rest)

        class Open:
            def __init__(self, *, depth=2, **rest): ...
        """
    )
    found = signature_of("sigpkg.net.Net")
    assert [p.name for p in found.parameters] == ["depth", "kernel"]
    assert found.open_in is None
    assert signature_of("sigpkg.net.Open").open_in == "sigpkg.net"


def test_a_base_without_source_is_named(package):
    package(net="from somewhere_else import Base\nclass Net(Base): ...\n")
    found = signature_of("sigpkg.net.Net")
    assert found.unread == "somewhere_else.Base"
    assert found.defines("sequence") is None
    assert "somewhere_else.Base" in list(lineage(found.definition))


def test_branches_and_overloads(package):
    package(
        net="""
        from typing import overload
        try:
            from fast import Net
        except ImportError:
            class Net:
                def __init__(self, b): ...
        if True:
            @overload
            def f(a: int): ...
            @overload
            def f(a: str): ...
            def f(a, b=1): ...
        del Gone
        """
    )
    assert [p.name for p in signature_of("sigpkg.net.f").parameters] == ["a", "b"]
    with pytest.raises(ConfigError, match=r"sigpkg\.net\.Net: not found"):
        signature_of("sigpkg.net.Net")  # what the first branch binds is meant


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "sigpkg.net.Ned",
            r"sigpkg\.net\.Ned: not found; sigpkg\.net defines no class or function 'Ned'; did you mean 'Net'\?",
        ),
        ("sigpkg.net.Zzzz", r"defines no class or function 'Zzzz'; correct the name"),
        ("sigpkg.net", r"sigpkg\.net: not found"),
        ("sigpkg.net.Net.method", r"defines no class or function 'Net.method'"),
        ("sigpkg.net.ALIAS", r"defines no class or function 'ALIAS'"),
        (
            "no_such_package.x.Y",
            r"no_such_package\.x\.Y: no module; got 'no_such_package', which is not installed; install it",
        ),
        ("sigpkg.broken.Net", r"defines no class or function 'Net'"),
    ],
)
def test_what_is_not_there(package, target, message):
    package(net="class Net:\n    def method(self): ...\nALIAS = Net\n", broken="class Net(:\n")
    with pytest.raises(ConfigError, match=message):
        signature_of(target)


def test_a_file_that_changes_is_read_again(package, tmp_path):
    import os

    package(net="class Net:\n    def __init__(self, a): ...\n")
    assert [p.name for p in signature_of("sigpkg.net.Net").parameters] == ["a"]
    package(net="class Net:\n    def __init__(self, b): ...\n")
    os.utime(tmp_path / "sigpkg" / "net.py", ns=(1, 1))
    assert [p.name for p in signature_of("sigpkg.net.Net").parameters] == ["b"]


@pytest.mark.parametrize(
    ("target", "names", "defined"),
    [
        ("torch.optim.AdamW", {"params", "lr", "betas", "weight_decay"}, "torch.optim.adamw.AdamW"),
        ("torch.optim.lr_scheduler.CosineAnnealingLR", {"optimizer", "T_max", "eta_min"}, None),
        ("torch.nn.Conv1d", {"in_channels", "kernel_size", "dilation"}, "torch.nn.modules.conv.Conv1d"),
        (
            "lightning.pytorch.Trainer",
            {"accelerator", "max_epochs", "callbacks"},
            "lightning.pytorch.trainer.trainer.Trainer",
        ),
        ("lightning.pytorch.callbacks.EarlyStopping", {"monitor", "patience"}, None),
        ("lightning.pytorch.callbacks.ModelCheckpoint", {"dirpath", "save_last"}, None),
        ("lightning.pytorch.loggers.CSVLogger", {"save_dir", "name"}, None),
        ("lightning.pytorch.loggers.TensorBoardLogger", {"save_dir", "sub_dir"}, None),
        ("torchmetrics.classification.MulticlassF1Score", {"num_classes", "average"}, None),
    ],
)
def test_libraries(target, names, defined):
    found = signature_of(target)
    assert names <= set(found.by_name)
    assert defined in (None, found.definition.dotted)


def test_optimizer_rate_is_that_of_the_running_library():
    """Held against inspect, on the imported class."""
    import inspect

    import torch

    found = signature_of("torch.optim.AdamW")
    real = inspect.signature(torch.optim.AdamW).parameters
    assert list(found.by_name) == list(real)
    assert found.by_name["lr"].literal == real["lr"].default
    assert found.by_name["betas"].literal == real["betas"].default


def test_find_module(package):
    package(net="")
    assert find_module("sigpkg").name == "__init__.py"
    assert find_module("sigpkg.net").name == "net.py"
    assert find_module("sigpkg.none") is None
    assert find_module("no_such_package") is None
