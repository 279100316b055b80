"""Signatures of classes and functions, read from source: what a target takes, before anything of it is imported."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from phmbench import syntax
from phmbench.errors import ConfigError
from phmbench.lineage import NAMED_TUPLE, WITHOUT_PARAMETERS, base_of, lineage
from phmbench.syntax import Definition, Module


class NotLiteral:
    """A default that is computed, or none at all."""


NOT_LITERAL = NotLiteral()


class Parameter(NamedTuple):
    """One parameter that can be given by name."""

    name: str
    annotation: ast.expr | None
    default: ast.expr | None  # None: required
    home: Module  # where the names in the annotation mean something

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def literal(self) -> object:
        """The default as plain data (tuples as they are), or NOT_LITERAL."""
        if self.default is None:
            return NOT_LITERAL
        try:
            value = ast.literal_eval(self.default)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return NOT_LITERAL
        return value if _is_plain(value) else NOT_LITERAL


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, bool | int | float | str)


class Signature:
    """What a class or function takes.

    Attributes:
        target: the dotted name that was asked for.
        definition: where it is defined.
        parameters: in order; without `self` and without what can be given by position alone.
        open_in: dotted name of the module whose `**kwargs` take any name, or None.
        unread: dotted name of a base that could not be read, where the signature is not known because of it, or None.
    """

    def __init__(
        self,
        target: str,
        definition: Definition,
        *,
        parameters: dict[str, Parameter],
        open_in: str | None,
        unread: str | None,
    ) -> None:
        self.target, self.definition = target, definition
        self.by_name, self.parameters = parameters, tuple(parameters.values())
        self.open_in, self.unread = open_in, unread

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def file(self) -> str:
        return self.definition.module.file

    @property
    def line(self) -> int:
        return self.definition.node.lineno

    @property
    def is_class(self) -> bool:
        return isinstance(self.definition.node, ast.ClassDef)

    @cached_property
    def doc(self) -> str:
        """The docstring, cleaned of indentation; "" where there is none."""
        node = self.definition.node
        return "" if isinstance(node, ast.expr) else ast.get_docstring(node) or ""

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]

    @property
    def paper(self) -> str:
        """What stands behind `Paper:` in the docstring, on one line; "" where nothing does."""
        lines = iter(self.doc.splitlines())
        start = next((line for line in lines if line.startswith("Paper:")), None)
        if start is None:
            return ""
        found = [start.removeprefix("Paper:").strip()]
        for line in lines:
            if not line.startswith(" "):
                break
            found.append(line.strip())
        return " ".join(found).strip()

    def attribute(self, name: str) -> object:
        """A literal class attribute, own or inherited (`needs = ("sequence",)`), or NOT_LITERAL."""
        for base in lineage(self.definition):
            if isinstance(base, Definition) and isinstance(base.node, ast.ClassDef):
                for statement in base.node.body:
                    value = _assigned(statement, name)
                    if value is not None:
                        return Parameter(name, None, value, base.module).literal
        return NOT_LITERAL

    def defines(self, method: str) -> bool | None:
        """Whether the class or a base of it defines a method; None where a base cannot be read."""
        unknown = False
        for base in lineage(self.definition):
            if isinstance(base, str):
                unknown |= base not in WITHOUT_PARAMETERS
            elif isinstance(base.node, ast.ClassDef) and _method(base.node, method) is not None:
                return True
        return None if unknown else False


def find_module(name: str) -> Path | None:
    """The source file of a module or package, found without importing it; None where there is none."""
    found = syntax.read(name)
    return Path(found.file) if found is not None and found.file else None


def signature_of(target: str) -> Signature:
    """Read a signature.

    Args:
        target: dotted name of a class or function, at the place of its definition or re-exported.

    Raises:
        ConfigError: there is no such class or function, or it has no source.
    """
    definition = syntax.define(target)
    if definition is None or isinstance(definition.node, ast.expr):
        raise ConfigError(absent(target))
    if isinstance(definition.node, ast.ClassDef):
        parameters, open_in, unread = _of_class(definition)
    else:
        parameters, is_open = _of_function(definition.node, definition.module, bound=False)
        open_in, unread = definition.module.name if is_open else None, None
    return Signature(target, definition, parameters=parameters, open_in=open_in, unread=unread)


def absent(target: str) -> str:
    """Why a target cannot be found, as a message."""
    parted = syntax.split(target)
    if parted is None:
        package = target.partition(".")[0]
        return f"{target}: no module; got '{package}', which is not installed; install it, or correct the name"
    module, rest = parted
    found = syntax.read(module)
    close = get_close_matches(rest, [n for n in found.names if not n.startswith("_")], 1) if found else []
    step = f"did you mean '{close[0]}'?" if close else "correct the name"
    return f"{target}: not found; {module} defines no class or function '{rest}'; {step}"


Found = tuple[dict[str, Parameter], str | None, str | None]  # parameters, open_in, unread


def _of_class(definition: Definition) -> Found:
    bases = lineage(definition)
    for base in bases:
        if isinstance(base, str):
            if base == NAMED_TUPLE:
                return _fields(definition), None, None
            if base not in WITHOUT_PARAMETERS:
                return {}, None, base
            continue
        assert isinstance(base.node, ast.ClassDef)
        if _is_dataclass(base):
            return _fields(base), None, None
        init = _method(base.node, "__init__") or _method(base.node, "__new__")
        if init is None:
            continue
        parameters, is_open = _of_function(init, base.module, bound=True)
        if not is_open:
            return parameters, None, None
        return _through_super(base, init, parameters)
    return {}, None, None


def _through_super(base: Definition, init: syntax.Function, parameters: dict[str, Parameter]) -> Found:
    """Where `**kwargs` go on to `super().__init__`, the next class's parameters are taken as well."""
    call = next((c for c in ast.walk(init) if _is_super_init(c, init)), None)
    assert isinstance(base.node, ast.ClassDef)
    if not isinstance(call, ast.Call) or not base.node.bases:
        return parameters, base.module.name, None
    above = base_of(base.node.bases[0], base.module)
    if isinstance(above, str):
        known = above in WITHOUT_PARAMETERS
        return parameters, None if known else base.module.name, None
    inherited, open_in, unread = _of_class(above)
    by_position = sum(not isinstance(arg, ast.Starred) for arg in call.args)
    fixed = {k.arg for k in call.keywords} | set(list(inherited)[:by_position])
    merged = {**parameters, **{n: p for n, p in inherited.items() if n not in fixed and n not in parameters}}
    return merged, open_in or (base.module.name if unread else None), None


