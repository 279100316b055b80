"""What a reader of a search must know before its best value is believed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from phmbench.record import words
from phmbench.sweep.trials import Trials

FEW = 10  # complete trials, below which an order of them says little
MANY = 0.2  # share of failed trials, above which the search says little about a part of its space


def of(trials: Trials, refit: Mapping[str, Any] | None, *, looks: int) -> list[str]:
    """Warnings in words.

    Args:
        trials: of the search.
        refit: the result of the best trial with fresh seeds, or None.
        looks: how many trials of this search were tested.
    """
    complete, failed = len(trials.different), len(trials.of("failed"))
    found = []
    if complete < FEW:
        keys = f"{len(trials.space)} key{'' if len(trials.space) == 1 else 's'}"
        found.append(f"few trials: {complete} complete for {keys}; their order says little")
    if failed and failed >= MANY * len(trials.rows):
        found.append(f"many failures: {failed} of {len(trials.rows)} trials; what fails is not known to be bad")
    found += _without_record(trials)
    found += _noise(trials, refit)
    if looks > 1:
        found.append(
            f"the test set was looked at {looks} times, for {looks} trials that were the best one after the other; a "
            "test result that is chosen among them is too good"
        )
    return found


def _without_record(trials: Trials) -> list[str]:
    """Trials whose values count, but whose runs cannot be looked at."""
    finished = trials.of("complete", "pruned")
    gone = [row.number for row in finished if row.folder and not (trials.folder / row.folder).is_dir()]
    if not gone:
        return []
    named = ", ".join(map(str, gone[:5])) + (", …" if len(gone) > 5 else "")
    return [
        f"{len(gone)} finished trial{'' if len(gone) == 1 else 's'} ({named}) without a run directory here: deleted, "
        "or on another machine; their values count as the study has them"
    ]


def _noise(trials: Trials, refit: Mapping[str, Any] | None) -> list[str]:
    """Whether the lead of the best trial is more than chance."""
    best = trials.best
    others = [row for row in trials.different if best and row.number != best.number]
    if best is None or not others:
        return []
    std, source = noise(trials, refit)
    if std is None:
        return ["each trial is one seed: how much of its value is chance is not known; repeats=3, or refit=3, says it"]
    near = [row for row in others if trials.loss(row) - trials.loss(best) <= std]
    if not near:
        return []
    named = ", ".join(str(row.number) for row in near[:5]) + (", …" if len(near) > 5 else "")
    return [
        f"within the noise: {len(near)} of {len(others)} other trials ({named}) are no more than {words.number(std)} "
        f"behind trial {best.number}, the standard deviation {source}; which of them is best is not known"
    ]


def noise(trials: Trials, refit: Mapping[str, Any] | None) -> tuple[float | None, str]:
    """Standard deviation of the first objective over seeds, and where it is from; None where nothing says it."""
    stds = [row.std for row in trials.different if row.std is not None]
    if stds:
        return statistics.median(stds), "over the seeds of a trial (median)"
    seen = (refit or {}).get("std_seeds") or (refit or {}).get("std") or {}
    if refit and len(refit.get("repeats") or ()) > 1 and seen.get(trials.objectives[0]) is not None:
        return float(seen[trials.objectives[0]]), "over the fresh seeds of the best"
    return None, ""


def flattery(trials: Trials, refit: Mapping[str, Any]) -> str:
    """How much of the best validation value was left when nothing was chosen."""
    best, name = trials.best, trials.objectives[0]
    value = refit["metrics"].get(name)
    if best is None or not best.values or value is None:
        return ""
    return (
        f"{name} was {words.number(best.values[0])} when trial {best.number} was chosen as the best of "
        f"{len(trials.different)}, and is {words.number(value)}{words.spread(refit, name)} with seeds "
        "by which nothing was chosen: a best value is too good by being the best; the test result is not"
    )
