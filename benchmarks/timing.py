"""Contenders measured in turn, and ratios with an interval.

Shared machines drift: every contender runs once a round, in an order that rotates, and what is quoted is the median of
the ratios within the rounds. The interval is the distribution-free one for a median, from order statistics.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEEP_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}  # as an installation has it; else ours alone is compiled at each start
COVERAGE = 0.9  # of the interval, at least; few rounds give less: then it is from the smallest to the largest
Measures = Mapping[str, float]


def spawn(
    argv: Sequence[str],
    *,
    marker: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    codes: Sequence[int] = (0,),
) -> dict[str, Any]:
    """Run a command in a fresh process: seconds of wall clock and of CPU, and what it printed.

    Args:
        argv: the command.
        marker: text of the line that ends the wall clock; None: the exit does.
        env: variables besides those of this process.
        cwd: where it runs.
        codes: exit codes that are no failure.
    """
    lines, seen = [], None
    begun = time.monotonic()
    process = subprocess.Popen(
        argv, env={**os.environ, **KEEP_BYTECODE, **(env or {})}, cwd=cwd,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.append(line)
            if seen is None and marker and marker in line:
                seen = time.monotonic()
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    output = "".join(lines)
    if process.returncode not in codes or (marker and seen is None):
        sys.exit(f"{' '.join(argv)}: exit code {process.returncode}\n{output[-3000:]}")
    return {"wall": (seen or ended) - begun, "cpu": usage.ru_utime + usage.ru_stime, "output": output}


def rounds(
    contenders: Mapping[str, Callable[[], Measures]], number: int, *, warmup: int = 1
) -> dict[str, list[Measures]]:
    """Call every contender once a round, the order rotating; what each gave in each round, warm-up left out."""
    names, out = list(contenders), {name: [] for name in contenders}
    for at in range(warmup + number):
        shift = at % len(names)
        for name in names[shift:] + names[:shift]:
            measured = contenders[name]()
            if at >= warmup:
                out[name].append(measured)
        print(f"  round {at + 1} of {warmup + number}", file=sys.stderr, flush=True)
    return out


@dataclass(frozen=True)
class Row:
    """One line of the results: a figure, its interval, and the goal it is held against."""

    what: str
    value: float  # a ratio, or a figure in `unit`
    low: float
    high: float
    unit: str = "×"
    ours: str = ""  # both sides of a ratio, with units, for the reader
    reference: str = ""
    cpu: float | None = None  # the same ratio by CPU time, which a loaded machine disturbs less
    at_most: float | None = None
    at_least: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None

    @property
    def more_is_better(self) -> bool:
        return self.at_least is not None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "more_is_better": self.more_is_better, "reached": self.reached}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, and the order statistics that enclose the true one with a probability of COVERAGE at least."""
    ordered, n = sorted(values), len(values)
    below = 0
    while 2 * sum(math.comb(n, k) for k in range(below + 2)) / 2**n <= 1 - COVERAGE and 2 * (below + 1) < n:
        below += 1
    return statistics.median(ordered), ordered[below], ordered[n - 1 - below]


def ratio(
    what: str,
    ours: Sequence[Measures],
    reference: Sequence[Measures],
    *,
    measure: str = "wall",
    show: Callable[[float], str] = lambda seconds: f"{seconds:.2f} s",
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    """The ratio of two contenders, round by round.

    Args:
        what: the row's name.
        ours: what each round gave.
        reference: the same of the other.
        measure: which of the measures; "cpu" is put beside it where both have it.
        show: how one side is written.
        at_most: the goal, where less is better.
        at_least: the goal, where more is better.
    """

    def of(key: str) -> list[float]:
        return [a[key] / b[key] for a, b in zip(ours, reference, strict=True)]

    value, low, high = interval(of(measure))
    sides = [show(statistics.median(one[measure] for one in side)) for side in (ours, reference)]
    cpu = statistics.median(of("cpu")) if measure != "cpu" and "cpu" in ours[0] and "cpu" in reference[0] else None
    return Row(what, value, low, high, ours=sides[0], reference=sides[1], cpu=cpu, at_most=at_most, at_least=at_least)


def figure(what: str, values: Sequence[float], unit: str, *, at_most: float | None = None) -> Row:
    """A figure that stands for itself, such as peak memory."""
    value, low, high = interval(values)
    return Row(what, value, low, high, unit=unit, at_most=at_most)
