"""The tables of results, and what has become slower since the last ones that were committed."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import ROOT, Row
from phmbench.record.environment import commit, versions

FOLDER = Path(__file__).parent
JSON, PAGE = "results.json", "RESULTS.md"
Results = dict[str, dict[str, Any]]  # part → what was measured, and where


def measured(rows: Sequence[Row], command: str, rounds: int) -> dict[str, Any]:
    """One part's rows with machine, date, versions and command."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()}",
        "load": round(os.getloadavg()[1], 1),
        "versions": versions(),
        "commit": commit(ROOT),
        "command": command,
        "rounds": rounds,
        "rows": [row.plain() for row in rows],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def read(folder: Path) -> Results:
    """The results that lie there; none where no file is."""
    file = folder / JSON
    return dict(json.loads(file.read_text("utf-8"))) if file.exists() else {}


def committed() -> Results:
    """Those of the last commit."""
    done = subprocess.run(
        ["git", "show", f"HEAD:benchmarks/{JSON}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def write(found: Results, folder: Path) -> None:
    """results.json and RESULTS.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / PAGE).write_text(page(found), "utf-8")


def slower(found: Results, before: Results) -> list[str]:
    """Rows whose interval lies wholly on the worse side of the earlier one, in words."""
    worse = []
    for part, now in found.items():
        earlier = {row["what"]: row for row in before.get(part, {}).get("rows", ())}
        for row in now["rows"]:
            old = earlier.get(row["what"])
            if old is None or old["unit"] != row["unit"]:
                continue
            if row["high"] < old["low"] if row["more_is_better"] else row["low"] > old["high"]:
                worse.append(f"{part}: {row['what']}: {_value(old)} → {_value(row)}")
    return worse


def page(found: Results) -> str:
    """RESULTS.md: a table a part."""
    lines = [
        "# Results of the benchmarks",
        "",
        "Made by `make bench`; what each figure means: docs/performance.md.",
        "",
    ]
    for part, one in found.items():
        packages = ", ".join(f"{name} {version}" for name, version in one["versions"].items() if version)
        lines += [
            f"## {part}",
            "",
            f"{one['date']}, {one['machine']}, load {one['load']} · `{one['command']}`, {one['rounds']} rounds · "
            f"commit {(one['commit'] or 'none')[:9]} · {packages}",
            "",
            "| what | ours | reference | figure (interval) | by CPU time | goal | reached |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(_line(row) for row in one["rows"]),
            "",
        ]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    goal, sign = (row["at_least"], "≥") if row["at_least"] is not None else (row["at_most"], "≤")
    cells = [
        row["what"],
        row["ours"],
        row["reference"],
        _value(row),
        "" if row["cpu"] is None else f"{row['cpu']:.3g} ×",
        "" if goal is None else f"{sign} {goal:g} {row['unit']}",
        {True: "yes", False: "**no**", None: ""}[row["reached"]],
    ]
    return f"| {' | '.join(cells)} |"


def _value(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.3g} {row['unit']} ({row['low']:.3g}–{row['high']:.3g})"
