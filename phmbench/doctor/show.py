"""Findings on the screen: in colour on a terminal, plain lines elsewhere, or as JSON."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Sequence

from phmbench.doctor.findings import Finding, worst

WIDTH = 100
STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


def as_json(findings: Sequence[Finding]) -> str:
    """`status` and the `findings`, each with level, area, text and mend."""
    return json.dumps(
        {"format": 1, "status": worst(findings), "findings": [one.plain for one in findings]},
        indent=1,
        ensure_ascii=False,
    )


def show(findings: Sequence[Finding]) -> None:
    """Print level, area and text in columns, what mends a finding below it, and what they come to."""
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ and _in_colour(findings):
        return
    for one in findings:
        print(_lines(one))
    print(summary(findings))


def _in_colour(findings: Sequence[Finding]) -> bool:
    """By rich; false where that is not to be had, which may be what is wrong."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except Exception:
        return False
    table = Table.grid(padding=(0, 2, 0, 0))
    for column in ("level", "area", "text"):
        table.add_column(column, overflow="fold")
    for one in findings:
        table.add_row(Text(one.level, STYLES[one.level]), one.area, Text(one.text))
        if one.mend:
            table.add_row("", "", Text(f"→ {one.mend}", "cyan"))
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    console.print(table)
    console.print(Text(summary(findings), STYLES[worst(findings)]))
    return True


def _lines(one: Finding) -> str:
    head = f"{one.level:<8} {one.area:<12}"
    text = textwrap.fill(one.text, WIDTH, initial_indent=head, subsequent_indent=" " * 21, break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip
    return f"{text}\n{'':21}-> {one.mend}" if one.mend else text  # a command stays in one piece, to be copied


def summary(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`, or that all is well."""
    counts = [(sum(one.level == level for one in findings), level) for level in ("error", "warning")]
    said = [f"{number} {level}{'' if number == 1 else 's'}" for number, level in counts if number]
    return ", ".join(said) or "nothing is wrong"
