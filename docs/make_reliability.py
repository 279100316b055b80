"""What `make torture` has counted, as docs/reliability.json, and as the table of docs/reliability.md.

python docs/make_reliability.py COUNTS [COMMAND]

COUNTS: lines {"kind": …, "what": …, "count": n, "survived": n}; COMMAND: what counted them, `make torture`
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
JSON, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
BEGIN, END = "<!-- made by docs/make_reliability.py from reliability.json -->\n", "<!-- end -->\n"
ORDER = ("kills", "signals", "faults", "mutated files", "hostile configurations")


def summed(lines: Iterable[str]) -> list[dict[str, Any]]:
    """One row per kind and what, counts added."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        one = json.loads(line)
        row = rows.setdefault((one["kind"], one["what"]), {**one, "count": 0, "survived": 0})
        row["count"] += one["count"]
        row["survived"] += one["survived"]
    return sorted(rows.values(), key=lambda row: (ORDER.index(row["kind"]), row["what"]))


def table(counted: Mapping[str, Any]) -> str:
    """The table of the page, between its marks."""
    rows = counted["rows"]
    lines = [f"Counted on {counted['date']} by `{counted['command']}`: {counted['machine']}.",
             *([counted["note"]] if "note" in counted else []), "",
             "| what was done | times | survived |", "| --- | ---: | ---: |"]  # fmt: skip
    for kind in ORDER:
        own = [row for row in rows if row["kind"] == kind]
        if own:
            done, survived = (sum(row[name] for row in own) for name in ("count", "survived"))
            lines.append(f"| **{kind}** | **{done}** | **{survived}** |")
            lines += [f"| {row['what']} | {row['count']} | {row['survived']} |" for row in own]
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def main(counts: Path, command: str = "make torture") -> None:
    """Write both files."""
    counted = {
        "date": datetime.date.today().isoformat(),
        "command": command,
        "machine": f"{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} cores",
        "rows": summed(counts.read_text(encoding="utf-8").splitlines()),
    }
    JSON.write_text(json.dumps(counted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) + len(END) :]
    PAGE.write_text(before + table(counted) + after, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
