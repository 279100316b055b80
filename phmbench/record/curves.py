"""Learning curves: what Lightning's CSV logger wrote, as a figure."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from phmbench.record import style, words

Curves = dict[str, list[tuple[float, float]]]
MAX_METRICS = 4


def read(path: Path) -> Curves:
    """Name → (step, value) of everything but test metrics in csv/metrics.csv; empty where there is none.

    Rows are sparse: a cell is empty where a metric was not logged in that step.
    """
    files = sorted((path / "csv").glob("**/metrics.csv"))
    curves: Curves = {}
    for file in files[-1:]:  # of several versions the newest
        with file.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                _add(curves, row)
    return curves


def draw(path: Path, result: dict[str, Any]) -> list[Path]:
    """curves.png, .svg, .csv; nothing where nothing was logged."""
    curves = read(path)
    losses = [n for n in curves if n in ("train/loss", "val/loss")]
    monitor = result["monitor"]
    metrics = [n for n in words.overall(curves, stage="val") if n != "val/loss"]
    metrics = sorted(metrics, key=lambda n: n != monitor)[:MAX_METRICS]
    panels = [(names, label) for names, label in ((losses, "loss"), (metrics, "validation metric")) if names]
    if not panels:
        return []
    figure = style.new_figure(8, 2.6 * len(panels) + 0.5)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    best = _best(curves, monitor)
    for axis, (names, label) in zip(axes, panels, strict=True):
        _panel(axis, curves, names, label, best=best[0] if best else None)
    axes[-1].set_xlabel("optimiser step")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    last = max(points[-1][0] for points in curves.values())
    title = (
        f"Validation {words.title(monitor)} is best, {words.number(best[1])}, at step {best[0]:.0f} of {last:.0f}"
        if best
        else f"Training over {last:.0f} steps"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    rows = [(name, step, value) for name in (*losses, *metrics) for step, value in curves[name]]
    alt = f"{title}. Curves over optimiser steps: {', '.join((*losses, *metrics))}."
    columns = ("metric", "step", "value")
    return style.save(figure, path / "figures", "curves", title=title, alt=alt, columns=columns, rows=rows)


def _add(curves: Curves, row: dict[str, str]) -> None:
    for name, text in row.items():
        if not text or name in (None, "epoch", "step") or name.startswith("test/"):
            continue
        try:
            step, value = float(row["step"]), float(text)
        except (KeyError, ValueError):
            continue  # not a number: a logger may write text
        if math.isfinite(value):
            curves.setdefault(name, []).append((step, value))


def _best(curves: Curves, monitor: str | None) -> tuple[float, float] | None:
    """Step and value of the best epoch: the lowest loss or error, the highest of anything else."""
    if monitor not in curves:
        return None
    low = any(word in monitor for word in ("loss", "error", "rmse", "mae"))
    return min(curves[monitor], key=lambda point: point[1] if low else -point[1])


def _panel(axis: Any, curves: Curves, names: list[str], label: str, *, best: float | None) -> None:
    """Curves labelled where they end; ends that are too close are moved apart."""
    for name, colour in zip(names, style.COLOURS, strict=False):
        steps, values = zip(*curves[name], strict=True)
        axis.plot(steps, values, color=colour, linewidth=1.5, marker="o" if len(steps) < 40 else "", markersize=3)
    if best is not None:
        axis.axvline(best, color=style.FAINT, linewidth=1, linestyle="--", zorder=0)
    axis.set_ylabel(label)
    axis.margins(x=0.02)
    low, high = axis.get_ylim()
    ends = sorted(((curves[n][-1][1], n, c) for n, c in zip(names, style.COLOURS, strict=False)), reverse=True)
    place = math.inf
    for value, name, colour in ends:
        place = min(value, place - 0.09 * (high - low))
        axis.annotate(
            name if label == "loss" else words.title(name), (1.01, (place - low) / (high - low)),
            xycoords="axes fraction", color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
