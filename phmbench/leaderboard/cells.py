"""What stands in a board: cells, columns, comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field

from phmbench.leaderboard.runs import Fit, Run
from phmbench.leaderboard.statistics import Interval, Paired
from phmbench.leaderboard.tested import ByUnit

ORDER = ("done", "running", "refused", "failed", "damaged", "interrupted", "not tested", "not run")
"""Of several runs of one method in one column, the first of these speaks."""


@dataclass
class Cell:
    """A method in a column.

    Attributes:
        state: of ORDER.
        said: why it is not done.
        runs: that it is made of.
        fits: that it is made of.
        mean, std: of the metric over folds and seeds; std over seeds of the mean over folds, None for one seed.
        seeds, folds: how many.
        interval: by physical units.
        partial: no result of the split: a part of it was tested, or trained on.
        parameters: of the network; None for an estimator.
        seconds: of the CPU, of all fits; None where that was not recorded.
        tests: of the fits, by unit; empty where they cannot be read.
    """

    state: str
    said: str
    runs: tuple[Run, ...]
    fits: tuple[Fit, ...] = ()
    mean: float | None = None
    std: float | None = None
    seeds: int = 0
    folds: int = 0
    interval: Interval | None = None
    partial: bool = False
    parameters: int | None = None
    seconds: float | None = None
    tests: tuple[ByUnit, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A method against the best baseline of its column.

    Attributes:
        units: the test over physical units; None where the two cannot be paired.
        adjusted: its p, for the number of comparisons in the column.
        folds: the test over folds; None where there are none.
        said: the outcome in words.
    """

    method: str
    baseline: str
    difference: float
    interval: Interval | None
    units: Paired | None
    adjusted: float | None
    folds: Paired | None
    said: str


@dataclass
class Column:
    """A protocol: runs that were asked the same, and were given the same."""

    key: str
    name: str = ""
    cells: dict[str, Cell] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def first(self) -> Run:
        """A run that speaks for the column."""
        every = [run for cell in self.cells.values() for run in cell.runs]
        return min(every, key=lambda run: ORDER.index(run.state))

    @property
    def results(self) -> dict[str, Cell]:
        """The cells that have a result of the split."""
        return {name: cell for name, cell in self.cells.items() if cell.mean is not None and not cell.partial}

    @property
    def best(self) -> str | None:
        """The method with the highest mean; None where it is the only one."""
        found = self.results
        return max(found, key=lambda name: found[name].mean or 0.0) if len(found) > 1 else None
