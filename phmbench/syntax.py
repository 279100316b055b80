"""Modules read as syntax trees: where a name is defined, without importing anything.

A module is found through Python's own path finders (a top-level name only asks where the package is; nothing of it is
executed), parsed once, and reduced to what its top level binds: classes, functions, assigned expressions, imports.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
LONGEST_CHAIN = 20  # re-exports followed before a name counts as unreadable; cycles end here


class Import(NamedTuple):
    """What `from module import name` (or `import module`, name None) binds."""

    module: str
    name: str | None


Binding = ast.ClassDef | Function | ast.expr | Import


class Module(NamedTuple):
    """The top level of one file."""

    name: str
    file: str
    is_package: bool
    names: dict[str, Binding]
    stars: tuple[str, ...]  # modules whose names are all imported

    @property
    def top(self) -> str:
        """The top-level package."""
        return self.name.partition(".")[0]


class Definition(NamedTuple):
    """Where a name is bound to something other than an import, and the way there."""

    module: Module
    name: str
    node: ast.ClassDef | Function | ast.expr
    path: tuple[str, ...]  # modules passed through, first to last

    @property
    def dotted(self) -> str:
        return f"{self.module.name}.{self.name}"


@cache
def _spec(name: str, search: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """Source file ("" for a namespace package) and folders of submodules; `search` is sys.path, so that the cache
    forgets what it knew when the path changes."""
    parent = name.rpartition(".")[0]
    if parent:
        above = _spec(parent, search)
        spec = importlib.machinery.PathFinder.find_spec(name, list(above[1])) if above and above[1] else None
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ValueError, ImportError):  # a half-made module in sys.modules
            spec = importlib.machinery.PathFinder.find_spec(name)
    if spec is None:
        return None
    folders = tuple(spec.submodule_search_locations or ())
    file = spec.origin if spec.origin and spec.origin.endswith(".py") else ""
    return (file, folders) if file or folders else None


def exists(name: str) -> bool:
    """Whether a module of that dotted name has readable source."""
    return all(part.isidentifier() for part in name.split(".")) and _spec(name, tuple(sys.path)) is not None


@cache
def _parse(name: str, file: str, is_package: bool, stamp: int) -> Module:
    names: dict[str, Binding] = {}
    stars: list[str] = []
    if file:
        package = name if is_package else name.rpartition(".")[0]
        tree = ast.parse(Path(file).read_bytes(), filename=file)
        _bind(tree.body, names, stars, package)
    return Module(name, file, is_package, names, tuple(stars))


def read(name: str) -> Module | None:
    """The module of that dotted name, or None where it has no source that can be parsed."""
    if not exists(name):
        return None
    file, folders = _spec(name, tuple(sys.path)) or ("", ())
    try:
        return _parse(name, file, bool(folders), Path(file).stat().st_mtime_ns if file else 0)
    except (OSError, SyntaxError, ValueError):  # gone, not Python of this version, or null bytes
        return None


def _bind(body: Sequence[ast.stmt], names: dict[str, Binding], stars: list[str], package: str) -> None:
    for statement in body:
        match statement:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                names[statement.name] = statement
            case ast.Import() | ast.ImportFrom():
                _bind_import(statement, names, stars, package)
            case ast.Assign(targets=targets, value=value):
                names.update({t.id: value for t in targets if isinstance(t, ast.Name)})
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names[name] = value
            case ast.Delete(targets=targets):
                for target in targets:
                    names.pop(target.id if isinstance(target, ast.Name) else "", None)
            case ast.If() | ast.Try() | ast.With():
                _bind_branches(statement, names, stars, package)
            case _ if type(statement).__name__ == "TypeAlias":  # `type X = …`, Python 3.12
                names[statement.name.id] = statement.value  # type: ignore[attr-defined]


def _bind_branches(
    statement: ast.If | ast.Try | ast.With, names: dict[str, Binding], stars: list[str], package: str
) -> None:
    """The first branch binds; a later one only adds what the first lacks."""
    _bind(statement.body, names, stars, package)
    others: list[ast.stmt] = [] if isinstance(statement, ast.With) else list(statement.orelse)
    if isinstance(statement, ast.Try):
        others += [s for handler in statement.handlers for s in handler.body] + statement.finalbody
    later: dict[str, Binding] = {}
    _bind(others, later, stars, package)
    for name, binding in later.items():
        names.setdefault(name, binding)


def _bind_import(
    statement: ast.Import | ast.ImportFrom, names: dict[str, Binding], stars: list[str], package: str
) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            bound = alias.asname or alias.name.partition(".")[0]
            names[bound] = Import(alias.name if alias.asname else bound, None)
        return
    source = statement.module or ""
    if statement.level:
        parts = package.split(".")
        base = ".".join(parts[: len(parts) - statement.level + 1])
        source = f"{base}.{source}" if source else base
    for alias in statement.names:
        if alias.name == "*":
            stars.append(source)
        else:
            names[alias.asname or alias.name] = Import(source, alias.name)


def split(dotted: str) -> tuple[str, str] | None:
    """The longest part of a dotted name that is a module, and the rest ("" for a module itself)."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        if exists(".".join(parts[:end])):
            return ".".join(parts[:end]), ".".join(parts[end:])
    return None


def hops(module: Module, name: str) -> Iterator[tuple[Module, str, Binding | None]]:
    """Each binding on the way from a name in a module to its definition; None where the way ends in nothing."""
    for _ in range(LONGEST_CHAIN):
        binding = module.names.get(name)
        if binding is None and not name.startswith("_"):
            binding = next((Import(s, name) for s in reversed(module.stars) if _has(s, name)), None)
        yield module, name, binding
        if not isinstance(binding, Import) or binding.name is None:
            return
        following = read(binding.module)
        if following is None:
            return
        module, name = following, binding.name


def _has(module: str, name: str, depth: int = 0) -> bool:
    found = read(module)
    if found is None or depth > LONGEST_CHAIN:
        return False
    return name in found.names or any(_has(star, name, depth + 1) for star in found.stars)


def define(dotted: str) -> Definition | None:
    """Where a dotted name (module and one name in it) is defined, through re-exports, or None."""
    parted = split(dotted)
    if parted is None or not parted[1] or "." in parted[1]:
        return None
    module = read(parted[0])
    if module is None:
        return None
    path = []
    for at, name, binding in hops(module, parted[1]):
        path.append(at.name)
        if binding is not None and not isinstance(binding, Import):
            return Definition(at, name, binding, tuple(path))
    return None


def dotted_name(expression: ast.expr, module: Module) -> str | None:
    """The full dotted name of `name` or `name.attribute…` as the module sees it; builtins as they are; else None."""
    match expression:
        case ast.Attribute(value=value, attr=attribute):
            before = dotted_name(value, module)
            return f"{before}.{attribute}" if before else None
        case ast.Name(id=name):
            match module.names.get(name):
                case Import(module=source, name=None):
                    return source
                case Import(module=source, name=imported):
                    return f"{source}.{imported}"
                case None:
                    star = next((s for s in reversed(module.stars) if _has(s, name)), None)
                    return f"{star}.{name}" if star else name
                case _:
                    return f"{module.name}.{name}"
    return None
