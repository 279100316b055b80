"""Views of recordings, and lengths in revolutions of the shaft: words that the check and the data read alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from phmbench.errors import ConfigError

Name = Literal["time", "angle", "envelope_angle"]
PER_REVOLUTION = {"angle": 512, "envelope_angle": 96}
"""Samples a revolution where nothing else is said. 512 keep at 1800 rpm what lies below 7.7 kHz; of an envelope 96 hold
48 orders of the shaft, eight harmonics of most bearings' fault orders."""
BAND_HZ = (500.0, 10_000.0)
"""Of the envelope where nothing else is said: resonances of most machines lie there that a bearing excites."""
LEAST = 8  # samples of a window
LENGTH = re.compile(r"(\d+(?:\.\d+)?)rev")


def samples(length: int | str, *, name: str, view: Name, per_revolution: int) -> int:
    """A length in samples: as it stands, or `25rev` in an angle view.

    Args:
        length: of a window or hop.
        name: its key, for the message.
        view: of the recordings.
        per_revolution: samples a revolution in that view.

    Raises:
        ConfigError: it is no length, revolutions have none in this view, or it is below 1 sample.
    """
    if isinstance(length, int):
        return length
    found = LENGTH.fullmatch(length.strip())
    if found is None:
        raise ConfigError(f"{name}: no length; got {length!r}; expected samples (2048), or revolutions (25rev)")
    if view == "time":
        raise ConfigError(
            f"{name}: revolutions have no fixed number of samples in data.view=time; got {length!r}; expected samples; "
            f"write {name}=2048, or choose data.view=angle or envelope_angle"
        )
    number = round(float(found[1]) * per_revolution)
    if number < (LEAST if name == "data.window" else 1):
        raise ConfigError(f"{name}: too short; got {length!r}, {number} samples; expected {LEAST} or more; write 25rev")
    return number


def of_view(view: Name, per_revolution: int | None, sample_rate: float | None) -> int:
    """Samples a revolution of a view; 0 for the signal in time.

    Raises:
        ConfigError: a setting that this view does not take.
    """
    if view == "time":
        if per_revolution is not None:
            raise ConfigError(
                f"data.per_revolution: only angle views have one; got {per_revolution} and data.view=time; expected "
                "null; leave it out, or choose data.view=angle or envelope_angle"
            )
        return 0
    if sample_rate is not None:
        raise ConfigError(
            f"data.sample_rate: data.view={view} has samples a revolution, and no common rate; got {sample_rate:g}; "
            "expected null; write data.sample_rate=null"
        )
    return PER_REVOLUTION[view] if per_revolution is None else per_revolution


def of_envelope(view: Name, band: Sequence[float] | None, whiten: bool | None) -> tuple[tuple[float, float], bool]:
    """Band in Hz and whether all lines are brought to one height first; the usual ones where None is given.

    Raises:
        ConfigError: a setting that this view does not take, or a band that is none.
    """
    for name, value in (("band", band), ("whiten", whiten)):
        if view != "envelope_angle" and value is not None:
            raise ConfigError(
                f"data.{name}: only the envelope has one; got {value} and data.view={view}; expected null; leave it "
                "out, or choose data.view=envelope_angle"
            )
    low, high = BAND_HZ if band is None else band if len(band) == 2 else (0.0, 0.0)
    if not 0 < low < high:
        raise ConfigError(
            f"data.band: no band; got {band}; expected two frequencies in Hz, the lower first; write "
            "'data.band=[500, 10000]'"
        )
    return (float(low), float(high)), whiten is not False
