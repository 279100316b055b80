"""Recording tables built by hand, in the shape of the rigs that they are named after."""

import numpy as np
import pandas as pd

from phmbench.types import Windows

WINDOW = 100  # samples
SIZES = ("007", "014", "021", "028")


def windows_of(counts, *, hop=WINDOW):
    """Index with a number of windows for each recording."""
    counts = np.broadcast_to(counts, np.shape(counts)).astype(np.int64)
    recording = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return Windows(recording, (np.arange(len(recording)) - first) * hop)


def table_of(rows, columns="recording rig unit condition label"):
    """Table from rows of values; the columns by name, with spaces between."""
    return pd.DataFrame([dict(zip(columns.split(), row, strict=True)) for row in rows])


def cwru():
    """60 recordings of 11 bearings: 4 loads × (4 inner, 4 rolling_element, 7 outer); 0.028" has no outer.

    Measured speeds differ from file to file, nominal ones do not.
    """
    places = {("OR", size): ("@6", "@3", "@12") for size in ("007", "021")} | {("OR", "028"): ()}
    return table_of(
        [
            (f"cwru/{kind}{size}{place}_{load}", "cwru", f"cwru/DE_{kind}{size}", f"{load} hp", label, float(load),
             f"0.{size} in", level, float(speed + level), float(speed))
            for load, speed in enumerate((1797, 1772, 1750, 1730))
            for label, kind in (("inner", "IR"), ("rolling_element", "B"), ("outer", "OR"))
            for level, size in enumerate(SIZES, start=1)
            for place in places.get((kind, size), ("",))
        ],
        "recording rig unit condition label load fault_severity fault_severity_level speed_rpm speed_nominal_rpm",
    )  # fmt: skip


def hit_sm():
    """42 recordings of 14 bearings: 2 rigs × 7 labels × 3 speeds; healthy has severity 0."""
    kinds = [("Normal", "normal", 0), ("IR2", "inner", 1), ("IR5", "inner", 2), ("IR8", "inner", 3)]
    kinds += [("OR2", "outer", 1), ("OR5", "outer", 2), ("OR8", "outer", 3)]
    return table_of(
        [
            (f"hit_sm/{rig}_{name}_{speed}", f"hit_sm/{rig}", f"hit_sm/{rig}_{name}", f"{speed} rpm", label, level,
             float(speed))
            for rig in ("spectraquest", "self_built")
            for name, label, level in kinds
            for speed in (600, 900, 1200)
        ],
        "recording rig unit condition label fault_severity_level speed_rpm",
    )  # fmt: skip


def mfpt():
    """14 recordings of 2 bearings, each at its own loads: inner 0, 50, …, 300; outer 25, 50, …, 300 lbs."""
    loads = {"inner": (0, 50, 100, 150, 200, 250, 300), "outer": (25, 50, 100, 150, 200, 250, 300)}
    rows = [
        (f"mfpt/{label}_{load}", "mfpt", f"mfpt/{label}", f"{load} lbs", label, float(load))
        for label, at in loads.items()
        for load in at
    ]
    return table_of(rows, "recording rig unit condition label load")


def recordings_in(rows, windows):
    """Numbers of the recordings that some windows lie in."""
    return sorted(set(windows.recording[rows].tolist()))


def names_in(rows, windows, table, column):
    """Values of a column that some windows have."""
    return set(table[column].iloc[recordings_in(rows, windows)])
