"""Small files and functions: what is longer wants a reason, and stands here with it."""

from __future__ import annotations

import ast
from pathlib import Path

import phmbench

PACKAGE = Path(phmbench.__file__).parent
FILE, TASK, FUNCTION = 300, 150, 40  # lines; those of a function without its docstring
LONG_FILES = {
    "cli.py": "every command of the command line, each of them short; split, they would share half of their imports",
    "data/store.py": "one protocol, whose steps are read together: found, locked, built, sealed, checked, put in place",
    "record/directory.py": "one class: the life of a run directory, each of its steps short",
    "data/datamodule.py": "the one place where data meet torch: store, windows, split and audit joined, and batches",
}
LONG_FUNCTIONS = {
    "record/result.py: build": "the result, key by key in the order of its schema",
    "data/splits/assign.py: finish": "one pass from sets to an Assignment, whose ten fields are named one by one",
}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, decorators and docstring left out."""
    whole = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    return whole - ((first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0)


def measured() -> tuple[dict[str, int], dict[str, int]]:
    """Lines of each file and of each function, by name."""
    files, functions = {}, {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        text = path.read_text(encoding="utf-8")
        files[name] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions[f"{name}: {node.name}"] = lines_of(node)
    return files, functions


def test_lines_are_counted_without_the_docstring():
    function = ast.parse('def f(a):\n    """One\n\n    two."""\n    b = a\n    return b\n').body[0]
    assert isinstance(function, ast.FunctionDef)
    assert lines_of(function) == 3


def test_files_are_short():
    files, _ = measured()
    assert len(files) > 50
    long = {name for name, lines in files.items() if lines > (TASK if name.startswith("tasks/") else FILE)}
    assert long == set(LONG_FILES), "split it, or give the reason; one that is short again is taken off the list"


def test_functions_are_short():
    _, functions = measured()
    long = {name for name, lines in functions.items() if lines > FUNCTION}
    assert long == set(LONG_FUNCTIONS), "split it, or give the reason; one that is short again is taken off the list"
