"""The figures of a search, from its trials alone: history, curves, slices, parallel coordinates, importance, front."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from phmbench.record import style, words
from phmbench.sweep import parallel
from phmbench.sweep.parallel import MOST_LINES, cut, places
from phmbench.sweep.trials import Row, Trials, said, short

log = logging.getLogger("phmbench")

FIGURES = ("history", "front", "importance", "slices", "parallel", "intermediate")
"""In the order of the page."""
ENOUGH = 8  # complete trials, below which importance is chance
BEST, OTHER, BAD = style.COLOURS[1], style.COLOURS[0], style.COLOURS[6]


def draw(trials: Trials, study: Any) -> list[Path]:
    """Draw what the trials have the numbers for, into figures/ of the sweep's folder: PNG, SVG and CSV of each."""
    for name in FIGURES:
        for file in (trials.folder / "figures").glob(f"{name}.*"):
            file.unlink()
    with style.drawing():
        return [
            *_history(trials), *_front(trials), *_importance(trials, study), *_slices(trials), *parallel.draw(trials),
            *_intermediate(trials),
        ]  # fmt: skip


def _save(trials: Trials, figure: Any, name: str, **said: Any) -> list[Path]:
    return style.save(figure, trials.folder / "figures", name, **said)


def _history(trials: Trials) -> list[Path]:
    """Value by trial, the best so far, and where trials were pruned or failed."""
    complete, pruned, failed = trials.of("complete"), trials.of("pruned"), trials.of("failed")
    if not (complete or pruned or failed):
        return []
    figure = style.new_figure(8, 3.6)
    axis = figure.subplots()
    shown = [row for row in pruned if row.curve]
    if shown:
        axis.plot([r.number for r in shown], [r.curve[-1][1] for r in shown], "x", color=style.FAINT, label="pruned")
    if complete:
        axis.plot(
            [r.number for r in complete], [trials.value(r) for r in complete], "o", color=OTHER, ms=5, label="complete"
        )
    if not (shown or complete):
        axis.set_yticks([])
    so_far = list(_best_so_far(trials, complete))
    if so_far:
        axis.step(*zip(*so_far, strict=True), where="post", color=BEST, linewidth=1.5, label="best so far")
    if failed:
        axis.plot(
            [r.number for r in failed], [0.02] * len(failed), "^", color=BAD, transform=axis.get_xaxis_transform(),
            label="failed (no value)", clip_on=False,
        )  # fmt: skip
    axis.set(xlabel="trial", ylabel=trials.objectives[0])
    axis.locator_params(axis="x", integer=True)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    counts = ", ".join(f"{n} {state}" for state, n in trials.counts().items() if n)
    best = trials.best
    first = (
        f"Best {trials.objectives[0]} {words.number(trials.value(best))}, trial {best.number}"
        if best
        else "No best value"
    )
    title = f"{first}: {counts}"
    style.titled(figure, title)
    rows = [(row.number, row.state, *(row.values or ("",) * len(trials.objectives))) for row in trials.rows]
    alt = f"{title}. Value of {trials.objectives[0]} by number of the trial, and the best so far."
    return _save(trials, figure, "history", title=title, alt=alt, columns=("trial", "state", *trials.objectives),
                 rows=rows)  # fmt: skip


def _best_so_far(trials: Trials, complete: Sequence[Row]) -> Iterator[tuple[int, float]]:
    best: Row | None = None
    for row in complete:
        best = row if best is None or trials.loss(row) < trials.loss(best) else best
        yield row.number, trials.value(best)


