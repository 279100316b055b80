"""What a class of ours that an option names must look like: keyword-only, typed, explained."""

from __future__ import annotations

import ast
import re

import pytest

from phmbench.lineage import lineage
from phmbench.signatures import Signature, signature_of
from phmbench.syntax import Definition
from tests.contract.composing import options
from tests.contract.test_options import FILES, nodes, raw

TARGETS = sorted(
    {node["_target_"] for file in FILES for _, node in nodes(raw(file)) if node["_target_"].startswith("phmbench.")}
)
PARTS = {
    "phmbench.models.": ("Paper:", "Shapes:", "Args:"),
    "phmbench.algorithms.": ("Paper:",),
    "phmbench.adaptation.": ("Paper:", "Deviations:", "Shapes:"),
    "phmbench.data.target.": ("Args:",),
    "phmbench.methods.": ("Paper:", "Deviations:", "Shapes:"),
    "phmbench.adapters.": ("Source:", "Args:"),
    "phmbench.data.episodes.": ("Args:",),
    "phmbench.heads.": ("Shapes:", "Args:"),
    "phmbench.tasks.": ("Args:",),
    "phmbench.data.splits.": ("Args:",),
    "phmbench.data.sources.": ("Args:", "Raises:"),
    "phmbench.data.augment.": ("Paper:", "Deviations:", "Shapes:", "Args:", "Raises:"),
    "phmbench.data.datamodule.": ("Args:", "Raises:"),
    "phmbench.estimators.": ("Args:", "Raises:"),
    "phmbench.features.": ("Shapes:",),
    "phmbench.pipelines.": ("Args:",),
    "phmbench.training.": ("Args:",),
}
"""Parts of a docstring, by where the target lies."""


def function_of(signature: Signature) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function whose parameters these are; None for a class without any."""
    for base in lineage(signature.definition):
        node = base.node if isinstance(base, Definition) else None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return node
        if isinstance(node, ast.ClassDef) and base.module.top == "phmbench":
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                    return one
    return None


def documented(doc: str) -> set[str]:
    """Names under `Args:`."""
    block = doc.partition("\nArgs:\n")[2].partition("\n\n")[0]
    return {name for line in re.findall(r"^    (\w[\w, ]*):", block, re.MULTILINE) for name in line.split(", ")}


def test_every_option_of_ours_is_among_them():
    """Not one group of classes is left out: a part below is asked for of each place where targets lie."""
    assert TARGETS
    for target in TARGETS:
        assert target.startswith((*PARTS, "phmbench.launcher.")), f"{target}: say in PARTS what its docstring needs"
    assert {option.word for option in options("model")} >= {"model=wdcnn", "model=resnet1d"}


@pytest.mark.parametrize("target", TARGETS)
def test_parameters_are_given_by_name_and_written_out(target: str):
    signature = signature_of(target)
    function = function_of(signature)
    if target.startswith("phmbench.launcher."):
        return  # made by Hydra, with nothing
    if function is None:
        assert signature.parameters == ()
        return
    args = function.args
    assert args.kwarg is None, f"{target} takes **{args.kwarg.arg}"
    assert args.vararg is None, f"{target} takes *{args.vararg.arg}"
    by_position = [arg.arg for arg in (*args.posonlyargs, *args.args) if arg.arg != "self"]
    assert by_position == [], f"{target}: put * before {by_position[0]}"


@pytest.mark.parametrize("target", TARGETS)
def test_parameters_have_types(target: str):
    missing = [parameter.name for parameter in signature_of(target).parameters if parameter.annotation is None]
    assert missing == []


@pytest.mark.parametrize("target", TARGETS)
def test_the_docstring_has_its_parts(target: str):
    """One sentence; paper and shapes where there are any; every parameter explained, and none that is not there."""
    signature = signature_of(target)
    assert signature.title.endswith("."), f"{target}: the first line is one sentence; got {signature.title!r}"
    for part in next((parts for place, parts in PARTS.items() if target.startswith(place)), ()):
        assert f"\n{part}" in signature.doc, f"{target}: the docstring lacks {part!r}"
    names = set(signature.by_name)
    if "\nArgs:\n" in signature.doc:
        assert documented(signature.doc) == names, f"{target}: Args against the signature"


@pytest.mark.parametrize("target", TARGETS)
def test_errors_that_it_raises_itself_are_named(target: str):
    """Each class in a `raise` of the constructor or function stands under `Raises:`."""
    signature = signature_of(target)
    function = function_of(signature)
    raised = {
        one.exc.func.id
        for one in ast.walk(function or ast.Module([], []))
        if isinstance(one, ast.Raise) and isinstance(one.exc, ast.Call) and isinstance(one.exc.func, ast.Name)
    }
    said = signature.doc.partition("\nRaises:\n")[2]
    assert {name for name in raised if f"{name}:" not in said} == set()
