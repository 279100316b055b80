"""Mean ranks of methods over protocols, and which of them differ: from eight protocols on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phmbench.leaderboard.board import Board
from phmbench.leaderboard.statistics import ALPHA, Ranks, ranks
from phmbench.record import style, words

PROTOCOLS = 8
METHODS = 3
FIGURE = "critical_difference"


class Ranking(NamedTuple):
    """Methods that have a result in each of the protocols.

    Attributes:
        methods: by mean rank, the best first.
        protocols: names of the columns.
        ranks: of the methods, in their order.
        alike: groups of methods, by their first and last place, that do not differ by the critical difference.
    """

    methods: tuple[str, ...]
    protocols: tuple[str, ...]
    ranks: Ranks
    alike: tuple[tuple[int, int], ...]

    @property
    def said(self) -> str:
        """What it shows."""
        found = self.ranks
        over = f"over {len(self.protocols)} protocols"
        if found.p > ALPHA:
            return f"{over} no difference between the {len(self.methods)} methods is shown (Friedman p = {_p(found.p)})"
        apart = [name for name, rank in zip(self.methods, found.mean, strict=True) if
                 rank - found.mean[0] >= found.critical]  # fmt: skip
        many = f"{len(apart)} of the {len(self.methods) - 1} others" if len(apart) > 3 else ", ".join(apart)
        than = f"better than {many}" if apart else "not shown to be better than any one other"
        return f"{over} {self.methods[0]} has the best mean rank, {found.mean[0]:.2f}, and is {than}"


def _p(value: float) -> str:
    return words.number(value) if value >= 0.001 else "< 0.001"


def ranking(board: Board) -> Ranking | str:
    """The ranking, or why there is none."""
    methods, columns = _complete(board)
    if len(columns) < PROTOCOLS or len(methods) < METHODS:
        return (
            f"a critical-difference diagram takes {PROTOCOLS} protocols and {METHODS} methods with a result in each of "
            f"them; of such protocols there are {len(columns) if methods else 0} here, with {len(methods)} methods"
        )
    scores = np.array([[board.columns[c].results[m].mean for m in methods] for c in columns], dtype=float)
    found = ranks(scores)
    order = sorted(range(len(methods)), key=lambda i: found.mean[i])
    mean = tuple(found.mean[i] for i in order)
    return Ranking(
        tuple(methods[i] for i in order),
        tuple(board.columns[c].name for c in columns),
        found._replace(mean=mean),
        _alike(mean, found.critical),
    )


def _complete(board: Board) -> tuple[list[str], list[int]]:
    """Methods and columns without an empty cell among them: what lacks the largest share goes first, and of the
    columns none of the eight that it takes."""
    methods = [name for name in board.methods if any(name in column.results for column in board.columns)]
    columns = [c for c, column in enumerate(board.columns) if column.results]
    while methods and columns:
        rows = {m: sum(m not in board.columns[c].results for c in columns) / len(columns) for m in methods}
        of = {c: sum(m not in board.columns[c].results for m in methods) / len(methods) for c in columns}
        worst, last = max(methods, key=lambda m: rows[m]), max(columns, key=lambda c: of[c])
        if rows[worst] == 0:
            break
        if rows[worst] >= of[last] or len(columns) <= PROTOCOLS:
            methods.remove(worst)
        else:
            columns.remove(last)
    return methods, columns


def _alike(mean: tuple[float, ...], critical: float) -> tuple[tuple[int, int], ...]:
    """Longest groups of neighbours whose ranks differ by less than the critical difference."""
    groups: list[tuple[int, int]] = []
    for first in range(len(mean)):
        last = max(i for i in range(first, len(mean)) if mean[i] - mean[first] < critical)
        if last > first and not (groups and groups[-1][1] >= last):
            groups.append((first, last))
    return tuple(groups)


def draw(found: Ranking, folder: Path, *, metric: str, baselines: Collection[str] = ()) -> list[Path]:
    """critical_difference.png, .svg and .csv in folder/figures; baselines have a colour of their own."""
    k = len(found.methods)
    half = (k + 1) // 2
    with style.drawing():
        figure = style.new_figure(9, 1.6 + 0.3 * half + 0.12 * len(found.alike))
        axis = figure.subplots()
        _axis(axis, k, found.ranks.critical)
        depth = -0.45 - 0.22 * len(found.alike)
        for place, (name, rank) in enumerate(zip(found.methods, found.ranks.mean, strict=True)):
            left = place < half
            y = depth - 0.45 * (place if left else k - 1 - place)
            end = 0.85 if left else k + 0.15
            axis.plot([rank, rank, end], [0, y, y], color=style.FAINT, linewidth=1)
            axis.annotate(f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}", (end, y), (-4 if left else 4, 0),
                          textcoords="offset points", ha="right" if left else "left", va="center",
                          color=style.COLOURS[name in baselines])  # fmt: skip
        for level, (first, last) in enumerate(found.alike):
            y = -0.25 - 0.22 * level
            axis.plot([found.ranks.mean[first] - 0.04, found.ranks.mean[last] + 0.04], [y, y], color=style.INK, lw=3.5,
                      solid_capstyle="butt")  # fmt: skip
        axis.set_ylim(depth - 0.45 * half, 1.1)
        axis.annotate("baselines", (k + 0.45 * k, 0.7), ha="right", color=style.COLOURS[1])
        axis.annotate("networks", (k + 0.45 * k, 0.3), ha="right", color=style.COLOURS[0])
        title = found.said[0].upper() + found.said[1:]
        style.titled(figure, title)
        listed = ", ".join(f"{n} {r:.2f}" for n, r in zip(found.methods, found.ranks.mean, strict=True))
        alt = (f"{title}. Mean ranks of {words.title(metric)}, 1 is best: {listed}; critical difference "
               f"{found.ranks.critical:.2f}; methods under one bar do not differ by it.")  # fmt: skip
        rows = list(zip(found.methods, found.ranks.mean, strict=True))
        return style.save(figure, folder / "figures", FIGURE, title=title, alt=alt, columns=("method", "mean rank"),
                          rows=rows)  # fmt: skip


def _axis(axis: Any, k: int, critical: float) -> None:
    """Ranks from 1 to k along the top, and the length of the critical difference above it."""
    axis.set_xlim(1 - 0.45 * k, k + 0.45 * k)
    axis.axis("off")
    axis.plot([1, k], [0, 0], color=style.INK, linewidth=1)
    for rank in range(1, k + 1):
        axis.plot([rank, rank], [0, 0.12], color=style.INK, linewidth=1)
        axis.annotate(str(rank), (rank, 0.14), ha="center", va="bottom")
    end = min(1 + critical, k)
    axis.plot([1, 1, 1, end, end, end], [0.62, 0.78, 0.7, 0.7, 0.62, 0.78], color=style.FAINT, linewidth=1)
    axis.annotate(f"critical difference {critical:.2f}", ((1 + end) / 2, 0.8), ha="center", va="bottom")
