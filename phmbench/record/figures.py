"""The figures of a record, made by reading it alone, so that they can be made again at any time."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phmbench.record import curves, predictions, style, windows, words
from phmbench.record.status import read_metrics


def draw(path: str | Path, *, outcome: dict[str, Any] | None = None) -> list[Path]:
    """Draw what the record has the numbers for, into figures/: PNG, SVG and CSV of each.

    `confusion` (counts and shares), `curves` (learning curves), `windows` (one test window per class in time, spectrum
    and envelope spectrum), `spread` (folds and seeds).

    Args:
        path: the run directory.
        outcome: the result, while metrics.json is not yet written.

    Raises:
        RecordError: the run has no result, or its predictions are damaged.
    """
    path = Path(path)
    result = read_metrics(path) if outcome is None else outcome
    with style.drawing():
        files = [*_confusion(path, result), *_spread(path, result), *curves.draw(path, result)]
        if (path / "predictions.h5").exists():
            files += windows.draw(path, predictions.read(path).examples)
    return files


def _confusion(path: Path, result: dict[str, Any]) -> list[Path]:
    confusion = result.get("confusion")
    if not confusion or not any(map(sum, confusion["counts"])):
        return []
    names, counts = confusion["classes"], confusion["counts"]
    shares = [[n / sum(row) if sum(row) else 0.0 for n in row] for row in counts]
    size = max(3.2, 1.1 + 0.72 * len(names))
    figure = style.new_figure(size + 1.6, size + 0.7)
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            text = f"{words.count(n)}\n{100 * shares[i][j]:.0f} %"
            axis.text(
                j, i, text, ha="center", va="center", fontsize=8, color="white" if shares[i][j] > 0.55 else style.INK
            )
    axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set(xlabel="predicted class", ylabel="true class")
    figure.colorbar(image, ax=axis, shrink=0.8, label="share of the true class")
    title = _confusion_title(result, names, shares)
    figure.suptitle(_wrap(title, size), x=0.01, ha="left", fontsize=11, fontweight="bold")
    rows = [(names[i], names[j], n, f"{shares[i][j]:.6f}") for i, row in enumerate(counts) for j, n in enumerate(row)]
    right = ", ".join(f"{name} {100 * shares[i][i]:.0f} %" for i, name in enumerate(names))
    alt = f"{title}. Confusion matrix of the test set, counts and shares of the true class. Right: {right}."
    columns = ("true", "predicted", "windows", "share")
    return style.save(figure, path / "figures", "confusion", title=title, alt=alt, columns=columns, rows=rows)


def _confusion_title(result: dict[str, Any], names: Sequence[str], shares: Sequence[Sequence[float]]) -> str:
    """The result, and the mistake that is made most often."""
    f1 = result["metrics"].get("test/macro_f1")
    first = "Test windows by class" if f1 is None else f"Macro F1 {words.number(f1)}"
    wrong = [(s, i, j) for i, row in enumerate(shares) for j, s in enumerate(row) if i != j and s > 0]
    if not wrong:
        return f"{first}: no window is taken for another class"
    share, i, j = max(wrong)
    return f"{first}: {100 * share:.0f} % of {names[i]} is taken for {names[j]}"


def _spread(path: Path, result: dict[str, Any]) -> list[Path]:
    """A row per fold, or per metric where there are only seeds: every seed a dot, mean and standard deviation."""
    names = words.overall(result["metrics"], stage="test")
    if not names or not (result["folds"] or len(result["repeats"]) > 1):
        return []
    main = names[0]
    if result["folds"]:
        rows = [
            (f["target"], f["metrics"].get(main), f["std"].get(main), _seeds(f["repeats"], main))
            for f in result["folds"]
        ]
        rows.append(("mean", result["metrics"][main], result["std"][main], []))
        title = _folds_title(rows[:-1], main)
        note = "small dots: seeds; bars: standard deviation over seeds, of the mean: over folds"
    else:
        rows = [(words.title(n), result["metrics"][n], result["std"][n], _seeds(result["repeats"], n)) for n in names]
        value = words.number(rows[0][1]) + words.spread(result, main)
        title = f"{_capital(words.title(main))} {value} over {words.over(result)}"
        note = "small dots: seeds; bars: standard deviation"
    figure = style.new_figure(8, 1.4 + 0.45 * len(rows))
    _dots(figure.subplots(), rows, xlabel=f"{words.title(main) if result['folds'] else 'test metric'}  ({note})")
    figure.suptitle(_wrap(title, 7), x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = "; ".join(f"{name} {words.number(value)}" for name, value, _, _ in rows)
    table = [(name, value, std, " ".join(map(str, seeds))) for name, value, std, seeds in rows]
    columns = ("row", "mean", "std", "seeds")
    return style.save(
        figure, path / "figures", "spread", title=title, alt=f"{title}. {said}.", columns=columns, rows=table
    )


def _seeds(repeats: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [r["metrics"][name] for r in repeats if r["metrics"].get(name) is not None]


def _folds_title(rows: Sequence[tuple[Any, ...]], main: str) -> str:
    known = [(value, name) for name, value, _, _ in rows if value is not None]
    if not known:
        return f"{_capital(words.title(main))} is undefined in every fold"
    (low, worst), (high, best) = min(known), max(known)
    name = _capital(words.title(main))
    return f"{name} from {words.number(low)} (target {worst}) to {words.number(high)} (target {best})"


def _dots(axis: Any, rows: Sequence[tuple[str, float | None, float | None, list[float]]], *, xlabel: str) -> None:
    for y, (name, value, std, seeds) in enumerate(reversed(rows)):
        colour = style.COLOURS[1] if name == "mean" else style.COLOURS[0]
        axis.plot(seeds, [y - 0.25] * len(seeds), "o", color=colour, alpha=0.5, markersize=4, markeredgewidth=0)
        if value is None:
            continue
        axis.errorbar(value, y, xerr=std or None, fmt="o", color=colour, markersize=7, capsize=3, linewidth=1.5)
        axis.annotate(words.number(value), (value, y), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [row[0] for row in reversed(rows)])
    axis.set_ylim(-0.6, len(rows) - 0.2)
    axis.set_xlabel(xlabel)
    known = [
        x
        for _, value, std, seeds in rows
        for x in (*seeds, *([] if value is None else [value - (std or 0), value + (std or 0)]))
    ]
    if known and min(known) >= 0 and max(known) <= 1:
        axis.set_xlim(min(0.0, min(known)), 1.02)
    axis.grid(axis="x", color="#e5e5e5")
    axis.set_axisbelow(True)


def _wrap(title: str, width: float) -> str:
    """Break a title for a figure of so many inches."""
    return "\n".join(textwrap.wrap(title, max(30, int(width * 12))))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
