"""Annotations and values in words, for messages."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from phmbench import syntax
from phmbench.check import values
from phmbench.check.values import Scope

SIMPLE = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "None": "null",
    "pathlib.Path": "a path",
    "object": "anything",
    "typing.Any": "anything",
}


def describe(annotation: ast.expr, scope: Scope) -> str:
    """What an annotation admits: "an integer, at least 1", "one of 'a', 'b'", "a list (an integer) or null"."""
    if scope.depth > values.DEEPEST:
        return ast.unparse(annotation)
    match annotation:
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=str(text)):
            inner = values.parsed(text)
            return describe(inner, scope.within(scope.module)) if inner is not None else text
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _either([left, right], scope)
        case ast.Subscript(value=outer, slice=inner):
            return _generic(syntax.dotted_name(outer, scope.module), values.elements(inner), annotation, scope)
        case ast.Name() | ast.Attribute():
            return _named(syntax.dotted_name(annotation, scope.module), annotation, scope)
    return ast.unparse(annotation)


def _either(members: list[ast.expr], scope: Scope) -> str:
    return " or ".join(dict.fromkeys(describe(one, scope) for one in members))


def _generic(name: str | None, inner: list[ast.expr], annotation: ast.expr, scope: Scope) -> str:
    if name == "typing.Optional":
        return f"{describe(inner[0], scope)} or null"
    if name == "typing.Union":
        return _either(inner, scope)
    if name == "typing.Literal":
        return f"one of {', '.join(map(show, values.choices(inner)))}"
    if name == "typing.Annotated":
        limits = [limit for mark in inner[1:] for limit in _limits(mark, scope)]
        return ", ".join([describe(inner[0], scope), *limits])
    if name in values.TRANSPARENT:
        return describe(inner[0], scope)
    if name in values.SEQUENCES:
        members = [describe(one, scope) for one in inner if not _is_ellipsis(one)]
        return f"a list ({', '.join(members)})"
    if name in values.MAPPINGS and len(inner) == 2:
        return f"a mapping (of {describe(inner[1], scope)})"
    return _named(name, annotation, scope)


def _is_ellipsis(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant) and expression.value is Ellipsis


def _limits(mark: ast.expr, scope: Scope) -> list[str]:
    found = []
    for kind, limit in values.bounds(mark, scope) or []:
        if kind == "MultipleOf":
            found.append(f"a multiple of {limit:g}")
        elif kind in values.LENGTHS:
            found.append(f"{values.LENGTHS[kind][1]} {limit:g} long")
        else:
            found.append(f"{values.BOUNDS[kind][1]} {limit:g}")
    return found


def _named(name: str | None, annotation: ast.expr, scope: Scope) -> str:
    if name is None:
        return ast.unparse(annotation)
    if name in SIMPLE:
        return SIMPLE[name]
    if name in values.SEQUENCES:
        return "a list"
    if name in values.MAPPINGS:
        return "a mapping"
    if name in values.CALLABLES:
        return "a node (_target_: …)"
    definition = syntax.define(name) if name not in values.OBJECTS else None
    if definition is not None and isinstance(definition.node, ast.expr):
        return describe(definition.node, scope.within(definition.module))
    return f"a node (_target_: a {name.rpartition('.')[2]})"


def show(value: object) -> str:
    """A value as it stands in YAML, shortened, with its kind where that is not plain to see."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        if "_target_" in value:
            return f"a node ({value['_target_']})"
        return f"a mapping with {', '.join(map(str, list(value)[:3])) or 'nothing'}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
