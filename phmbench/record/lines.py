"""Single lines on the screen between summary and results: headings of folds and seeds, progress of the store, a
grid."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from phmbench.record.screen import console


def heading(text: str) -> None:
    """A rule with a text: which fold or seed begins."""
    out = console()
    out.print(f"── {text} ".ljust(min(out.width, 60), "─"), style="bold", markup=False)


def sets(split: Mapping[str, Any], classes: Sequence[str], *, notes: Sequence[str] = ()) -> None:
    """The sets of one more fold or seed, in a line, and what must be said of it that was not said before."""
    counts = ", ".join(f"{name} {split[name]['windows']}" for name in ("train", "val", "test"))
    out = console()
    out.print(f"windows: {counts}; classes: {', '.join(classes)}", markup=False)
    for note in notes:
        out.print(f"note: {note}", style="yellow", markup=False)


def store_progress() -> Callable[[int, int], None]:
    """Called with (done, total) recordings while a store is built: a bar on a terminal, else a line every ten
    seconds."""
    out = console()
    last = [0.0 if out.is_terminal else time.monotonic()]

    def show(done: int, total: int) -> None:
        now = time.monotonic()
        if out.is_terminal:
            if now - last[0] > 0.1 or done == total:
                last[0] = now
                filled = "━" * (40 * done // max(total, 1))
                end = "\n" if done == total else "\r"
                out.file.write(f"\rpreparing the store {filled:<40} {done} of {total} recordings{end}")
                out.file.flush()
        elif now - last[0] > 10:
            last[0] = now
            out.print(f"preparing the store: {done} of {total} recordings")

    return show


def grid(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """The jobs of a grid: what was chosen, and the metrics of the test set."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    if not rows:
        return
    names = [n for n in ("test/macro_f1", "test/balanced_accuracy", "test/macro_auroc") if any(n in m for _, m in rows)]
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("job")
    for name in names:
        table.add_column(name.replace("test/", "test ").replace("_", " "), justify="right")
    for words, metrics in rows:
        table.add_row(words, *(f"{metrics[n]:.4f}" if metrics.get(n) is not None else "–" for n in names))
    console().print(table)


class Spread(Protocol):
    """Least and largest finite value, and the share of those that are not finite."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def bad(self) -> float: ...


class Visited(Protocol):
    """A module, what it gave, and the gradient that came back."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def output(self) -> Spread | None: ...
    @property
    def gradient(self) -> Spread | None: ...


def failure(
    told: Mapping[str, Any], visits: Sequence[Visited], first: Visited | None, *, loss: float, place: str
) -> None:
    """A step, module by module in the order in which they ended; the first that is not finite is marked.

    Args:
        told: `epoch`, `step` and `windows` of the step.
        visits: the modules.
        first: one of them, or None.
        loss: of the step, run again.
        place: in words, where the first value that is not finite was.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    windows = told["windows"]
    out = console()
    out.print(f"epoch {told['epoch']}, step {told['step']}: {len(windows)} windows of "
              f"{len({window['recording'] for window in windows})} recordings; loss {loss:.4g}; {place}",
              markup=False, highlight=False)  # fmt: skip
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("module")
    table.add_column("type")
    for name in ("output", "not finite", "gradient", "not finite"):
        table.add_column(name, justify="right")
    for visit in visits:
        mark, style = ("→", "bold red") if visit is first else (" ", None)
        table.add_row(f"{mark} {visit.name}", visit.kind, *_spread(visit.output), *_spread(visit.gradient), style=style)
    out.print(table)


def _spread(values: Spread | None) -> tuple[str, str]:
    """Range of the finite values, and the share of the others."""
    if values is None:
        return "–", "–"
    between = f"{values.low:.3g} … {values.high:.3g}" if math.isfinite(values.low) else "–"
    return between, f"{values.bad:.1%}" if values.bad else "0"
