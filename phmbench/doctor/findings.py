"""What an examination finds: how bad it is, what it is, and the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

REPORT = "report it, with what phmbench doctor --json says"
Level = Literal["ok", "warning", "error"]


class Finding(NamedTuple):
    """One line of the doctor's."""

    level: Level  # error: a run cannot start, or cannot end; warning: some can, or it costs time
    area: str  # packages, memory, cache, …
    text: str
    mend: str = ""  # a command, or a choice for the command line

    @property
    def plain(self) -> dict[str, str]:
        """As JSON has it."""
        return {"level": self.level, "area": self.area, "text": self.text, "mend": self.mend}


def worst(findings: Sequence[Finding]) -> Level:
    """The level of all of them together."""
    levels = {finding.level for finding in findings}
    return "error" if "error" in levels else "warning" if "warning" in levels else "ok"


def of_error(area: str, error: BaseException) -> list[Finding]:
    """An error as findings, one a message of it; what its message says to do at its end is what mends it."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    if len(lines) > 1 and lines[0].endswith(" errors"):
        lines = lines[1:]
    found = []
    for line in lines:
        text, separator, mend = line.rpartition("; ")
        is_mend = bool(separator) and not mend.startswith(("got ", "expected "))
        found.append(Finding("error", area, text, mend) if is_mend else Finding("error", area, line, "phmbench --help"))
    return found


def guarded(area: str, examine: Callable[[], list[Finding]]) -> list[Finding]:
    """What an examination finds, also where it breaks down itself: what is examined may be broken in any way."""
    from phmbench.errors import PhmbenchError

    try:
        return examine()
    except PhmbenchError as error:
        return of_error(area, error)
    except Exception as error:
        return [Finding("error", area, f"could not be examined; got {type(error).__name__}: {error}", REPORT)]
