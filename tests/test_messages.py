"""Every error message has a test that looks for part of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import phmbench

PACKAGE = Path(phmbench.__file__).parent
TESTS = Path(__file__).parent
SHORTEST = 6  # letters of a fragment that counts
SHARED = 3  # messages that may have a fragment in common: "; got " tests none of them
UNSAID = {
    "HDF5 put the samples at byte ": "HDF5 does not, with the alignment that it is given; else floats would be wrong",
    "trainer (": "the words are Lightning's own; tests/unit/training/test_fit.py makes it say some",
}
"""Messages without a test, by their first words, with the reason."""


def literals(node: ast.AST) -> list[str]:
    """The literal runs of a message, in order; fields of f-strings and names separate them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [one.value for one in node.values if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if isinstance(node, ast.BinOp):
        return [*literals(node.left), *literals(node.right)]
    if isinstance(node, ast.IfExp):
        return [*literals(node.body), *literals(node.orelse)]
    return []


def raised(tree: ast.AST) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and literal runs of every message that a file raises; `raise` of what was caught has none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            arguments = [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]
            runs = tuple(run for argument in arguments for run in literals(argument))
            if any(len(run.strip()) >= SHORTEST for run in runs):
                yield node.lineno, runs


@cache
def messages() -> dict[str, tuple[str, ...]]:
    """Place → literal runs."""
    return {
        f"{path.relative_to(PACKAGE).as_posix()}:{line}": runs
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, runs in raised(ast.parse(path.read_text(encoding="utf-8")))
    }


def texts(tree: ast.AST) -> Iterator[str]:
    """Strings of a test, without docstrings; regular expressions with their escapes taken back and cut at wildcards."""
    documentation = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            documentation.add(id(node.body[0].value))  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value
            yield from re.split(r"\.\*\??|\||\\d\+?|\.\+|[()^$]", re.sub(r"\\([^\w])", r"\1", node.value))


@cache
def fragments() -> frozenset[str]:
    found: set[str] = set()
    for path in sorted(TESTS.rglob("test_*.py")):
        found.update(text.strip() for text in texts(ast.parse(path.read_text(encoding="utf-8"))))
    return frozenset(text for text in found if len(text) >= SHORTEST)


def overlap(fragment: str, runs: tuple[str, ...]) -> int:
    """Letters that a fragment has in common with a message, whose fields may hold anything; 0 where it is no part of
    it. A fragment that reaches over fields counts the whole runs between them."""
    if any(fragment in run for run in runs):
        return len(fragment)
    bare = (run.strip(" :;,.()'") for run in runs)
    return sum(len(run) for run in bare if len(run) >= SHORTEST and run in fragment)


def looked_for() -> set[str]:
    """Places whose message a test looks for: each fragment stands for the messages that it has most in common with."""
    found: set[str] = set()
    for fragment in fragments():
        scores = {place: overlap(fragment, runs) for place, runs in messages().items()}
        most = max(scores.values())
        best = [place for place, score in scores.items() if score == most]
        if most >= SHORTEST and len(best) <= SHARED:
            found.update(best)
    return found


def test_a_fragment_is_part_of_a_message():
    runs = ("data.window: ", " samples; expected at most ", "; choose a shorter window")
    assert overlap("choose a shorter", runs) == 16
    assert overlap("9 samples; expected at most 5", runs) == len("samples; expected at most")
    assert overlap("choose a longer", runs) == 0


def test_every_message_has_a_test():
    tested = looked_for()
    untested = {place: "…".join(runs) for place, runs in messages().items() if place not in tested}
    said = {place: text for place, text in untested.items() if not text.startswith(tuple(UNSAID))}
    assert len(messages()) > 100
    assert said == {}, "\n".join(f"{place}: {text}" for place, text in said.items())
