"""The trials of a search as its end and its status show them: read from the study and from the records of the runs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.sweep import storage, workers
from phmbench.sweep import study as studies

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
COUNTED = ("complete", "running", "failed", "pruned", "interrupted")


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        number: of the trial, from 0.
        state: complete, pruned, failed, running, or interrupted where nobody runs it any more.
        values: of the objectives; None where it is not complete.
        std: of the first objective over seeds; None without repeats.
        chosen: value by key, only those that exist in this trial.
        epochs: trained, over all seeds; None where nothing says so.
        seconds: of set-up, fit and test; of a trial without a result, from its begin to its end.
        folder: its run directory, by name.
        error: why it failed, in a line.
        curve: what was reported while it ran: (step, value), by step.
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    std: float | None
    chosen: Mapping[str, Any]
    epochs: int | None
    seconds: float | None
    folder: str
    error: str
    curve: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Trials:
    """All trials of a search.

    Attributes:
        folder: of the sweep.
        objectives: names, the first decides the order.
        larger: for each objective whether more is better.
        rows: by number.
        space: as the study keeps it: key → choices, low, high, log, step, when.
        several: whether a trial is more than one fit: of seeds, of folds.
    """

    folder: Path
    objectives: tuple[str, ...]
    larger: tuple[bool, ...]
    rows: tuple[Row, ...]
    space: Mapping[str, Mapping[str, Any]]
    several: bool = False

    def of(self, *states: str) -> list[Row]:
        """Those in one of the states, by number."""
        return [row for row in self.rows if row.state in states]

    def counts(self) -> dict[str, int]:
        """How many are complete, running, failed, pruned, interrupted."""
        return {state: len(self.of(state)) for state in COUNTED}

    @cached_property
    def different(self) -> list[Row]:
        """The complete trials, of those with the same values the first: the others are the same run, seen again."""
        found: dict[str | int, Row] = {}
        for row in self.of("complete"):
            found.setdefault(row.folder or row.number, row)
        return list(found.values())

    def value(self, row: Row) -> float:
        """Of the first objective; NaN where there is none."""
        return row.values[0] if row.values else math.nan

    def loss(self, row: Row, objective: int = 0) -> float:
        """What is to be small: the value, or its negative; infinite where there is none."""
        value = row.values[objective] if row.values else row.curve[-1][1] if row.curve else math.nan
        return math.inf if math.isnan(value) else -value if self.larger[objective] else value

    @cached_property
    def best(self) -> Row | None:
        """The complete trial with the best first objective, the first of several; of several objectives, one of the
        Pareto-optimal."""
        return min(self.front, key=lambda row: (self.loss(row), row.number), default=None)

    @cached_property
    def front(self) -> list[Row]:
        """The complete trials to which no other is better in one objective and at least as good in all."""
        complete = self.different
        if len(self.objectives) == 1:
            least = min(map(self.loss, complete), default=math.inf)
            return [row for row in complete if self.loss(row) == least]
        losses = {row.number: [self.loss(row, i) for i in range(len(self.objectives))] for row in complete}
        return [row for row in complete if not any(_beats(other, losses[row.number]) for other in losses.values())]

    def ranked(self) -> list[Row]:
        """Best first: the Pareto-optimal, the other complete ones, pruned, running and interrupted, failed."""
        optimal = {row.number for row in self.front} if len(self.objectives) > 1 else set()
        order = ("complete", "pruned", "running", "interrupted", "waiting", "failed")
        return sorted(
            self.rows, key=lambda r: (order.index(r.state), r.number not in optimal, self.loss(r), r.number)
        )  # fmt: skip

    def varying(self) -> list[str]:
        """The keys that are not the same in all trials, in the order of the space."""
        return [key for key in self.space if len({repr(row.chosen.get(key)) for row in self.rows}) > 1]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and list(one) != list(other)


def read(study: optuna.Study, folder: Path) -> Trials:
    """The trials of a study whose runs lie in a folder."""
    identity = study.user_attrs.get(studies.IDENTITY) or {}
    objectives = tuple(identity.get("objectives") or ["value"] * len(study.directions))
    fixed = identity.get("fixed") or {}
    most = fixed.get("trainer.max_epochs")
    shared = storage.is_beating(study._storage)
    rows = [_row(trial, folder, objectives[0], most, shared) for trial in study.get_trials(deepcopy=False)]
    larger = tuple(direction.name == "MAXIMIZE" for direction in study.directions)
    space = identity.get("space") or {key: {} for row in rows for key in row.chosen}
    several = fixed.get("repeats", 1) != 1 or fixed.get("folds") is not None or bool({"repeats", "folds"} & set(space))
    return Trials(folder, objectives, larger, tuple(rows), space, several)


def _row(trial: FrozenTrial, folder: Path, objective: str, most: int | None, shared: bool) -> Row:
    state = STATES[trial.state.name]
    if state == "running" and workers.is_dead(trial, folder, shared=shared):
        state = "interrupted"
    name = str(trial.user_attrs.get("folder", ""))
    result = _result(folder / name) if name and state == "complete" else {}
    std = result.get("std_seeds") or (result.get("std") if result.get("std_over") == "seeds" else None) or {}
    curve = tuple(sorted((step, value) for step, value in trial.intermediate_values.items() if math.isfinite(value)))
    most = trial.params.get("trainer.max_epochs", most) or 0
    epochs = sum(most <= 0 or (step + 1) % (most + 1) != 0 for step, _ in curve)  # a step is the mean of those before
    if not curve and name:
        curve = logged(folder / name, objective)
        epochs = len(curve)
    duration = trial.duration.total_seconds() if trial.duration else None
    return Row(
        number=trial.number, state=state, values=tuple(trial.values) if trial.values else None,
        std=std.get(objective), chosen=trial.params, epochs=epochs or None,
        seconds=sum(result["seconds"].values()) if "seconds" in result else duration, folder=name,
        error=" ".join(str(trial.user_attrs.get("error", "")).split()), curve=curve,
    )  # fmt: skip


def _result(folder: Path) -> dict[str, Any]:
    """metrics.json without the check against its schema, for thousands of trials; {} where it is not here, or whole."""
    try:
        found = json.loads((folder / "metrics.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def logged(folder: Path, metric: str) -> tuple[tuple[int, float], ...]:
    """A metric by epoch as the CSV logger of a run has it, its seeds one after the other."""
    found: list[float] = []
    for file in sorted([*folder.glob("csv/**/metrics.csv"), *folder.glob("*/csv/**/metrics.csv")]):
        try:
            with file.open(newline="", encoding="utf-8") as lines:
                found += [float(row[metric]) for row in csv.DictReader(lines) if row.get(metric)]
        except (OSError, ValueError):
            continue  # a line that is being written
    return tuple((step, value) for step, value in enumerate(found) if math.isfinite(value))


def short(keys: Sequence[str]) -> dict[str, str]:
    """`task.optimizer.lr` → `lr`; as many parts as tell it from the others."""
    names: dict[str, str] = {}
    for key in keys:
        parts = key.replace("/", ".").split(".")
        last = [".".join(other.replace("/", ".").split(".")[-1:]) for other in keys]
        names[key] = parts[-1] if last.count(parts[-1]) == 1 else ".".join(parts[-2:])
    return names


def said(value: object) -> str:
    """A chosen value in few letters; a dash where it does not exist."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if 1000 <= abs(value) < 1e12 and value.is_integer() else f"{value:.4g}"