def _front(trials: Trials) -> list[Path]:
    """The first objective against each other one; who is not beaten is joined by a line."""
    complete, others = trials.different, trials.objectives[1:]
    if not others or not complete:
        return []
    figure = style.new_figure(4.2 * len(others) + (3.8 if len(others) == 1 else 0), 4)
    optimal = {row.number for row in trials.front}
    for axis, (i, name) in zip(
        figure.subplots(1, len(others), squeeze=False)[0], enumerate(others, start=1), strict=True
    ):
        points = [(row.values[i], row.values[0], row.number) for row in complete if row.values]
        rest, best = ([p for p in points if (p[2] in optimal) == yes] for yes in (False, True))
        axis.plot([p[0] for p in rest], [p[1] for p in rest], "o", color=OTHER, alpha=0.6, label="beaten")
        best.sort()
        line = "-" if len(others) == 1 else ""
        axis.plot(
            [p[0] for p in best], [p[1] for p in best], f"D{line}", color=BEST, linewidth=1, label="Pareto-optimal"
        )
        for x, y, number in best[:20]:
            axis.annotate(str(number), (x, y), (5, 5), textcoords="offset points", fontsize=8)
        values = [p[0] for p in points]
        if min(values) > 0 and max(values) > 20 * min(values):
            axis.set_xscale("log")
        axis.set(xlabel=f"{name} ({_sense(trials, i)})", ylabel=f"{trials.objectives[0]} ({_sense(trials, 0)})")
        axis.margins(0.1)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    title = f"{len(optimal)} of {len(complete)} trials are Pareto-optimal: no other is better in all objectives"
    style.titled(figure, title)
    rows = [(row.number, row.number in optimal, *(row.values or ())) for row in complete]
    alt = f"{title}. {trials.objectives[0]} against {', '.join(others)}; optimal trials: {sorted(optimal)}."
    return _save(trials, figure, "front", title=title, alt=alt, columns=("trial", "optimal", *trials.objectives),
                 rows=rows)  # fmt: skip


def _sense(trials: Trials, objective: int) -> str:
    return "more is better" if trials.larger[objective] else "less is better"


def _importance(trials: Trials, study: Any) -> list[Path]:
    """How much each key that all trials have has to do with a trial being among the best.

    By PED-ANOVA (Watanabe, Bansal and Hutter 2023, IJCAI), which needs no scikit-learn, unlike fANOVA.
    """
    found = importance(trials, study)
    if not found:
        return []
    complete = trials.different
    left = {key: sum(key in row.chosen for row in complete) for key in trials.varying() if key not in found}
    names, ordered = short([*found, *left]), sorted(found.items(), key=lambda one: one[1])
    figure = style.new_figure(8, 1.2 + 0.36 * len(names))
    axis = figure.subplots()
    axis.barh([names[key] for key in left], [0] * len(left))
    bars = axis.barh([names[key] for key, _ in ordered], [100 * share for _, share in ordered], color=OTHER)
    axis.bar_label(bars, [f"{100 * share:.0f} %" for _, share in ordered], padding=3, fontsize=8)
    for place, count in enumerate(left.values()):
        axis.text(0.5, place, f"not judged: in {count} of {len(complete)} trials", fontsize=8, va="center",
                  color=style.FAINT)  # fmt: skip
    axis.set(xlabel="importance in % of the sum (PED-ANOVA, for being among the best trials)", xlim=(0, 109))
    title = f"{names[ordered[-1][0]]} decides most about {trials.objectives[0]}"
    style.titled(figure, f"{title}, of {len(trials.of('complete'))} complete trials")
    listed = ", ".join(f"{key} {100 * share:.0f} %" for key, share in reversed(ordered))
    rows = [(key, f"{share:.6f}") for key, share in reversed(ordered)]
    return _save(trials, figure, "importance", title=title, alt=f"{title}. {listed}.", columns=("key", "importance"),
                 rows=rows)  # fmt: skip


