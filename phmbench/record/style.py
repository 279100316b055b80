"""How figures look and are saved: readable for the colour-blind, on paper and on a dark page."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.record import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito (2008), Color universal design; yellow left out, which is not seen on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT = "#222222", "#9a9a9a"

_RC: dict[str, Any] = {
    "figure.facecolor": "white",  # its own paper: on a dark page a figure stays what it is
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "path",  # looks the same everywhere
    "svg.hashsalt": "phmbench",  # the same figure gives the same file
}


@contextmanager
def drawing() -> Iterator[None]:
    """Settings for the figures made in the block; the user's own stay as they are."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):  # type: ignore[arg-type]  # its stubs want literal keys
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches, without a window system and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def titled(figure: Figure, title: str) -> None:
    """Say above a figure what it shows, in as many lines as its width needs."""
    lines = "\n".join(textwrap.wrap(title, max(24, int(figure.get_figwidth() * 10.5))))
    figure.suptitle(lines, x=0.01, ha="left", fontsize=11, fontweight="bold")


def save(
    figure: Figure,
    folder: Path,
    name: str,
    *,
    title: str,
    alt: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> list[Path]:
    """Write NAME.png, NAME.svg (with title and text alternative in its metadata) and NAME.csv, its numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()  # lays out once; each savefig would do it again
    figure.set_layout_engine("none")
    png, svg, table = io.BytesIO(), io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=150, metadata={"Title": title, "Description": alt})
    figure.savefig(svg, format="svg", metadata={"Title": title, "Description": alt, "Date": None})
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    contents = {"png": png.getvalue(), "svg": svg.getvalue(), "csv": table.getvalue().encode()}
    for suffix, content in contents.items():
        atomic.write_bytes(folder / f"{name}.{suffix}", content)
    return [folder / f"{name}.{suffix}" for suffix in contents]
