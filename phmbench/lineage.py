"""Classes and their bases, read from source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from phmbench import syntax
from phmbench.syntax import Definition, Module

WITHOUT_PARAMETERS = frozenset(
    {
        "object",
        "abc.ABC",
        "typing.Generic",
        "typing.Protocol",
        "torch.nn.Module",
        "torch.nn.modules.module.Module",
        "torch.utils.data.Dataset",
        "torch.utils.data.Sampler",
        "lightning.pytorch.Callback",
        "lightning.pytorch.callbacks.Callback",
        "lightning.pytorch.callbacks.callback.Callback",
        "lightning.pytorch.LightningModule",
        "lightning.pytorch.core.module.LightningModule",
        "lightning.pytorch.LightningDataModule",
        "lightning.pytorch.core.datamodule.LightningDataModule",
    }
)
"""Bases that take nothing from a subclass's caller (their `*args, **kwargs` refuse all); not parsed, being large."""
LARGE = frozenset({"torch.optim.optimizer.Optimizer", "torch.optim.Optimizer"})
"""Bases that are not parsed either: all that derive from them in use say themselves what they take."""
NAMED_TUPLE = "typing.NamedTuple"


def lineage(definition: Definition) -> Iterator[Definition | str]:
    """A class and its bases, depth first; a base that is not read (or needs none) as its dotted name."""
    seen: set[str] = set()
    stack: list[Definition | str] = [definition]
    while stack:
        at = stack.pop()
        key = at if isinstance(at, str) else at.dotted
        if key in seen:
            continue
        seen.add(key)
        yield at
        if isinstance(at, Definition) and isinstance(at.node, ast.ClassDef):
            stack += [base_of(base, at.module) for base in reversed(at.node.bases)]


def base_of(expression: ast.expr, module: Module) -> Definition | str:
    """The class that an expression in a list of bases names, or its dotted name where it is not read."""
    while isinstance(expression, ast.Subscript):  # Base[T]
        expression = expression.value
    name = syntax.dotted_name(expression, module)
    if name is None:
        return ast.unparse(expression)
    if name in WITHOUT_PARAMETERS or name in LARGE or name == NAMED_TUPLE:
        return name
    definition = syntax.define(name)
    if definition is None or not isinstance(definition.node, ast.ClassDef):
        return name
    return definition.dotted if definition.dotted in WITHOUT_PARAMETERS else definition