def importance(trials: Trials, study: Any) -> dict[str, float]:
    """Share of each key that exists in all trials: of another, the evaluator judges the trials that have it alone, and
    the shares cannot be compared. {} where too few trials, one value or one key alone say nothing."""
    import warnings

    import optuna

    complete = trials.different
    keys = [key for key in trials.varying() if all(key in row.chosen for row in complete)]
    if len(complete) < ENOUGH or len({trials.value(row) for row in complete}) < 2 or len(keys) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    target = None if len(trials.objectives) == 1 else lambda trial: trial.values[0] * (-1 if trials.larger[0] else 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the evaluator is called experimental
            found = optuna.importance.get_param_importances(
                _of(complete, study), evaluator=evaluator, params=keys, target=target
            )
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        log.debug("importance: %s", error)
        return {}
    known = {key: share for key, share in found.items() if math.isfinite(share)}
    return known if sum(known.values()) > 0 else {}


def _of(rows: Sequence[Row], study: Any) -> Any:
    """A study of these trials alone: values that were drawn twice would count twice."""
    import optuna

    numbers = {row.number for row in rows}
    found = optuna.create_study(directions=study.directions)
    found.add_trials([trial for trial in study.get_trials(deepcopy=False) if trial.number in numbers])
    return found


def _slices(trials: Trials) -> list[Path]:
    """The value against each key, of the trials in which it exists."""
    complete, keys = trials.of("complete"), trials.varying()
    if not complete or not keys:
        return []
    names, columns = short(keys), min(3, len(keys))
    figure = style.new_figure(max(4.5, 2.7 * columns + 0.6), 2.5 * math.ceil(len(keys) / columns) + 0.5)
    axes = figure.subplots(math.ceil(len(keys) / columns), columns, sharey=True, squeeze=False).ravel()
    for axis, key in zip(axes, keys, strict=False):
        rows = [row for row in complete if key in row.chosen]
        at, ticks = places(trials.space[key], [row.chosen[key] for row in rows])
        best = [row is trials.best for row in rows]
        for yes, colour, size in ((False, OTHER, 20), (True, BEST, 45)):
            picked = [i for i, one in enumerate(best) if one == yes]
            axis.scatter([at[i] for i in picked], [trials.value(rows[i]) for i in picked], s=size, color=colour,
                         alpha=1 if yes else 0.55, linewidths=0, marker="D" if yes else "o")  # fmt: skip
        if ticks:
            axis.set_xticks(
                range(len(ticks)), [cut(tick, 12) for tick in ticks], rotation=0 if sum(map(len, ticks)) < 20 else 25
            )
            axis.set_xlim(-0.6, len(ticks) - 0.4)
        else:
            _along(axis, trials.space[key], at)
        few = f" ({len(rows)} of {len(complete)} trials)" if len(rows) < len(complete) else ""
        axis.set_xlabel(names[key] + few)
    for axis in axes[len(keys) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel(trials.objectives[0])
    title = f"{trials.objectives[0]} by each key; the diamond is the best trial"
    style.titled(figure, title)
    rows_ = [
        (row.number, key, row.chosen[key], trials.value(row)) for key in keys for row in complete if key in row.chosen
    ]
    alt = f"{title}. Keys: {', '.join(keys)}."
    return _save(trials, figure, "slices", title=title, alt=alt, columns=("trial", "key", "chosen", "value"),
                 rows=rows_)  # fmt: skip


def _along(axis: Any, range_: Mapping[str, Any], at: Sequence[float]) -> None:
    """The axis of a range: few ticks, in plain numbers, and whole where the range is."""
    from matplotlib.ticker import MaxNLocator

    whole = all(isinstance(range_.get(end), int) for end in ("low", "high"))
    if range_.get("log") and at:
        ticks = log_ticks(min(at), max(at), whole=whole)
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.set_xticks(ticks, [said(tick) for tick in ticks])
    else:
        axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1))


def log_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Two to four round numbers between two others, or these themselves."""
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [float(f"{digit}e{power}") for power in powers for digit in digits]
        found = [one for one in found if low <= one <= high and (one.is_integer() or not whole)]
        if len(found) > 1:
            return found[:: math.ceil(len(found) / 4)]
    return sorted({low, high})


def _intermediate(trials: Trials) -> list[Path]:
    """What the trials reported while they ran."""
    rows = [row for row in trials.ranked() if len(row.curve) > 1][:MOST_LINES]
    if not rows:
        return []
    figure = style.new_figure(8, 3.8)
    axis = figure.subplots()
    for row in reversed(rows):
        is_best = trials.best is not None and row.number == trials.best.number
        pruned = row.state == "pruned"
        axis.plot(
            *zip(*row.curve, strict=True), color=BEST if is_best else style.FAINT if pruned else OTHER,
            linewidth=2.2 if is_best else 1, alpha=1 if is_best else 0.5, linestyle="--" if pruned else "-",
            zorder=3 if is_best else 2,
        )  # fmt: skip
        if pruned:
            axis.plot(*row.curve[-1], "x", color=style.FAINT, zorder=2)
    states = {row.state for row in rows}
    kinds = [("best", BEST, "-", trials.best is not None), ("complete", OTHER, "-", "complete" in states),
             ("pruned", style.FAINT, "--", "pruned" in states)]  # fmt: skip
    for name, colour, line, there in kinds:
        if there:
            axis.plot([], [], color=colour, linestyle=line, label=name)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    step = "epoch, one fit after the other; before the next, the mean of those chosen" if trials.several else "epoch"
    axis.set(xlabel=step, ylabel=trials.objectives[0])
    axis.locator_params(axis="x", integer=True)
    title = f"{trials.objectives[0]} while {len(rows)} trials were trained"
    style.titled(figure, title)
    table = [(row.number, step, value) for row in rows for step, value in row.curve]
    alt = f"{title}. One line a trial over its epochs; pruned ones end at a cross."
    columns = ("trial", "step" if trials.several else "epoch", "value")
    return _save(trials, figure, "intermediate", title=title, alt=alt, columns=columns, rows=table)
