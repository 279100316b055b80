"""leaderboard.html: a board on one page that works offline, on a phone, in the dark and in print."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from phmbench.leaderboard import text
from phmbench.leaderboard.board import Board
from phmbench.leaderboard.cells import Cell, Column
from phmbench.leaderboard.columns import facts
from phmbench.leaderboard.ranking import FIGURE, Ranking
from phmbench.record import html, words


def page(board: Board, ranks: Ranking | str, folder: Path, *, command: str) -> str:
    """The page.

    Args:
        board: what it shows.
        ranks: its ranking, drawn into folder/figures, or why there is none.
        folder: where it will lie: runs are linked from there.
        command: by which it was made.
    """
    sections = [
        f"<h1>Leaderboard</h1>\n<p>{escape(text.summary(board))}</p>",
        _scores(board, folder),
        "<ul>\n" + "\n".join(f"<li>{escape(said)}</li>" for said in text.READ) + "\n</ul>",
        _comparisons(board),
        f"<h2>Over all protocols</h2>\n<p>{escape(text.ranked(ranks))}</p>",
        html.figure(folder / "figures", FIGURE) if isinstance(ranks, Ranking) else "",
        _protocols(board),
        _listed("What has no result", text.without(board)),
        _listed("Notes", board.notes),
        f"<h2>Make it again</h2>\n<pre><code>{escape(command)}</code></pre>",
    ]
    return html.page("Leaderboard", "\n".join(part for part in sections if part))


def _scores(board: Board, folder: Path) -> str:
    heads = ["method", *(column.name for column in board.columns), "parameters", "CPU s a fit"]
    rows = []
    for name in board.methods:
        kind = '<br><span class="faint">baseline</span>' if name in board.baselines else ""
        cells = [_cell(column, name, folder) for column in board.columns]
        rows.append([html.Html(escape(name) + kind), *cells, text.parameters(board, name), text.seconds(board, name)])
    return f'<div class="board">{html.table(heads, rows)}</div>'


def _cell(column: Column, name: str, folder: Path) -> str:
    cell = column.cells.get(name)
    if cell is None:
        return html.Html('<span class="faint">not run</span>')
    if cell.mean is None:
        said = "undefined" if cell.state == "done" else cell.state
        kind = "faint" if cell.state == "not run" else "said"
        return html.Html(f'<span class="{kind}" title="{escape(cell.said, quote=True)}">{escape(said)}</span>')
    value = words.number(cell.mean)
    shown = f"<strong>{value}</strong>" if name == column.best else value
    below = escape(text.between(cell.interval) + text.remarks(cell, column))
    return html.Html(f'{_linked(shown, cell, folder)}{text.spread(cell)}<br><span class="faint">{below}</span>')


def _linked(shown: str, cell: Cell, folder: Path) -> str:
    """A number with a link to the page of its run, or to its folder where there is none."""
    run = cell.runs[0].folder
    target = run / "report.html" if (run / "report.html").exists() else run / "metrics.json"
    return f'<a href="{escape(Path(os.path.relpath(target, folder)).as_posix(), quote=True)}">{shown}</a>'


def _comparisons(board: Board) -> str:
    parts = ["<h2>Against the best baseline</h2>"]
    for column in board.columns:
        if column.comparisons:
            rows = [text.compared(one) for one in column.comparisons]
            caption = f"{column.name}: against {column.comparisons[0].baseline}"
            table = html.table(["method", "difference", "95 % interval", "test"], rows, caption=caption)
            parts.append(f'<div class="against">{table}</div>')
    said = text.COMPARED if len(parts) > 1 else "No protocol has a baseline and another method."
    return "\n".join([*parts, f'<p class="faint">{escape(said)}</p>'])


def _protocols(board: Board) -> str:
    parts = [html.facts(facts(column), caption=column.name) for column in board.columns]
    return "\n".join(["<h2>Protocols</h2>", *parts])


def _listed(title: str, texts: list[str] | tuple[str, ...]) -> str:
    items = "\n".join(f"<li>{escape(said)}</li>" for said in texts)
    return f"<h2>{title}</h2>\n<ul>\n{items}\n</ul>" if texts else ""