def _is_super_init(call: ast.AST, init: syntax.Function) -> bool:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"), keywords=keywords
        ):
            rest = init.args.kwarg.arg if init.args.kwarg else None
            return any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == rest for k in keywords)
    return False


def _of_function(node: syntax.Function, module: Module, *, bound: bool) -> tuple[dict[str, Parameter], bool]:
    a = node.args
    positional = [*a.posonlyargs, *a.args]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(a.defaults)), *a.defaults]
    pairs = list(zip(positional, defaults, strict=True))
    by_name = pairs[max(len(a.posonlyargs), int(bound)) :]
    by_name += list(zip(a.kwonlyargs, a.kw_defaults, strict=True))
    parameters = {arg.arg: Parameter(arg.arg, arg.annotation, default, module) for arg, default in by_name}
    return parameters, a.kwarg is not None


def _method(node: ast.ClassDef, name: str) -> syntax.Function | None:
    found = None
    stack: list[ast.stmt] = list(reversed(node.body))
    while stack:
        statement = stack.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name:
            found = statement  # the last one counts: those before it are overloads
        elif isinstance(statement, ast.If):
            stack += [*reversed(statement.orelse), *reversed(statement.body)]
    return found


def _assigned(statement: ast.stmt, name: str) -> ast.expr | None:
    match statement:
        case ast.Assign(targets=targets, value=value) if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return value
        case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
            return value
    return None


def _is_dataclass(definition: Definition) -> bool:
    assert isinstance(definition.node, ast.ClassDef)
    marks = [d.func if isinstance(d, ast.Call) else d for d in definition.node.decorator_list]
    return any(syntax.dotted_name(mark, definition.module) == "dataclasses.dataclass" for mark in marks)


def _fields(definition: Definition) -> dict[str, Parameter]:
    """Annotated fields of a dataclass or NamedTuple, those of the bases first."""
    classes = [b for b in lineage(definition) if isinstance(b, Definition)]
    found: dict[str, Parameter] = {}
    for base in reversed(classes):
        assert isinstance(base.node, ast.ClassDef)
        for statement in base.node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                field = _field(statement.target.id, statement, base.module)
                if field is not None:
                    found[field.name] = field
    return found


def _field(name: str, statement: ast.AnnAssign, module: Module) -> Parameter | None:
    annotation, default = statement.annotation, statement.value
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    if syntax.dotted_name(outer, module) == "typing.ClassVar":
        return None
    if isinstance(default, ast.Call) and syntax.dotted_name(default.func, module) == "dataclasses.field":
        given = {k.arg: k.value for k in default.keywords}
        if isinstance(given.get("init"), ast.Constant) and ast.literal_eval(given["init"]) is False:
            return None
        default = given.get("default") or given.get("default_factory")
        if "default_factory" in given:
            default = ast.Call(given["default_factory"], [], [])  # computed: not a literal
    return Parameter(name, annotation, default, module)
