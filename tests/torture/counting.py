"""How much is tried, and the counting of it.

PHMBENCH_TORTURE         "full" (make torture), else a sample
PHMBENCH_TORTURE_COUNTS  a file; each test appends a line: {"kind": …, "what": …, "count": n, "survived": n}
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FULL = os.environ.get("PHMBENCH_TORTURE") == "full"


def size(*, full: int, sample: int) -> int:
    """How many to try."""
    return full if FULL else sample


def count(kind: str, what: str, number: int, survived: int) -> None:
    """Write down that `survived` of `number` were survived; in one write: several processes share the file."""
    file = os.environ.get("PHMBENCH_TORTURE_COUNTS")
    if file:
        line = json.dumps({"kind": kind, "what": what, "count": number, "survived": survived}) + "\n"
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(line)
