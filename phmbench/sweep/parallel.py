"""Parallel coordinates of a search: a line per trial through what was chosen for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phmbench.record import style, words
from phmbench.sweep.trials import Row, Trials, said, short

MOST_AXES = 6  # keys beside each other; more are shown below, since the page is no wider
MOST_LINES = 300  # the best ones of a figure of lines; more are a grey field


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def places(range_: Mapping[str, Any], values: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Where values stand on an axis; and the names of its places where they are choices."""
    if not range_.get("choices") and all(isinstance(one, int | float) for one in values):
        return [float(one) for one in values], []
    listed = [one if isinstance(one, str) else json.dumps(one) for one in range_.get("choices") or ()]
    labels = [one if isinstance(one, str) else json.dumps(one) for one in values]
    names = list(dict.fromkeys([*listed, *labels]))
    return [float(names.index(label)) for label in labels], names


def draw(trials: Trials) -> list[Path]:
    """A line per trial through what was chosen for it, coloured by its value; below the axes: does not exist."""
    complete = sorted(trials.of("complete"), key=trials.loss)[:MOST_LINES]
    keys = trials.varying()
    if len(complete) < 2 or not keys:
        return []
    parts = panels(keys)
    wide = len(parts[0])
    figure = style.new_figure(max(6.0, 1.25 * (wide + 1) + 1.6), 3.6 * len(parts) + 0.6)
    for axis, part in zip(figure.subplots(len(parts), 1, squeeze=False)[:, 0], parts, strict=True):
        _panel(axis, trials, part, complete, names=short(keys), wide=wide)
    only = f"the best {MOST_LINES} of " if len(trials.of("complete")) > MOST_LINES else ""
    said_ = f"What was chosen in {only}{len(trials.of('complete'))} complete trials"
    title = f"{said_}; bright is a high value, the thick line the best trial"
    style.titled(figure, title)
    rows = [(row.number, *(row.chosen.get(key, "") for key in keys), trials.value(row)) for row in complete]
    alt = f"{title}. Keys: {', '.join(keys)}; a line at the bottom: the key does not exist in that trial."
    columns = ("trial", *keys, trials.objectives[0])
    folder = trials.folder / "figures"
    return style.save(figure, folder, "parallel", title=title, alt=alt, columns=columns, rows=rows)


def panels(keys: Sequence[str]) -> list[Sequence[str]]:
    """Keys by row of axes, about as many in each."""
    size = math.ceil(len(keys) / math.ceil(len(keys) / MOST_AXES))
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _panel(
    axis: Any, trials: Trials, keys: Sequence[str], complete: Sequence[Row], *, names: Mapping[str, str], wide: int
) -> None:
    """Axes of some of the keys, then that of the objective; as wide as if there were so many keys."""
    import matplotlib as mpl

    heights = [_heights(trials, key, complete) for key in keys]
    values = [trials.value(row) for row in complete]
    low, high = min(values), max(values)
    last = [(one - low) / (high - low) if high > low else 0.5 for one in values]
    colours = [mpl.colormaps["cividis"](0.85 * one) for one in last]  # its brightest is not seen on white
    for i in reversed(range(len(complete))):  # the best on top
        line = [*(height[i] for height in heights), last[i]]
        axis.plot(range(len(line)), line, color=colours[i], linewidth=2.5 if i == 0 else 1.2,
                  alpha=1 if i == 0 else 0.7)  # fmt: skip
    for x in range(len(keys) + 1):
        axis.axvline(x, color=style.FAINT, linewidth=0.8, zorder=0)
    for x, key in enumerate(keys):
        for height, text in _marks(trials, key, complete):
            axis.text(x + 0.03, height, text, fontsize=8, va="center",
                      bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8})  # fmt: skip
    for height, value in dict([(0.0 if high > low else 0.5, low), (1.0, high)][: 2 if high > low else 1]).items():
        axis.text(len(keys) + 0.03, height, words.number(value), fontsize=8, va="center")
    axis.set_xticks(range(len(keys) + 1), [*(cut(names[key], 16) for key in keys), trials.objectives[0]])
    axis.set(yticks=[], ylim=(-0.2, 1.06), xlim=(-0.1, wide + 0.45))
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


MISSING = -0.15  # height of a key that a trial has not


def _scale(trials: Trials, key: str, rows: Sequence[Row]) -> tuple[list[str], float, float, bool]:
    """Names of the choices; or least and largest value, and whether between them is the logarithm."""
    there = [row.chosen[key] for row in rows if key in row.chosen]
    found, ticks = places(trials.space[key], there)
    range_ = trials.space[key]
    low = range_.get("low") if range_.get("low") is not None else min(found, default=0.0)
    high = range_.get("high") if range_.get("high") is not None else max(found, default=1.0)
    return ticks, float(low or 0.0), float(high or 0.0), bool(range_.get("log"))


def _heights(trials: Trials, key: str, rows: Sequence[Row]) -> list[float]:
    """Of each trial on the axis of a key, from 0 to 1."""
    ticks, low, high, log_ = _scale(trials, key, rows)
    found = []
    for row in rows:
        if key not in row.chosen:
            found.append(MISSING)
            continue
        (place,), _ = places(trials.space[key], [row.chosen[key]])
        if ticks:
            label = row.chosen[key] if isinstance(row.chosen[key], str) else json.dumps(row.chosen[key])
            found.append(ticks.index(label) / (len(ticks) - 1) if len(ticks) > 1 else 0.5)
        elif high <= low:
            found.append(0.5)
        elif log_:
            found.append(math.log(place / low) / math.log(high / low))
        else:
            found.append((place - low) / (high - low))
    return found


def _marks(trials: Trials, key: str, rows: Sequence[Row]) -> list[tuple[float, str]]:
    """Heights and texts beside the axis of a key."""
    ticks, low, high, _ = _scale(trials, key, rows)
    if ticks:
        found = [(i / (len(ticks) - 1) if len(ticks) > 1 else 0.5, cut(tick, 14)) for i, tick in enumerate(ticks)]
    else:
        found = [(0.0, said(low)), (1.0, said(high))] if high > low else [(0.5, said(low))]
    return [*found, (MISSING, "absent")] if any(key not in row.chosen for row in rows) else found
