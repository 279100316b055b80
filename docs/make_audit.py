"""What the audit finds of planted leaks, as the table of docs/leakage.md; PHMBENCH_DATA: with the real rigs.

python docs/make_audit.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "leakage.md"
BEGIN, END = "<!-- made by docs/make_audit.py -->\n", "<!-- end -->\n"


def kinds() -> list[str]:
    """Leaks of splits, statistics, choices and stages: found or not."""
    from tests.audit.leaks import LEAKS

    lines = ["| kind | variant | found | how |", "| --- | --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as folder:
        for leak in LEAKS:
            text = leak.said(Path(folder))
            found = "yes" if all(part in text for part in leak.expected) else "**no**"
            lines.append(
                f"| {leak.kind} | {leak.variant} | {found} | {'stops the run' if leak.stops else 'in the record'} |"
            )
    return lines


def copies() -> list[str]:
    """Copies under another name: how many of how many."""
    from tests.audit import recordings
    from tests.audit.test_copies import VARIANTS, count

    rigs = (None, *recordings.REAL)
    head = " | ".join("simulated" if rig is None else rig for rig in rigs)
    lines = [f"| copy | variant | {head} |", f"| --- | --- |{' ---: |' * len(rigs)}"]
    for kind, variant in VARIANTS:
        cells = " | ".join("{} of {}".format(*count(kind, variant, rig)) for rig in rigs)
        lines.append(f"| {kind} | {variant} | {cells} |")
    return lines


def main() -> None:
    """Write both tables into the page."""
    if "PHMBENCH_DATA" not in os.environ:
        sys.exit("PHMBENCH_DATA is not set: the table has a column for each real rig")
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) + len(END) :]
    tables = "\n".join([BEGIN, *kinds(), "", *copies(), "", ""])
    PAGE.write_text(before + tables + END + after, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))
    main()
