"""One test window of each class: in time, its spectrum, its envelope spectrum with the fault orders marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phmbench.record import predictions, spectra, style

MAX_CLASSES = 12
CLEAR = 4.0
"""A line this many times the background is said to stand out."""


def draw(path: Path, examples: Sequence[predictions.Example]) -> list[Path]:
    """windows.png, .svg, .csv; nothing where the record has no examples."""
    shown = examples[:MAX_CLASSES]
    if not shown:
        return []
    figure = style.new_figure(11, 1.5 * len(shown) + 1.1)
    axes = figure.subplots(len(shown), 3, squeeze=False)
    table: list[Sequence[Any]] = []
    clear = []
    limit = _limit(shown)
    for row, example in zip(axes, shown, strict=True):
        clear.append(_window(row, example, limit, table))
    for axis, label in zip(axes[-1], ("time / ms", "frequency / kHz", "frequency / Hz"), strict=True):
        axis.set_xlabel(label)
    of_envelopes = all(example.envelope for example in shown)
    first = ("squared envelope", "its spectrum") if of_envelopes else ("signal", "spectrum")
    for axis, label in zip(axes[0], (*first, "envelope spectrum"), strict=True):
        axis.set_title(f"{label}\n{axis.get_title(loc='left')}".strip(), fontsize=9)
    title = _title(clear)
    if len(examples) > len(shown):
        title += f" (first {len(shown)} of {len(examples)} classes)"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    said = ", ".join(f"{e.label} from {e.recording}" for e in shown)
    alt = f"{title}. {first[0].capitalize()}, {first[1]} and envelope spectrum, fault orders marked, of: {said}."
    columns = ("class", "kind", "x", "y")
    return style.save(figure, path / "figures", "windows", title=title, alt=alt, columns=columns, rows=table)


def _title(clear: Sequence[bool | None]) -> str:
    known = [c for c in clear if c is not None]
    if not known:
        return "One test window of each class"
    faults = f"{len(known)} fault{'' if len(known) == 1 else 's'} whose line a window can show"
    return f"One test window of each class: the fault's own line stands out in {sum(known)} of {faults}"


def _limit(examples: Sequence[predictions.Example]) -> float:
    """Up to which frequency envelope spectra are shown, Hz: a little above the highest line, the same for all."""
    each = [spectra.fault_lines(e.label, speed_hz=e.speed_hz, orders=e.orders) for e in examples]
    highest = [line.hz for lines in each for line in lines]
    rate = max(e.rate_hz for e in examples)
    return min(1.1 * max(highest), rate / 2) if highest else rate / 20


def _window(row: Sequence[Any], example: predictions.Example, limit: float, table: list[Sequence[Any]]) -> bool | None:
    """Draw one window; whether its fault's line stands out, or None where no fault or no order is known."""
    import numpy as np

    signal = np.asarray(example.signal[0], dtype=float)
    rate = example.rate_hz
    unit = f" / {example.unit}" if example.unit else ""
    hz, amplitude = spectra.spectrum(signal, rate)
    lines = spectra.fault_lines(example.label, speed_hz=example.speed_hz, orders=example.orders)
    envelope_hz, envelope = (hz, amplitude) if example.envelope else spectra.envelope_spectrum(signal, rate)
    seen = envelope_hz <= limit
    panels = (
        ("signal", np.arange(len(signal)) / rate * 1e3, signal),
        ("spectrum", hz / 1e3, amplitude),
        ("envelope spectrum", envelope_hz[seen], envelope[seen]),
    )
    for axis, (kind, x, y) in zip(row, panels, strict=True):
        axis.plot(x, y, color=style.COLOURS[0], linewidth=0.6 if kind == "signal" else 0.9)
        axis.margins(x=0)
        table += [(example.label, kind, f"{a:.6g}", f"{b:.6g}") for a, b in zip(x, y, strict=True)]
    row[0].set_ylabel(f"{example.label}\n{example.channels[0] if example.channels else ''}{unit}")
    return _mark(row[2], lines, example.label, envelope_hz, envelope)


def _mark(axis: Any, lines: Sequence[spectra.Line], label: str, hz: Any, amplitude: Any) -> bool | None:
    """Fault lines and their sidebands; how far the first stands out is said above the panel."""
    top = axis.get_ylim()[1]
    axis.set_ylim(0, top * 1.3)
    named = 0
    for line in lines:
        colour = style.FAINT if line.sideband else style.COLOURS[1]
        axis.axvline(line.hz, color=colour, linewidth=0.8, linestyle=":" if line.sideband else "--", zorder=0)
        if line.name:
            axis.annotate(
                line.name, (line.hz, top * (1.24 - 0.13 * (named % 4))), (2, 0), textcoords="offset points", va="top",
                fontsize=7, color=colour,
            )  # fmt: skip
            named += 1  # in steps: neighbours must not lie on each other
    if not lines or not any(word in label.lower() for word in spectra.FAULTS):
        return None
    twice = next((line for line in lines if line.name == "2 BSF"), None)
    first = twice or lines[0]  # a rolling element strikes inner and outer ring once each in a turn
    ratio = spectra.prominence(hz, amplitude, first.hz)
    if not math.isfinite(ratio):
        return None
    axis.set_title(f"{first.name} {first.hz:.0f} Hz: {ratio:.1f} × background", fontsize=8)
    return ratio >= CLEAR
