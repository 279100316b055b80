"""Plain values against annotations that are read, not evaluated.

`accepts` answers True, False, or None where the annotation means something that cannot be known before an import.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from phmbench import syntax
from phmbench.syntax import Module

Verdict = bool | None

PLAIN = frozenset({"int", "float", "bool", "None", "complex", "bytes", "numbers.Number", "numbers.Real"})
ANYTHING = frozenset({"object", "typing.Any"})
SEQUENCES = frozenset(
    {"list", "tuple", "set", "frozenset", "typing.List", "typing.Tuple", "typing.Set"}
    | {f"{m}.{n}" for m in ("typing", "collections.abc") for n in ("Sequence", "Iterable", "Collection", "Set")}
)
TUPLES = frozenset({"tuple", "typing.Tuple"})
MAPPINGS = frozenset(
    {"dict", "typing.Dict"} | {f"{m}.{n}" for m in ("typing", "collections.abc") for n in ("Mapping", "MutableMapping")}
)
CALLABLES = frozenset({"typing.Callable", "collections.abc.Callable", "callable"})
TEXTS = frozenset({"str", "pathlib.Path", "os.PathLike", "pathlib.PurePath"})
OBJECTS = frozenset({"torch.Tensor", "torch.nn.Module", "torch.optim.Optimizer", "torch.optim.optimizer.Optimizer"})
"""Classes without plain form whose sources are large."""
FROM_TEXT = frozenset({"Enum", "StrEnum", "IntEnum", "LightningEnum", "TypedDict", "Protocol", "str", "int", "float"})
"""A class with such a base may take plain values; which, is not known here."""
TRANSPARENT = frozenset({"typing.Final", "typing.Required", "typing.NotRequired", "typing.ReadOnly"})
DEEPEST = 12  # aliases of aliases

BOUNDS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "Ge": (operator.ge, "at least"),
    "Gt": (operator.gt, "more than"),
    "Le": (operator.le, "at most"),
    "Lt": (operator.lt, "less than"),
}
LENGTHS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "MinLen": (operator.ge, "at least"),
    "MaxLen": (operator.le, "at most"),
}


class Scope(NamedTuple):
    """Where an annotation stands, and whether a number in it must be finite."""

    module: Module
    finite: bool = True
    depth: int = 0

    def within(self, module: Module) -> Scope:
        return Scope(module, self.finite, self.depth + 1)


def is_node(value: object) -> bool:
    """Whether a value is a mapping that becomes an object."""
    return isinstance(value, Mapping) and "_target_" in value


def accepts(value: object, annotation: ast.expr, scope: Scope) -> Verdict:
    """Whether a value fits an annotation; None: cannot be told."""
    if scope.depth > DEEPEST:
        return None
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str(text)):
            inner = parsed(text)
            return accepts(value, inner, scope.within(scope.module)) if inner is not None else None
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _any(accepts(value, side, scope) for side in (left, right))
        case ast.Subscript(value=outer, slice=inner):
            return _generic(value, syntax.dotted_name(outer, scope.module), elements(inner), scope)
        case ast.Name() | ast.Attribute():
            return _named(value, syntax.dotted_name(annotation, scope.module), scope)
    return None


def parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def elements(inner: ast.expr) -> list[ast.expr]:
    return list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    found: Verdict = False
    for verdict in verdicts:
        if verdict:
            return True
        found = None if verdict is None else found
    return found


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    found: Verdict = True
    for verdict in verdicts:
        if verdict is False:
            return False
        found = None if verdict is None else found
    return found


def _generic(value: object, name: str | None, inner: list[ast.expr], scope: Scope) -> Verdict:
    if name == "typing.Optional":
        return value is None or accepts(value, inner[0], scope)
    if name == "typing.Union":
        return _any(accepts(value, one, scope) for one in inner)
    if name == "typing.Literal":
        return any(value == choice and type(value) is type(choice) for choice in choices(inner))
    if name == "typing.Annotated":
        return _all([accepts(value, inner[0], scope), *(_bounded(value, mark, scope) for mark in inner[1:])])
    if name in TRANSPARENT:
        return accepts(value, inner[0], scope)
    if name in SEQUENCES:
        return _sequence(value, inner, scope, fixed=name in TUPLES)
    if name in MAPPINGS and len(inner) == 2:
        if is_node(value):
            return None
        if not isinstance(value, Mapping):
            return False
        return _all(accepts(v, one, scope) for pair in value.items() for v, one in zip(pair, inner, strict=True))
    if name is not None and (name in CALLABLES or name in TEXTS):
        return _named(value, name, scope)
    return None if name is None or name in ("type", "typing.Type") else _named(value, name, scope)


def _sequence(value: object, inner: list[ast.expr], scope: Scope, *, fixed: bool) -> Verdict:
    if is_node(value):
        return None
    if not isinstance(value, list | tuple):
        return False
    if fixed and not (inner and isinstance(inner[-1], ast.Constant) and inner[-1].value is Ellipsis):
        if len(value) != len(inner):  # tuple[()] has none
            return False
        return _all(accepts(v, one, scope) for v, one in zip(value, inner, strict=True))
    return _all(accepts(v, inner[0], scope) for v in value)


def _named(value: object, name: str | None, scope: Scope) -> Verdict:
    if name is None or name in ANYTHING:
        return None if name is None else True
    if name in PLAIN or name in TEXTS:
        return _simple(value, name, scope)
    if name in SEQUENCES:
        return isinstance(value, list | tuple) or (None if is_node(value) else False)
    if name in MAPPINGS:
        return isinstance(value, Mapping)
    if name in CALLABLES or name in OBJECTS:
        return is_node(value)
    definition = syntax.define(name)
    if definition is None:
        return None if not is_node(value) else True
    if isinstance(definition.node, ast.ClassDef):
        last = {ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in definition.node.bases}
        return True if is_node(value) else None if last & FROM_TEXT else False
    if isinstance(definition.node, ast.expr):  # an alias: Count = Annotated[int, Ge(1)]
        return accepts(value, definition.node, scope.within(definition.module))
    return None


def _simple(value: object, name: str, scope: Scope) -> bool:
    match name:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float" | "complex" | "numbers.Number" | "numbers.Real":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and (not scope.finite or math.isfinite(value))  # type: ignore[arg-type]
        case "None":
            return value is None
    return name in TEXTS and isinstance(value, str)


def choices(inner: Iterable[ast.expr]) -> list[object]:
    """The values of a Literal."""
    found: list[object] = []
    for one in inner:
        try:
            found.append(ast.literal_eval(one))
        except ValueError:
            continue
    return found


def _bounded(value: object, mark: ast.expr, scope: Scope) -> Verdict:
    """A number against Ge(0), Lt(1), Interval(ge=0, lt=1), MultipleOf(2); a list or text against MinLen(1)."""
    found = bounds(mark, scope)
    if found is None:
        return None
    for kind, limit in found:
        if kind in LENGTHS:
            if isinstance(value, list | tuple | str | Mapping) and not LENGTHS[kind][0](len(value), limit):
                return False
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if kind == "MultipleOf" and value % limit:
                return False
            if kind in BOUNDS and not BOUNDS[kind][0](value, limit):
                return False
    return True


def bounds(mark: ast.expr, scope: Scope) -> list[tuple[str, float]] | None:
    """What a mark of Annotated says, as pairs of kind and limit; [] for text, None where it is not understood."""
    if isinstance(mark, ast.Constant):
        return []
    if not isinstance(mark, ast.Call):
        return None
    name = (syntax.dotted_name(mark.func, scope.module) or "").rpartition(".")[2]
    limits = [_number(arg, scope.module) for arg in mark.args]
    named = {k.arg: _number(k.value, scope.module) for k in mark.keywords if k.arg is not None}
    pairs: list[tuple[str, float | None]]
    if name in ("Interval", "Len"):
        order = ("gt", "ge", "lt", "le") if name == "Interval" else ("min_length", "max_length")
        kinds = {k: k.capitalize() for k in order} | {"min_length": "MinLen", "max_length": "MaxLen"}
        pairs = [(kinds[k], v) for k, v in {**dict(zip(order, limits, strict=False)), **named}.items() if k in kinds]
    elif name in {*BOUNDS, *LENGTHS, "MultipleOf"}:
        pairs = [(name, limit) for limit in [*limits, *named.values()]]
    else:
        return None
    return None if any(limit is None for _, limit in pairs) else [(k, v) for k, v in pairs if v is not None]


def _number(expression: ast.expr, module: Module) -> float | None:
    if isinstance(expression, ast.Name | ast.Attribute):  # Le(LONGEST)
        definition = syntax.define(syntax.dotted_name(expression, module) or "")
        if definition is None or not isinstance(definition.node, ast.expr):
            return None
        expression = definition.node
    try:
        value = ast.literal_eval(expression)
    except ValueError:
        return None
    return value if isinstance(value, int | float) else None
