"""One thing that the check has to say."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, NamedTuple

LISTED = 12  # names in a message; more are not read


class Finding(NamedTuple):
    """What is wrong, or could not be checked, at one place of a configuration."""

    path: str  # dotted, list positions in brackets: trainer.plugins[0].width
    message: str
    severity: Literal["error", "warning", "unchecked"] = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def unchecked(path: str, why: str) -> Finding:
    """A place that no source could be held against."""
    return Finding(path, f"not checked: {why}", "unchecked")


def warning(path: str, message: str) -> Finding:
    """A choice that does nothing beside another one."""
    return Finding(path, message, "warning")


def near(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'width'?`, else the names there are."""
    known = list(names)
    close = get_close_matches(name, known, 1)
    if close:
        return f"; did you mean '{close[0]}'?"
    if not known:
        return "; it takes none"
    more = ", …" if len(known) > LISTED else ""
    return f"; there are {', '.join(known[:LISTED])}{more}"
